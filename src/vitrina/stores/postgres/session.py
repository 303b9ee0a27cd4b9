"""A session with PostgreSQL: its address, its errors in our words, its statements, its locks."""

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from vitrina.errors import StoreError, StoreUnavailable
from vitrina.redacted import redacted
from vitrina.stores.addresses import SCHEMA
from vitrina.stores.answer import Row
from vitrina.stores.postgres.connection import connect, who

# Chosen by chance, so as not to meet the advisory locks of others. A schema's own lock is by
# its name; that of the generated shop has always been this.
_WRITER_LOCK = 7_204_518_337_291
_BATCH_LOCK = 7_204_518_337_293

# How such a lock is taken, and how it is let go.
_EXCLUSIVE = "SELECT pg_try_advisory_lock(%s)", "SELECT pg_advisory_unlock(%s)"
_SHARED = "SELECT pg_try_advisory_lock_shared(%s)", "SELECT pg_advisory_unlock_shared(%s)"

# Seconds to wait for others to be done, and how often to look.
_PATIENCE = 600.0
POLL = 0.1

# Besides, names are looked for in our schema alone. Figures and moments read the same whatever the
# server's defaults are; no statement waits for a lock for ever.
_SETTINGS = {
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "lock_timeout": "30s",
}


@contextmanager
def open_session(dsn: str, schema: str) -> Iterator["Session"]:
    """A session with the tables of a schema, open until the block ends.

    Raises:
        StoreError: the address cannot be read.
        StoreUnavailable: nothing answers there, or it does not let this user in.
    """
    address = address_parts(dsn)
    with translated(address):
        connection = connect(address, autocommit=True)
    with closing(connection):
        session = Session(connection, address, schema, _PATIENCE)
        with translated(address):
            for name, value in ({"search_path": schema} | _SETTINGS).items():
                session.execute("SELECT set_config(%s, %s, false)", name, value)
        yield session


@dataclass(frozen=True)
class Session:
    connection: psycopg.Connection[Row]
    address: Mapping[str, Any]
    schema: str
    patience: float
    """Seconds to wait for other sessions to be done."""

    def execute(self, statement: str | sql.SQL | sql.Composed, *values: object) -> list[Row]:
        query = sql.SQL(statement) if isinstance(statement, str) else statement
        cursor = self.connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Add a row, its values by the names of their columns."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table), columns(row), sql.SQL(", ").join([sql.Placeholder()] * len(row))
        )
        self.execute(statement, *row.values())

    def exists(self, table: str) -> bool:
        """Whether a table of ours is there; who may not look into the schema is refused."""
        query = "SELECT to_regclass(%s) IS NOT NULL"
        return self.execute(query, f"{self.schema}.{table}") == [(True,)]

    def lock(self, number: int) -> int:
        """The schema's own advisory lock in place of one of this number."""
        return number + (zlib.crc32(self.schema.encode()) - zlib.crc32(SCHEMA.encode()) << 8)

    @contextmanager
    def alone(self, left: str) -> Iterator[None]:
        """Keep loads and analyses of the schema out until the block ends: the tables change.

        In this process or another; those of other schemas do not matter.

        Raises:
            StoreUnavailable: another was not done in time; the text ends with `left`.
        """
        with self._holding(self.lock(_WRITER_LOCK), left):
            yield

    @contextmanager
    def at_work_on(self, as_of: date, left: str) -> Iterator[None]:
        """Keep others from this batch, and from changing the tables, until the block ends.

        Raises:
            StoreUnavailable: another was not done in time; the text ends with `left`.
        """
        of_batch = _BATCH_LOCK + (zlib.crc32(f"{self.schema} {as_of}".encode()) << 8)
        with (
            self._holding(self.lock(_WRITER_LOCK), left, shared=True),
            self._holding(of_batch, left),
        ):
            yield

    @contextmanager
    def _holding(self, lock: int, left: str, *, shared: bool = False) -> Iterator[None]:
        take, let_go = _SHARED if shared else _EXCLUSIVE
        deadline = time.monotonic() + self.patience
        # Asked again and again: to wait within a statement would hold a snapshot, for which
        # others may wait in turn.
        while self.execute(take, lock) == [(False,)]:
            if time.monotonic() > deadline:
                others = self.execute(
                    "SELECT a.pid, a.usename, coalesce(a.xact_start, a.backend_start) "
                    "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
                    "WHERE l.locktype = 'advisory' AND l.granted "
                    "AND (l.classid::bigint << 32) + l.objid::bigint = %s",
                    lock,
                )
                raise StoreUnavailable(
                    f"another load or analysis is still running: {who(others)}; {left}"
                )
            time.sleep(POLL)
        try:
            yield
        finally:
            # The server unlocks by itself when the connection is gone.
            with suppress(psycopg.OperationalError):
                self.execute(let_go, lock)


