"""Several threads at work on one store."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, LiteralString

import psycopg

from vitrina.contract import SALES
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.postgres.store import Postgres


def create_tables_at_once(
    number: int, opened: Callable[[], AbstractContextManager[Postgres | ClickHouse]]
) -> None:
    """Create the tables from so many threads, each with a connection of its own."""
    together = threading.Barrier(number)

    def create() -> None:
        with opened() as store:
            together.wait()
            store.create_tables(SALES)

    with ThreadPoolExecutor(number) as pool:
        for created in [pool.submit(create) for _ in range(number)]:
            created.result()


@contextmanager
def read_meanwhile(
    dsn: str, query: LiteralString, pause: float = 0
) -> Iterator[set[tuple[Any, ...]]]:
    """Read again and again until the block ends, at both levels of isolation.

    Gives a set, which has all rows that were seen once the block has ended. There are `pause`
    seconds between the start of a transaction and its query.
    """
    done = threading.Event()

    def read(isolation: psycopg.IsolationLevel) -> set[tuple[Any, ...]]:
        seen = set()
        with psycopg.connect(dsn) as connection:
            connection.isolation_level = isolation
            while not done.is_set():
                with connection.transaction():
                    connection.execute("SELECT 1")  # in REPEATABLE READ the snapshot is from here
                    time.sleep(pause)
                    seen |= set(connection.execute(query))
        return seen

    levels = [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ]
    found: set[tuple[Any, ...]] = set()
    with ThreadPoolExecutor(len(levels)) as pool:
        readers = [pool.submit(read, level) for level in levels]
        try:
            yield found
        finally:
            done.set()
        for reader in readers:
            found |= reader.result()
