"""A table or a query of a store's own PostgreSQL, its types as the feed's text."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.errors import ExportError, StoreError, StoreUnavailable
from vitrina.exports import header
from vitrina.exports.feed import Piece
from vitrina.exports.readers.typed import Text, as_text, numbered, without_last_zeros
from vitrina.exports.source import Source


def read_table(dsn: str, table_or_query: str, source: Source) -> Iterator[Piece]:
    """The rows of a table, or of a query that begins with SELECT, numbered from 1.

    They come in one order every time: those of a table sorted by the mapped columns, as texts;
    those of a query as its ORDER BY says, which has to name enough.

    Raises:
        StoreUnavailable: PostgreSQL does not answer, or does not let this user in.
        ExportError: there is no such table, or a mapped name is not in it or twice.
    """
    from vitrina.stores.postgres.source import open_source

    first = 1
    try:
        with open_source(dsn, table_or_query) as found:
            places = header.positions(found.shown, found.names, source.columns)
            types = {name: found.types[place] for name, place in places.items()}
            for batch in found.batches(source.columns):
                texts = {name: _text(batch.column(name), kind) for name, kind in types.items()}
                yield numbered(texts, first, header.unmapped(found.names, source.columns))
                first += batch.num_rows
    except StoreUnavailable:
        raise
    except (StoreError, pa.ArrowException) as error:
        raise ExportError(f"{error}; nothing of it was read") from error


_TYPED = frozenset({"int2", "int4", "int8", "oid", "float4", "bool", "date", "time", "timetz"})
"""PostgreSQL's types whose text stands as it is."""


def _text(values: pa.Array, kind: str) -> Text:
    """What PostgreSQL gave as text, as the feed has it."""
    if kind == "float8":
        return as_text(values.cast(pa.float64()))
    if kind == "numeric":
        return Text(without_last_zeros(values), typed=True)
    if kind in ("timestamp", "timestamptz"):
        moments = pc.replace_substring(values, pattern=" ", replacement="T", max_replacements=1)
        if kind == "timestamptz":
            moments = pc.replace_substring_regex(moments, pattern=r"\+00$", replacement="+00:00")
        return Text(moments, typed=True)
    return Text(values, typed=kind in _TYPED)
