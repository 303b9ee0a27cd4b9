"""What is done beside the session: each in a thread and on a connection of its own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg
from psycopg import sql

from vitrina.stores.answer import Row
from vitrina.stores.postgres.connection import connect
from vitrina.stores.postgres.session import Session, translated

# How long a thread has once another has failed.
PATIENCE = 10.0

Done = TypeVar("Done")


def in_thread(work: Callable[[], Done]) -> "Future[Done]":
    """Begin work in a thread for which nobody has to wait, not even Python at its end."""
    done: Future[Done] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


@contextmanager
def asked_beside(session: Session, query: sql.Composed) -> Iterator["Future[list[Row]]"]:
    """Ask a query while the block does something else. If the block fails, it is called off.

    The query has one core: the block is supposed to need the other.
    """

    def ask() -> list[Row]:
        with translated(session.address):
            connection.execute("SET max_parallel_workers_per_gather = 0")
            return connection.execute(query).fetchall()

    with translated(session.address), connect(session.address, autocommit=True) as connection:
        answer = in_thread(ask)
        try:
            yield answer
        except BaseException:
            _call_off(connection, answer)
            raise


def _call_off(connection: "psycopg.Connection[Row]", answer: "Future[list[Row]]") -> None:
    """Cancel what the connection does; again, since it may be between two statements."""
    for _ in range(10):
        if answer.done():
            return
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=PATIENCE)
        wait([answer], PATIENCE / 10)
