"""A table or a query of a store's own PostgreSQL, streamed as text."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from vitrina.stores.answer import Row
from vitrina.stores.postgres.connection import connect
from vitrina.stores.postgres.session import address_parts, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_QUERY = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_SETTINGS = {
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "extra_float_digits": "1",
    "lock_timeout": "30s",
}
_BLOCK = 16 * 2**20
"""Bytes that become one batch; no row may have more."""


@dataclass(frozen=True)
class SourceTable:
    """What a table or a query gives, in one transaction that cannot write."""

    shown: str
    """What it is called in messages."""
    names: tuple[str, ...]
    types: tuple[str, ...]
    """Of each column, as PostgreSQL calls them: `numeric`, `timestamptz`."""
    _from: sql.Composable
    _is_query: bool
    _connection: psycopg.Connection[Row]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns as text, days and times in ISO 8601 and UTC.

        The rows of a table are sorted by all these columns, as texts; those of a query come as
        it says.
        """
        texts = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in names]
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(texts), self._from)
        if not self._is_query:
            keys = [sql.SQL('{} COLLATE "C"').format(text) for text in texts]
            query += sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(keys))
        copy = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *)").format(query)
        with self._connection.cursor() as cursor, cursor.copy(copy) as rows:
            yield from csv.open_csv(
                io.BufferedReader(_Bytes(rows), 2**20),
                csv.ReadOptions(column_names=list(names), block_size=_BLOCK),
                csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                # Only what is not quoted is null.
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )


@contextmanager
def open_source(dsn: str, table_or_query: str) -> Iterator[SourceTable]:
    """A table, by its name with or without a schema, or a query that begins with SELECT.

    Raises:
        StoreUnavailable: nothing answers there, or it does not let this user in.
        StoreError: the address cannot be read, or there is no such table.
    """
    address = address_parts(dsn)
    with translated(address):
        connection = connect(address)
        with closing(connection):
            connection.read_only = True
            # What is looked at and what is read are of one moment.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for name, value in _SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, true)", (name, value))
            is_query = _QUERY.match(table_or_query) is not None
            source = _from(table_or_query, is_query=is_query)
            found = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(source))
            types = connection.adapters.types
            described = found.description or []
            known = [types.get(column.type_code) for column in described]
            yield SourceTable(
                "the query" if is_query else table_or_query,
                tuple(column.name for column in described),
                tuple(kind.name if kind else "" for kind in known),
                source,
                is_query,
                connection,
            )


def _from(table_or_query: str, *, is_query: bool) -> sql.Composable:
    if not is_query:
        return sql.Identifier(*table_or_query.strip().split("."))
    query = table_or_query.strip().rstrip(";")
    # On lines of its own, since it may end in a comment. It is the store's, and cannot write.
    return sql.SQL("(\n{}\n) AS sales").format(sql.SQL(query))


class _Bytes(io.RawIOBase):
    """What COPY sends, as a file."""

    def __init__(self, rows: psycopg.Copy) -> None:
        self._rows = rows
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        if not self._rest:
            self._rest = memoryview(self._rows.read())
        target = memoryview(buffer)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
