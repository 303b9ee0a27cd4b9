"""Pieces of a store's files, small enough to be read in a test, and what they are mapped to."""

import tomllib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vitrina.exports.feed import Piece
from vitrina.exports.mapping import mapped
from vitrina.exports.store_file import StoreFile
from vitrina.store import Store, source_of

Texts = Sequence[str | None]

FIELDS = {
    "sale_id": 'column = "id"',
    "product_id": 'column = "product"',
    "quantity": 'column = "pieces"',
    "sale_date": 'column = "day"',
    "sale_amount": 'column = "sum"',
    "region": 'column = "where"',
}
GOOD = {
    "id": "1",
    "product": "A-1",
    "pieces": "2",
    "day": "2026-11-23",
    "sum": "19.98",
    "where": "North",
}


def store_of(source: str = "", *, top: str = "", **fields: str) -> Store:
    """A store with these keys, whose fields are those of `FIELDS` unless given."""
    lines = [f"{name} = {{ {keys} }}" for name, keys in {**FIELDS, **fields}.items()]
    text = "\n".join(
        [
            'name = "shop"\ntitle = "Shop"',
            top,
            '[source]\nfiles = ["sales.csv"]',
            source,
            "[source.fields]",
            *lines,
        ]
    )
    return StoreFile.model_validate(tomllib.loads(text)).store()


def piece(store: Store, first_line: int = 2, typed: Sequence[str] = (), **columns: Texts) -> Piece:
    """Rows with these texts; a column that is not given has the text of `GOOD` in each row."""
    count = max(map(len, columns.values()), default=1)
    texts = {
        name: pa.array(columns.get(name, [GOOD.get(name)] * count), pa.string())
        for name in source_of(store).columns
    }
    return Piece(
        columns=texts,
        lines=pa.array(range(first_line, first_line + count), pa.int64()),
        typed={name: pa.repeat(pa.scalar(value=True), count) for name in typed},
    )


def rows_of(
    store: Store, first_line: int = 2, typed: Sequence[str] = (), **columns: Texts
) -> list[dict[str, Any]]:
    """What `piece` is mapped to."""
    batch = mapped(piece(store, first_line, typed, **columns), store, "sales.csv", 1)
    batch.validate(full=True)
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def fates_of(rows: Sequence[dict[str, Any]], field: str) -> list[Any]:
    """A field of each row: its text; the reasons where there are some; why it is set aside."""
    return [row["set_aside"] or row["problems"] or row[field] for row in rows]
