"""ClickHouse: every import of the marts, for dashboards to read."""
