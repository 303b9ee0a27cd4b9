"""A run of `vitrina` in which something is killed as the lake or a store is about to commit.

Or just has. Each boundary is a line of a log. Vitrina itself knows nothing of it: its functions are
wrapped, in the process of the run alone.
"""

import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from vitrina.stores.clickhouse.session import Session as ClickHouseSession
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.session import Session as PostgresSession

_READS = ("SELECT", "EXISTS", "SHOW", "SET ")


class Boundaries:
    """Counts the boundaries that are reached, and strikes at the one of this number, if not 0."""

    def __init__(self, log: Path, at: int, strike: Callable[[], bool]) -> None:
        self._log = log.open("a", buffering=1)
        self._at, self._strike = at, strike
        self._reached = 0

    def reach(self, name: str) -> None:
        self._reached += 1
        print(name, file=self._log)
        # What is to be killed may not have started yet: then at the next one.
        if 0 < self._at <= self._reached and self._strike():
            self._at = 0
            print("killed", file=self._log)
            # So that what was killed is gone before the next statement.
            time.sleep(0.05)

    def around(self, owner: type, method: str, name: Callable[..., str | None]) -> None:
        """Make each call a boundary before it and one after; none if `name` gives None."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            known = name(*arguments, **named)
            if known is None:
                return original(*arguments, **named)
            self.reach(f"before {known}")
            result = original(*arguments, **named)
            self.reach(f"after {known}")
            return result

        setattr(owner, method, wrapped)

    def watch(self) -> None:
        """Wrap all by which the lake and the stores commit."""
        self.around(Lake, "document", lambda _, step, name, __: f"lake: {step}/{name}")
        self.around(Lake, "forget", lambda *_: "lake: forget what later steps left")
        self.around(
            psycopg.Transaction,
            "__exit__",
            lambda _, kind, *__: "PostgreSQL: COMMIT" if kind is None else None,
        )
        self.around(PostgresSession, "execute", _commits_by_itself)
        self.around(ClickHouseSession, "command", _changes)
        for insert in ("insert", "insert_arrow"):
            self.around(
                ClickHouseSession, insert, lambda _, table, *__: f"ClickHouse: INSERT {table}"
            )


def _commits_by_itself(session: PostgresSession, statement: Any, *_: object) -> str | None:
    if session.connection.info.transaction_status is not TransactionStatus.IDLE:
        return None
    text = statement if isinstance(statement, str) else statement.as_string(session.connection)
    return None if text.startswith(_READS) else f"PostgreSQL: {_beginning(text)}"


def _changes(_: ClickHouseSession, statement: str, **values: Any) -> str | None:
    if statement.startswith(_READS):
        return None
    table = values.get("table", values.get("staging", ""))
    return f"ClickHouse: {_beginning(statement)} {table}".rstrip()


def _beginning(statement: str) -> str:
    """The words of SQL at the beginning of a statement."""
    return " ".join(itertools.takewhile(str.isupper, statement.split()))
