"""Connections with PostgreSQL, given up when the server has fallen silent.

A connection behind a proxy that stops stays open, and nobody ever answers on it. But a server that
builds an index says nothing for minutes, either. So after a while it is asked, on a second
connection, whether it is at work on the statement.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from vitrina.settings import without_libpq_variables
from vitrina.stores.addresses import SOCKETS
from vitrina.stores.answer import Row

# Seconds without a word until the server is asked, and those it has to take the second connection
# and to answer on it. A step that fails writes to the ledger of runs once more: twice both, and it
# has still ended within a minute.
_SILENCE = 15.0
_ANSWER = 10

# How often psycopg looks for Ctrl-C.
_INTERVAL = 0.1

Found = TypeVar("Found")
Waiting = Generator[Any, Any, Found]
"""What psycopg waits with. It is sent something falsy where nothing has come in time."""


def connect(address: Mapping[str, Any], *, autocommit: bool = False) -> "psycopg.Connection[Row]":
    """A connection whose every statement ends in `OperationalError` if the server is silent."""
    with connecting(address):
        connection = _Attentive.connect(make_conninfo(**address), autocommit=autocommit)
    connection.silence = Silence(address)
    return connection


def connecting(address: Mapping[str, Any]) -> AbstractContextManager[None]:
    """For the time it takes to connect: an embedded server is reached whatever PG* say."""
    embedded = str(address.get("host")).startswith(SOCKETS)
    return without_libpq_variables() if embedded else nullcontext()


class Silence:
    """How long a server has said nothing."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._address = {**address, "connect_timeout": _ANSWER}
        self.ends()

    def ends(self) -> None:
        """It has answered, or is asked for something new."""
        self._began = self._bearable_from = time.monotonic()

    def require_work(self, process: int) -> None:
        """Where the silence is long, ask the server whether this process of it is at work.

        Raises:
            psycopg.OperationalError: the server does not answer, or the process does nothing.
        """
        if time.monotonic() - self._bearable_from > _SILENCE:
            if not self._is_at_work(process):
                raise psycopg.OperationalError(
                    f"no answer for {time.monotonic() - self._began:.0f} s, and its process "
                    f"{process} is not at work; run the same command again, nothing is doubled"
                )
            self._bearable_from = time.monotonic()

    def _is_at_work(self, process: int) -> bool:
        """True as well where the server answers, but takes no further connection."""
        conninfo = make_conninfo(**self._address)
        with connecting(self._address):
            if pq.PGconn.ping(conninfo.encode()) != pq.Ping.OK:
                return False
            try:
                other = _Bounded.connect(conninfo, autocommit=True)
            except psycopg.OperationalError:
                return True
        with closing(other):
            # One that waits for its client would do so for ever: the client waits here.
            at_work = other.execute(
                "SELECT FROM pg_stat_activity "
                "WHERE pid = %s AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'",
                (process,),
            ).fetchall()
            if not at_work:
                # It would keep its locks for hours. Meanwhile another may have got its number.
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s "
                    "AND backend_start < clock_timestamp() - make_interval(secs => %s)",
                    (process, time.monotonic() - self._began),
                )
        return bool(at_work)


class _Attentive(psycopg.Connection[Row]):
    """Whatever it waits for passes through `wait`."""

    silence: Silence

    def wait(
        self, gen: Waiting[Found], interval: float = _INTERVAL, timeout: float | None = None
    ) -> Found:
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, waiting: Waiting[Found]) -> Waiting[Found]:
        self.silence.ends()
        ready = None
        while True:
            try:
                wanted = waiting.send(ready)
            except StopIteration as done:
                found: Found = done.value
                return found
            ready = yield wanted
            if ready:
                self.silence.ends()
                continue
            try:
                self.silence.require_work(self.info.backend_pid)
            except psycopg.OperationalError:
                # To roll back would be to wait again.
                self.close()
                raise


class _Bounded(psycopg.Connection[Row]):
    """For statements that take no time."""

    def wait(
        self, gen: Waiting[Found], interval: float = _INTERVAL, timeout: float | None = _ANSWER
    ) -> Found:
        return super().wait(gen, interval, timeout)