# SQL and words


def columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def each(names: Iterable[str], pattern: str, separator: str = ", ") -> sql.Composed:
    """The pattern once for each name, which stands in it as `{0}`."""
    return sql.SQL(separator).join(sql.SQL(pattern).format(sql.Identifier(name)) for name in names)


# Addresses and errors


def address_parts(dsn: str) -> dict[str, Any]:
    """What the address says, part by part.

    Raises:
        StoreError: it cannot be read. Nothing of it is shown: a password with a stray `@` or
            `/` ends up in other parts.
    """
    try:
        address = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        address = {"port": "unreadable"}
    wrong_port = not str(address.get("port", "")).replace(",", "").isdigit() and address.get("port")
    # No host has an `@`: what stands before it is the end of a password. So is what stands before
    # one where the database is named, after a `/` or a `?` of the password.
    is_url = dsn.startswith(("postgresql://", "postgres://"))
    _, _, after = dsn.partition("://")[2].replace("?", "/").partition("/")
    stray = "@" in str(address.get("host", "")) or (is_url and "@" in after)
    if wrong_port or stray:
        raise StoreError(
            "the address of PostgreSQL cannot be read; it looks like "
            "postgresql://user:password@host:5432/database, with each of @ : / ? # % in the "
            "password written as %40 %3A %2F %3F %23 %25"
        )
    return {"connect_timeout": 10, "application_name": "vitrina", **address}


@contextmanager
def translated(address: Mapping[str, Any]) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line and without the password."""
    try:
        yield
    except psycopg.Error as error:
        parts = [error.diag.message_primary or str(error), error.diag.message_detail or ""]
        if isinstance(error, psycopg.errors.LockNotAvailable):
            notes = getattr(error, "__notes__", ["pg_stat_activity shows which"])
            parts[0] += f": another session holds the table; {notes[0]}"
        refuse(error, error.sqlstate, " ".join(parts), address)


def refuse(
    error: Exception, sqlstate: str | None, text: str, address: Mapping[str, Any]
) -> NoReturn:
    """Raise our error for a driver's."""
    kind = _kind(error, sqlstate)
    text = " ".join(text.split()) or type(error).__name__
    text = redacted(text, address.get("password"), address.get("sslpassword"))
    raise kind(f"PostgreSQL at {_place(address)}: {text}") from error


def _place(address: Mapping[str, Any]) -> str:
    host = address.get("host") or "localhost"
    # A socket's folder is a place by itself; its port is only a part of a file's name.
    return host if host.startswith("/") else f"{host}:{address.get('port', 5432)}"


def _kind(error: Exception, sqlstate: str | None) -> type[StoreError]:
    """Whether another try may help: the server or a lock was busy, not the request wrong."""
    cause: type[Exception] = type(error)
    if sqlstate is not None:
        with suppress(KeyError):
            cause = psycopg.errors.lookup(sqlstate)
    passing = (psycopg.OperationalError, psycopg.InterfaceError)
    return StoreUnavailable if issubclass(cause, passing) else StoreError
