"""The stores: all that knows how a lake, PostgreSQL and ClickHouse are spoken to."""
