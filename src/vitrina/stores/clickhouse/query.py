"""A query of a user's own: one that reads, for a minute, a block of rows at a time.

`readonly` makes the server refuse all that writes, and each table function that reads a file or
another server. It leaves INTO OUTFILE and the function `file`, by which the embedded engine writes
and reads any file of the user's. They are found in the statement as ClickHouse itself writes it
again: one statement, without comments, each text between single quotes.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

from vitrina.errors import StoreError
from vitrina.stores.answer import SECONDS, Answer
from vitrina.stores.clickhouse.session import Session

_STREAMED = re.compile(r"(SELECT|WITH)\b")
_SHORT = ("SHOW", "DESCRIBE", "EXISTS", "EXPLAIN")
"""Queries that the embedded engine cannot answer block by block."""
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_FILE = re.compile(r"\b(INTO OUTFILE|file(?=`?\())", re.IGNORECASE)


@contextmanager
def query(session: Session, statement: str) -> Iterator[Answer]:
    """What a query answers, while the block lasts.

    Raises:
        StoreError: it is no query, or wrong, or reaches for a file, or takes more than a minute.
    """
    written = _written(session, statement)
    with session.translated(), closing(session.again()) as reader:
        reader.set_client_setting("max_execution_time", SECONDS)
        # Last, since it forbids to change any setting.
        reader.set_client_setting("readonly", 1)
        if not _STREAMED.match(written):
            found = reader.query(statement)
            yield Answer(tuple(found.column_names), iter([[*map(tuple, found.result_rows)]]))
            return
        with reader.query_row_block_stream(statement) as blocks:
            names = tuple(blocks.source.column_names)
            yield Answer(names, ([*map(tuple, block)] for block in blocks))


def _written(session: Session, statement: str) -> str:
    """A statement as ClickHouse writes it, which reads the server's tables.

    Raises:
        StoreError: it is another, or several, or none.
    """
    try:
        [(written,)] = session.rows(
            "SELECT formatQuerySingleLine({statement:String})", statement=statement
        )
    except StoreError as error:
        # What is wrong with the statement, without the one that it was asked in.
        error.args = (str(error).partition(": In scope SELECT formatQuery")[0],)
        raise
    # It understands COPY and does not write it again.
    kind = (written or statement).split()[0]
    if not _STREAMED.match(written) and kind not in _SHORT:
        raise StoreError(f"ClickHouse: {kind} is not a query; read with SELECT")
    if found := _FILE.search(_TEXT.sub("''", written)):
        raise StoreError(
            f"ClickHouse: {found[1]} reaches for a file, and a query reads tables alone; "
            "to keep what it answers: vitrina sql clickhouse … --json > FILE"
        )
    return str(written)
