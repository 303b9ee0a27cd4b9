"""A reader of PostgreSQL, who looks again and again, and what he saw."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

import psycopg

from tests.faults.stage import Stage
from tests.faults.state import State, fingerprint, shown_tables
from vitrina import ledger
from vitrina.errors import StoreError
from vitrina.store import Store
from vitrina.stores.postgres.embedded import embedded_postgres

# Often enough to see each state, and seldom enough not to slow the batch down.
_PAUSE = 0.02

Seen = tuple[str, ...]
"""The fingerprints of the sales and of each mart, in one snapshot."""


def visible(store: Store) -> list[str]:
    """The tables that a reader compares."""
    return [table for table in shown_tables(store) if table not in ledger.NAMES]


def seen_in(state: State, store: Store) -> Seen:
    """What a reader sees where the store is in this state."""
    return tuple(state[f"PostgreSQL {table}"] for table in visible(store))


def wrong_in(history: list[Seen], before: Seen, after: Seen) -> str | None:
    """What is wrong with what was seen while `before` became `after`; None if nothing is.

    A reader sees the one until he sees the other, and never anything else.
    """
    allowed = [before] if before == after else [before, after]
    place = 0
    for number, seen in enumerate(history):
        while place < len(allowed) and allowed[place] != seen:
            place += 1
        if place == len(allowed):
            what = "what was there before" if seen == before else f"a mixture: {seen}"
            return f"a reader saw, in place {number} of {len(history)}, {what}"
    return None


class Reader:
    """Reads a store until the block ends, however often the server goes away meanwhile."""

    def __init__(self, stage: Stage, store: Store, pause: float = _PAUSE) -> None:
        self.history: list[Seen] = []
        """What was seen, in order; the same as just before only once."""
        self.looks = 0
        self._stage, self._store, self._pause = stage, store, pause
        self._done = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._reading = self._pool.submit(self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pool.shutdown()
        # What a reader was refused, other than a server that was gone, is an error.
        self._reading.result()

    def _read(self) -> None:
        while not self._done.is_set():
            # The server was killed, or is not there yet.
            with (
                suppress(StoreError, psycopg.OperationalError),
                embedded_postgres(self._stage.home / "postgres") as dsn,
                psycopg.connect(dsn) as connection,
            ):
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                while not self._done.is_set():
                    self._look(connection)
                    self._done.wait(self._pause)

    def _look(self, connection: "psycopg.Connection[Any]") -> None:
        with connection.transaction():
            seen = tuple(
                fingerprint(connection, self._store, table) for table in visible(self._store)
            )
        self.looks += 1
        if self.history[-1:] != [seen]:
            self.history.append(seen)
