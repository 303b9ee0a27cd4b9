"""A query of a user's own: one that reads, for a minute, a few thousand rows at a time.

The server declares a cursor for it, which it does for a query alone: SELECT, VALUES, TABLE or
WITH. COPY, DO, CALL, a second statement and all that writes are refused, each by the server. Which
files it may read there depends on its user: see `roles.require_harmless`.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from vitrina.errors import StoreError
from vitrina.stores.answer import SECONDS, Answer, Row
from vitrina.stores.postgres.session import Session, refuse, translated

_ROWS = 5_000
"""Rows that are fetched at once."""
_KINDS = ("SELECT", "WITH", "VALUES", "TABLE")


@contextmanager
def query(session: Session, statement: str) -> Iterator[Answer]:
    """What a query answers, while the block lasts.

    Raises:
        StoreError: it is no query, or wrong, or takes the server more than a minute in all.
    """
    with translated(session.address), session.connection.transaction():
        session.execute("SET TRANSACTION READ ONLY")
        budget = _Budget(session)
        with session.connection.cursor("query") as cursor:
            with budget.spent(), _hinted(session, statement):
                cursor.execute(sql.SQL(statement))
            names = tuple(column.name for column in cursor.description or ())
            yield Answer(names, _blocks(cursor, budget))


@contextmanager
def _hinted(session: Session, statement: str) -> Iterator[None]:
    """Say what a query is where the server only says that it has not understood."""
    try:
        yield
    except psycopg.errors.SyntaxError as error:
        word = next(iter(statement.split()), "")
        if word.upper().strip("(") in _KINDS:
            raise
        said = f"{error.diag.message_primary}; a query begins with {', '.join(_KINDS)}"
        refuse(error, error.sqlstate, said, session.address)


def _blocks(cursor: "psycopg.ServerCursor[Row]", budget: "_Budget") -> Iterator[list[Row]]:
    while True:
        with budget.spent():
            rows = cursor.fetchmany(_ROWS)
        if not rows:
            return
        yield rows


class _Budget:
    """The time that the server has for a query; that of its reader does not count."""

    def __init__(self, session: Session) -> None:
        self._session = session
        [(limit,)] = session.execute(
            "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'"
        )
        # The user's own limit holds if it is stricter.
        self._allowed = min(SECONDS, limit / 1000 or SECONDS)
        self._left = self._allowed

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Let the server have what is left of the time until the block ends.

        Raises:
            StoreError: it takes longer.
        """
        milliseconds = str(max(1, math.ceil(self._left * 1000)))
        # Again before each statement, since the query may have set it.
        self._session.execute("SELECT set_config('statement_timeout', %s, true)", milliseconds)
        began = time.monotonic()
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            if time.monotonic() - began < self._left:
                raise
            raise StoreError(
                f"the query took PostgreSQL more than {self._allowed:g} s and was stopped; "
                "ask for less, or use psql"
            ) from error
        self._left -= time.monotonic() - began
