"""Data frames as Grafana's ClickHouse plugin answers with them.

The conversions are those of the plugin 4.20 (`pkg/converters/registry.go` and `values.go` of
`grafana/clickhouse-datasource`): what has a converter there has one here, and a type without
one is a fault. A result without rows keeps its columns (`getFrames` in `query.go` of
`grafana/sqlds`), for the format of a table; the values of a variable are text
(`src/data/CHVariableSupport.tsx`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from tests.grafana_plugin import Chosen, View, rendered
from vitrina.errors import StoreError
from vitrina.stores.clickhouse.store import ClickHouse

Frame = dict[str, Any]


def _midnight(day: date) -> int:
    """In milliseconds, in UTC: the zone that the dashboard names."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


# By the first pattern that fits a type without its `Nullable`.
_CONVERTERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    (r"U?Int(8|16|32|64|128|256)$", "number", int),
    (r"Float(32|64)$", "number", float),
    (r"Decimal", "number", float),
    (r"Date(32)?$", "time", _midnight),
    (r"(LowCardinality\()?String", "string", str),
    (r"Bool$", "boolean", bool),
)


def frame(store: ClickHouse, sql: str, ref_id: str) -> Frame:
    """What the plugin makes of the answer to SQL that is ready to run.

    Raises:
        StoreError: ClickHouse refuses the SQL.
        AssertionError: the plugin has no converter for a type.
    """
    _, described = store.query(f"DESCRIBE ({sql})")
    _, rows = store.query(sql)
    fields = []
    for at, (name, type_) in enumerate(row[:2] for row in described):
        bare = re.sub(r"Nullable\((.*)\)", r"\1", type_)
        found = [each for each in _CONVERTERS if re.match(each[0], bare)]
        assert found, f"{name}: {type_} would reach Grafana as text"
        _, kind, convert = found[0]
        values = [None if row[at] is None else convert(row[at]) for row in rows]
        fields.append({"name": name, "type": kind, "config": {}, "values": values})
    return {"refId": ref_id, "name": ref_id, "fields": fields, "length": len(rows)}


def options(store: ClickHouse, sql: str, view: View) -> list[tuple[str, str]]:
    """What a variable offers, as text and value: the first of two columns is the value."""
    _, rows = store.query(rendered(sql, view))
    return [(str(row[-1]), str(row[0])) for row in rows]


def at_first_sight(
    store: ClickHouse, variables: Sequence[Mapping[str, Any]], first_day: date, last_day: date
) -> tuple[View, dict[str, str]]:
    """The dashboard as it opens, and the errors of its variables by their names.

    A variable has what is chosen in the file, else the first that is offered, else nothing.
    """
    chosen: dict[str, Chosen] = {}
    errors = {}
    for each in variables:
        name, offered = each["name"], []
        try:
            view = View(chosen, first_day, last_day)
            offered = [value for _, value in options(store, each["query"]["rawSql"], view)]
        except StoreError as error:
            errors[name] = str(error)
        current = (each.get("current") or {}).get("value")
        if current is None:
            current = offered[0] if offered else ""
        chosen[name] = Chosen(current, offered)
    return View(chosen, first_day, last_day), errors
