"""Waiting until another session has come to a point, and no longer than it takes."""

import time
from typing import LiteralString

import psycopg

WAITS_FOR_LOCK: LiteralString = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
WAITS_FOR_READERS: LiteralString = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND query LIKE '%backend_xmin%'"
)


def wait_until(dsn: str, somebody: LiteralString) -> None:
    """Wait until the query has a row, for half a minute at most."""
    deadline = time.monotonic() + 30
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not connection.execute(somebody).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.01)
