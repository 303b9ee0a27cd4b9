"""One batch of a store has one run at a time, wherever runs are started.

The lock is PostgreSQL's own, an advisory one of a session that does nothing else: it goes with
the session, so a run that died holds none. The server looks after a silent session's host, which
may have gone as well.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from psycopg.conninfo import make_conninfo

from vitrina.errors import StoreUnavailable
from vitrina.stores.postgres.session import POLL, Session, open_session, translated

# A run that was killed a moment ago: the server needs a moment to see it.
_PATIENCE = 2.0

# Of the session on both sides, in seconds: a host that is gone is noticed within a minute.
_IDLE, _INTERVAL, _COUNT = 30, 10, 3
_CLIENT = {
    "keepalives": 1,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _COUNT,
}
_SERVER = {
    "tcp_keepalives_idle": str(_IDLE),
    "tcp_keepalives_interval": str(_INTERVAL),
    "tcp_keepalives_count": str(_COUNT),
    # It is idle while the steps work.
    "idle_session_timeout": "0",
}

# What PostgreSQL keeps of an application's name.
_NAME_BYTES = 63


@contextmanager
def alone(session: Session, as_of: date) -> Iterator[Session]:
    """Keep other runs of a batch of the session's schema out until the block ends.

    Yields the session that holds the lock, another than `session`; `call` gives it its name.

    Raises:
        StoreUnavailable: another run has the batch, or batches are pruned; names who it is, and
            since when.
    """
    with _holder(session) as holder:
        with translated(session.address):
            _take(holder, None, f"batch {as_of} cannot run while others are deleted:", shared=True)
            _take(holder, as_of, f"batch {as_of} has another run at work:")
        yield holder


@contextmanager
def without_runs(session: Session, name: str) -> Iterator[None]:
    """Keep runs of all batches of the session's schema out until the block ends.

    They are told of this name.

    Raises:
        StoreUnavailable: one is at work; names it, and since when.
    """
    with _holder(session) as holder:
        with translated(session.address):
            call(holder, name)
            _take(holder, None, "nothing is deleted while a run is at work:")
        yield


@contextmanager
def _holder(session: Session) -> Iterator[Session]:
    """A session beside the other, which will hold locks."""
    address = make_conninfo(**{**session.address, **_CLIENT})
    with open_session(address, session.schema) as holder:
        with translated(session.address):
            for setting, value in _SERVER.items():
                holder.execute("SELECT set_config(%s, %s, false)", setting, value)
        yield holder


def call(holder: Session, name: str) -> None:
    """What others, who wait for the lock, are told from now on."""
    shown = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    holder.execute("SELECT set_config('application_name', %s, false)", shown)


def key(schema: str, as_of: date | None) -> int:
    """The number of the lock of a batch, or of that of all batches."""
    digest = hashlib.sha256(f"vitrina batch {as_of or 'any'} of {schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def held(session: Session) -> dict[int, str]:
    """Every advisory lock of the database, and who has it: name, process of the server, since when.

    Of another role's sessions the server may not tell since when.
    """
    rows = session.execute(
        "SELECT (l.classid::bigint << 32) | l.objid::bigint, "
        "concat(coalesce(nullif(a.application_name, ''), a.usename), ' (PostgreSQL''s process ', "
        "a.pid, ')', to_char(a.backend_start, '\", since \"YYYY-MM-DD HH24:MI:SS \"UTC\"')) "
        "FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return dict(rows)


def _take(holder: Session, as_of: date | None, refusal: str, *, shared: bool = False) -> None:
    deadline = time.monotonic() + _PATIENCE
    wanted = key(holder.schema, as_of)
    take = f"SELECT pg_try_advisory_lock{'_shared' if shared else ''}(%s)"
    while holder.execute(take, wanted) == [(False,)]:
        if time.monotonic() > deadline:
            other = held(holder).get(wanted, "one that has just ended")
            raise StoreUnavailable(
                f"{refusal} {other}; nothing was changed; run the same command again when that "
                "has ended"
            )
        time.sleep(POLL)
