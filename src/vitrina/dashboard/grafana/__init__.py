"""Grafana: the panels as dashboards, and the alert rules, in files that Grafana provisions.

`docs/grafana.md` says how they are used. There is no SQL here: a panel's blanks become what the
ClickHouse plugin fills in (`placeholders.grafana`).
"""
