"""How new sales take the place of the old: what they are staged in becomes `sale`'s partition.

First, those who could not see its rows are waited for.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from vitrina.errors import StoreUnavailable
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.stores.answer import Row
from vitrina.stores.postgres.ledger import enter
from vitrina.stores.postgres.session import POLL, Session, who

# Those who come to read while the swap waits for its lock wait behind it: so not for long.
_LOCK_TIMEOUT = "2s"
_PAUSE = 2.0


def wait_for_older_snapshots(session: Session, left: str) -> None:
    """Wait until nobody in this database has a snapshot from before the staged rows.

    In REPEATABLE READ such a reader could come to `sale` after the swap, and would see
    its new partition without the rows. Who begins later sees them, so only those who are
    there now are waited for, as CREATE INDEX CONCURRENTLY does.
    """
    deadline = time.monotonic() + session.patience
    [(horizon,)] = session.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
    older = _older_snapshots(session, horizon)
    while older:
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                "sale cannot be replaced while transactions that began before are open: "
                f"{who(older.values())}; {left}"
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


def swap_in(
    session: Session,
    staging: str,
    entry: LedgerEntry,
    rejects: Mapping[str, int],
    totals: Sequence[ControlTotals],
    left: str,
) -> None:
    """Make the staged table the partition of `sale`, and its batch the current one."""
    deadline = time.monotonic() + session.patience
    while True:
        try:
            with session.connection.transaction():
                session.execute("SELECT set_config('lock_timeout', %s, true)", _LOCK_TIMEOUT)
                session.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
                _replace_partition(session, staging)
                enter(session, replace(entry, loaded_at=datetime.now(UTC)), rejects, totals)
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > deadline:
                readers = session.execute(
                    "SELECT DISTINCT a.pid, a.usename, a.xact_start "
                    "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
                    "WHERE l.granted AND l.relation IN "
                    "(SELECT relid FROM pg_partition_tree('sale'))"
                )
                raise StoreUnavailable(
                    f"sale cannot be replaced while it is being read: {who(readers)}; {left}"
                ) from error
            # Lets those who have queued behind us read.
            time.sleep(_PAUSE)
        else:
            return


def _replace_partition(session: Session, staging: str) -> None:
    for schema, name in session.execute(
        "SELECT n.nspname, c.relname FROM pg_inherits AS i "
        "JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n "
        "ON n.oid = c.relnamespace WHERE i.inhparent = 'sale'::regclass"
    ):
        # Its months too.
        session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
    # Same columns, no other partition: nothing has to be scanned.
    session.execute(
        sql.SQL("ALTER TABLE sale ATTACH PARTITION {} DEFAULT").format(sql.Identifier(staging))
    )
