"""The canonical text of a table's rows, whose SHA-256 stands for them.

It is CSV in UTF-8. The first line has the columns' names. The rows follow in the stated order:
by the key, numbers and days by their value, texts by their bytes. Each line ends in a line feed.
A text is quoted, quotes in it doubled; a missing value is bare, between two commas; a number of
decimals has all of them; a day is `2026-11-24`.

`scripts/verify_manifest.py` makes the same text from what PostgreSQL and ClickHouse export.
"""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from vitrina.columns import Column, Date, Integer, Numeric, arrow_schema
from vitrina.documents import Document

SALE_ORDER = ("sale_date", "sale_id")
"""The order of all sales: day by day, so that few have to be in memory at a time."""


def canonical(rows: pa.Table, columns: Sequence[Column], *, header: bool = True) -> memoryview:
    """The text of rows that are in the stated order."""
    text = pa.BufferOutputStream()
    schema = arrow_schema(columns)
    options = arrow_csv.WriteOptions(include_header=header, quoting_style="needed")
    arrow_csv.write_csv(rows.select(schema.names).cast(schema), text, options)
    return memoryview(text.getvalue())


def sha256(rows: pa.Table, columns: Sequence[Column]) -> str:
    """What stands for rows that are in the stated order."""
    return hashlib.sha256(canonical(rows, columns)).hexdigest()


def in_order(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows in the stated order."""
    return rows.take(pc.sort_indices(rows, [(name, "ascending") for name in key]))


def described(columns: Sequence[Column], key: Sequence[str], rows: int, digest: str) -> Document:
    """A table as a manifest has it: enough to make the canonical text of an export."""
    return {
        "columns": [
            {"name": column.name, "type": _kind(column)}
            | ({"scale": column.type.scale} if isinstance(column.type, Numeric) else {})
            for column in columns
        ],
        "key": list(key),
        "rows": rows,
        "sha256": digest,
    }


def _kind(column: Column) -> str:
    match column.type:
        case Integer():
            return "integer"
        case Numeric():
            return "decimal"
        case Date():
            return "date"
        case _:
            return "text"
