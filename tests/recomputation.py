"""A second opinion, `vitrina.proof.recomputed`, as tables that are compared cell by cell."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vitrina.contract import SALES, Contract
from vitrina.proof.recomputed import (
    create_marts,
    create_money,
    recompute_sales,
    working_memory,
)

if TYPE_CHECKING:
    import duckdb

FIELDS = (
    "sale_id",
    "customer_id",
    "product_id",
    "quantity",
    "sale_date",
    "sale_amount",
    "region",
)

KEYS = {
    "valid": ("sale_id",),
    "rejects": FIELDS,
    "conflicts": FIELDS,
    "sale": ("sale_id",),
    "counts": (),
    "ledger": (),
    "reasons": ("reason",),
    "repairs": ("repair",),
    "examples": ("reason", "example"),
    "sales_by_region_product": ("region", "product_id"),
    "sales_by_region": ("region",),
    "sales_by_product": ("product_id",),
    "sales_by_day": ("sale_date", "region"),
}
"""What is recomputed, and what tells its rows apart, as far as anything does."""

MARTS = tuple(name for name in KEYS if name.startswith("sales_by_"))

_SHOWN = 5

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Rows in no order. A list in a cell is a sorted tuple."""

    columns: tuple[str, ...]
    rows: list[Row]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> "Table":
        return cls(tuple(columns), [tuple(map(_plain, row)) for row in rows])

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def raw_feed(lake: str, as_of: date) -> pa.Table:
    """The feed that the lake holds for the batch, each field as the text that stands there."""
    folder = Path(lake, as_of.isoformat())
    step = json.loads((folder / "generate" / "step.json").read_text(encoding="utf-8"))
    feed = step["datasets"]["feed"]
    paths = [str(folder / file["path"]) for file in feed["files"]]
    texts = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS)
    # Nothing is guessed: neither the form of the file nor the type of a value.
    read = {
        "csv": f"read_csv(?, auto_detect = false, header = true, columns = {{{texts}}})",
        "parquet": "read_parquet(?)",
    }[feed["format"]]
    import duckdb

    with duckdb.connect() as database:
        return database.sql(f"FROM {read}", params=[paths]).to_arrow_table()


def recompute(feed: pa.Table, as_of: date) -> dict[str, Table]:
    """The tables that `KEYS` names, from the text of a feed."""
    with working_memory() as database:
        recompute_sales(database, feed.select(FIELDS), SALES, as_of)
        create_marts(database, as_of, SALES.days, SALES.regions, has_orders=False)
        return {name: _fetch(database, name) for name in KEYS}


def recompute_marts(
    sales: pa.Table, as_of: date, contract: Contract, regions: Sequence[str]
) -> dict[str, Table]:
    """The marts, from clean sales; no `regions`: those there."""
    with working_memory() as database:
        database.register("sale", sales)
        create_money(database, contract)
        database.execute(
            "CREATE TABLE clean AS SELECT * EXCLUDE sale_amount, "
            "(sale_amount * 100)::HUGEINT AS cents FROM sale"
        )
        create_marts(database, as_of, contract.days, regions, has_orders=contract.has_orders)
        return {name: _fetch(database, name) for name in MARTS}


def differences(name: str, expected: Table, actual: Table, where: str) -> list[str]:
    """The first rows and cells of a table in which `where` departs from the rules, in words."""
    if not actual.rows:
        # chDB does not name the columns of a result without rows.
        actual = Table(expected.columns, [])
    if set(actual.columns) != set(expected.columns):
        return [f"{name} has columns {actual.columns} in {where}, {expected.columns} by the rules"]
    found = list(_differences(name, expected, actual, where))
    more = [f"… and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return found[:_SHOWN] + more


def _differences(name: str, expected: Table, actual: Table, where: str) -> Iterator[str]:
    columns = expected.columns
    by_rules, there = _by_key(name, expected, columns), _by_key(name, actual, columns)
    for key in by_rules | there:
        right, found = by_rules[key], there[key]
        row = ", ".join([name, *(f"{k} {v!r}" for k, v in zip(KEYS[name], key, strict=True))])
        if len(right) != len(found):
            yield f"{row}: {len(found)} rows in {where}, {len(right)} by the rules"
            continue
        for one, other in zip(right, found, strict=True):
            for column, rule, cell in zip(columns, one, other, strict=True):
                if rule != cell:
                    yield f"{row}: {column} is {cell!r} in {where}, {rule!r} by the rules"


def _by_key(name: str, table: Table, columns: tuple[str, ...]) -> defaultdict[Row, list[Row]]:
    """The rows of each key, their cells in the order of `columns`, sorted by them."""
    places = [table.columns.index(column) for column in columns]
    keys = [columns.index(column) for column in KEYS[name]]
    rows = defaultdict(list)
    for row in sorted((tuple(row[place] for place in places) for row in table.rows), key=repr):
        rows[tuple(row[key] for key in keys)].append(row)
    return rows


def _fetch(database: "duckdb.DuckDBPyConnection", name: str) -> Table:
    result = database.execute(f"FROM {name}")
    return Table.of([column[0] for column in result.description or ()], result.fetchall())


def _plain(cell: Any) -> Any:
    return tuple(sorted(cell)) if isinstance(cell, list) else cell
