"""Waiting until something is so, and no longer than it takes."""

import time
from collections.abc import Callable
from typing import LiteralString, TypeVar

import psycopg

WAITS_FOR_LOCK: LiteralString = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
WAITS_FOR_READERS: LiteralString = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND query LIKE '%backend_xmin%'"
)

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], seconds: float = 30, pause: float = 0.02) -> Found:
    """Call `look` until it returns something true, and return that.

    Raises:
        AssertionError: it still returns nothing after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds:g} s"
        time.sleep(pause)
    return found


def wait_until(dsn: str, somebody: LiteralString) -> None:
    """Wait until the query has a row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        wait_for(lambda: connection.execute(somebody).fetchall())
