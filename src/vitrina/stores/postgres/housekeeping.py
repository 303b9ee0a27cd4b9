"""What no longer has to be kept is dropped: sales and marts of loads, once nobody can read them.

Kept are the newest batches that were published, as many as the settings say, and the one that is
shown. Dropped are the others, loads that another load of the same batch has replaced, and what
loads left that were killed or never published.
"""

import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import psycopg
from psycopg import sql

from vitrina import ledger
from vitrina.errors import StoreUnavailable
from vitrina.marts import Mart
from vitrina.stores.answer import Row
from vitrina.stores.postgres.connection import who
from vitrina.stores.postgres.marts import delete_mart
from vitrina.stores.postgres.session import POLL, Session
from vitrina.stores.postgres.staging import partition_of
from vitrina.stores.postgres.tables import SALE, by_load

PATIENCE_AFTER = 5.0
"""Seconds to wait for readers after a batch was published. What is left, the next load drops."""

# Those who come to read while a drop waits for its lock wait behind it: so not for long.
_LOCK_TIMEOUT = "200ms"
_PAUSE = 0.5

# A load that was not published in this time will not be.
_ABANDONED_AFTER = timedelta(days=7)

_BATCH = sql.Identifier(by_load(ledger.BATCH))


class _Load(NamedTuple):
    load_id: int
    as_of: date
    is_listed: bool
    is_kept: bool


def drop_unkept(
    session: Session,
    marts: Sequence[Mart],
    keep: int,
    left: str,
    *,
    patience: float,
    anew: date | None = None,
) -> None:
    """Drop what is no longer kept, and what was not published of the batch that is loaded `anew`.

    Raises:
        StoreUnavailable: readers were not done in so many seconds; the text ends with `left`.
    """
    loads = _unkept(session, keep, anew)
    deadline = time.monotonic() + patience
    if any(load.is_kept for load in loads):
        _wait_for_older_snapshots(session, deadline, left)
    for load in loads:
        _drop(session, load, marts, deadline, left)


def _unkept(session: Session, keep: int, anew: date | None) -> list[_Load]:
    rows = session.execute(
        sql.SQL(
            "WITH published AS (SELECT load_id, rank() OVER (ORDER BY as_of DESC) AS place "
            "FROM {0} WHERE is_kept AND is_listed AND published_at IS NOT NULL) "
            "SELECT load_id, as_of, is_listed, is_kept "
            "FROM {0} LEFT JOIN published USING (load_id) "
            "WHERE NOT is_current AND (is_kept OR NOT is_listed) AND CASE "
            "WHEN published_at IS NULL THEN coalesce(as_of = %s, false) OR loaded_at < now() - %s "
            "ELSE NOT is_listed OR place > %s END ORDER BY load_id"
        ).format(_BATCH),
        anew,
        _ABANDONED_AFTER,
        keep,
    )
    return [_Load(*row) for row in rows]


def _drop(session: Session, load: _Load, marts: Sequence[Mart], deadline: float, left: str) -> None:
    while True:
        try:
            with session.connection.transaction():
                session.execute("SELECT set_config('lock_timeout', %s, true)", _LOCK_TIMEOUT)
                # Its months too.
                session.execute(
                    sql.SQL("DROP TABLE IF EXISTS {}").format(
                        sql.Identifier(partition_of(load.as_of, load.load_id))
                    )
                )
                for mart in marts:
                    delete_mart(session, mart, load.load_id)
                session.execute(
                    sql.SQL(
                        "UPDATE {} SET is_kept = false WHERE load_id = %s"
                        if load.is_listed
                        else "DELETE FROM {} WHERE load_id = %s"
                    ).format(_BATCH),
                    load.load_id,
                )
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > deadline:
                readers = session.execute(
                    "SELECT DISTINCT a.pid, a.usename, a.xact_start "
                    "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
                    "WHERE l.granted AND a.pid <> pg_backend_pid() AND l.relation IN "
                    "(SELECT relid FROM pg_partition_tree(%s))",
                    by_load(SALE),
                )
                raise StoreUnavailable(
                    f"what is no longer kept of batch {load.as_of} cannot be dropped while sales "
                    f"are being read: {who(readers)}; {left}"
                ) from error
            # Lets those who have queued behind us read.
            time.sleep(_PAUSE)
        else:
            return


def _wait_for_older_snapshots(session: Session, deadline: float, left: str) -> None:
    """Wait until nobody in this database has a snapshot in which another batch is shown.

    In REPEATABLE READ such a reader could come to `sale` after the drop, and would find no sales.
    Who begins later sees the batch that is shown now, so only those who are there now are waited
    for, as CREATE INDEX CONCURRENTLY does.
    """
    [(horizon,)] = session.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
    older = _older_snapshots(session, horizon)
    while older:
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                "batches that are no longer kept cannot be dropped while transactions that began "
                f"before are open: {who(older.values())}; {left}"
            )
        time.sleep(POLL)
        still = _older_snapshots(session, horizon)
        older = {each: still[each] for each in older.keys() & still.keys()}


def _older_snapshots(session: Session, horizon: str) -> dict[str, Row]:
    """Who holds a snapshot that is older than `horizon`, by transaction."""
    # Of whom the server tells us nothing (that takes pg_read_all_stats), every transaction
    # counts. Vacuum, which belongs to no user, reads no sales.
    rows = session.execute(
        "SELECT l.virtualtransaction, a.pid, a.usename, a.xact_start "
        "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
        "WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction "
        "AND a.datname = current_database() AND a.pid <> pg_backend_pid() "
        "AND a.usesysid IS NOT NULL AND CASE "
        "WHEN pg_has_role('pg_read_all_stats', 'USAGE') OR pg_has_role(a.usesysid, 'USAGE') "
        "THEN age(a.backend_xmin) > age(%s::xid) ELSE true END",
        horizon,
    )
    return {transaction: tuple(holder) for transaction, *holder in rows}
