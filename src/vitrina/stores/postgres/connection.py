"""Connections with PostgreSQL, given up when the server has fallen silent.

A connection behind a proxy that stops stays open, and nobody ever answers on it. But a server that
builds an index says nothing for minutes, either. So after a while it is asked, on a second
connection, whether it is at work on the statement.
"""

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from vitrina.settings import without_libpq_variables
from vitrina.stores.addresses import SOCKETS
from vitrina.stores.answer import Row

# Seconds without a word until the server is asked; those it has to take the second connection and
# to answer on it; and those until it is asked again, since its word may have been under way. A step
# that fails writes to the ledger of runs once more, so all this comes twice within a minute.
_SILENCE = 10.0
_ANSWER = 5
_GRACE = 2.0

# How often psycopg looks for Ctrl-C.
_INTERVAL = 0.1

Found = TypeVar("Found")
Waiting = Generator[Any, Any, Found]
"""What psycopg waits with. It is sent something falsy where nothing has come in time."""


def connect(address: Mapping[str, Any], *, autocommit: bool = False) -> "psycopg.Connection[Row]":
    """A connection whose every statement ends in `OperationalError` if the server is silent."""
    with _connecting(address):
        connection = _Attentive.connect(make_conninfo(**address), autocommit=True)
    connection.silence = Silence(address)
    try:
        # Asked for, since a pooler says another.
        [(connection.process,)] = connection.execute("SELECT pg_backend_pid()")
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def _connecting(address: Mapping[str, Any]) -> AbstractContextManager[None]:
    """For the time it takes to connect: an embedded server is reached whatever PG* say."""
    embedded = str(address.get("host")).startswith(SOCKETS)
    return without_libpq_variables() if embedded else nullcontext()


def who(sessions: Iterable[Row]) -> str:
    """Backends (pid, user, since when) in words."""
    named = [
        f"pid {pid} of {user}" + (f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "")
        for pid, user, since in sessions
    ]
    return ", ".join(named) or "one that has just ended"


class Silence:
    """How long a server has said nothing."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._address = {**address, "connect_timeout": _ANSWER}
        self.holders: list[Row] = []
        """Whose locks the process waited for when the server was asked last."""
        self.ends()

    def ends(self) -> None:
        """It has answered, or is asked for something new."""
        self._began = time.monotonic()
        self._due, self._is_doubted = self._began + _SILENCE, False

    def require_work(self, process: int) -> None:
        """Where the silence is long, ask the server whether this process of it is at work.

        Raises:
            psycopg.OperationalError: the server does not answer, or the process does nothing.
        """
        if time.monotonic() < self._due:
            return
        if self._is_at_work(process):
            self._due, self._is_doubted = time.monotonic() + _SILENCE, False
        elif not self._is_doubted:
            self._due, self._is_doubted = time.monotonic() + _GRACE, True
        else:
            raise psycopg.OperationalError(
                f"no answer for {time.monotonic() - self._began:.0f} s, and its process "
                f"{process} is not at work; run the same command again, nothing is doubled"
            )

    def _is_at_work(self, process: int) -> bool:
        """True as well where the server answers, but takes no further connection."""
        conninfo = make_conninfo(**self._address)
        with _connecting(self._address):
            if pq.PGconn.ping(conninfo.encode()) != pq.Ping.OK:
                return False
            try:
                other = _Bounded.connect(conninfo, autocommit=True)
            except psycopg.OperationalError:
                return True
        with closing(other):
            # One that waits for its client would do so for ever: the client waits here.
            found = other.execute(
                "SELECT holder.pid, holder.usename, "
                "coalesce(holder.xact_start, holder.backend_start) "
                "FROM pg_stat_activity AS ours LEFT JOIN pg_stat_activity AS holder "
                "ON holder.pid = ANY (pg_blocking_pids(ours.pid)) WHERE ours.pid = %s "
                "AND ours.state = 'active' AND ours.wait_event_type IS DISTINCT FROM 'Client'",
                (process,),
            ).fetchall()
            self.holders = [row for row in found if row[0] is not None]
            if not found and self._is_doubted:
                # It would keep its locks for hours. Meanwhile another may have got its number.
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s "
                    "AND backend_start < clock_timestamp() - make_interval(secs => %s)",
                    (process, time.monotonic() - self._began),
                )
        return bool(found)


class _Attentive(psycopg.Connection[Row]):
    """Whatever it waits for passes through `wait`."""

    silence: Silence
    process = 0

    def wait(
        self, gen: Waiting[Found], interval: float = _INTERVAL, timeout: float | None = None
    ) -> Found:
        self.silence.holders = []
        try:
            return super().wait(self._watched(gen), interval, timeout)
        except psycopg.errors.LockNotAvailable as error:
            if self.silence.holders:
                error.add_note(f"it is held by {who(self.silence.holders)}")
            raise

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
                self.silence.require_work(self.process)
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
