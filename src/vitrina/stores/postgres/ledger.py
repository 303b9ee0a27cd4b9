"""The ledger's rows, written in the transaction of what they tell about."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

from psycopg import sql

from vitrina import ledger
from vitrina.errors import BatchError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.store import Batch
from vitrina.stores.postgres.session import Session, columns

ENTRY = tuple(field.name for field in fields(LedgerEntry))


def enter(
    session: Session,
    entry: LedgerEntry,
    rejects: Mapping[str, int],
    totals: Sequence[ControlTotals],
) -> None:
    """Make a batch the current one; forget what is known of an earlier load of it."""
    session.execute("UPDATE batch SET is_current = false WHERE is_current")
    # The rejects and totals of the batch go with it.
    session.execute("DELETE FROM batch WHERE as_of = %s", entry.as_of)
    current = replace(entry, is_current=True)
    of_batch = {ledger.AS_OF.name: entry.as_of}
    rows = ledger.rows(entry, rejects, ()) | {
        ledger.BATCH: [{name: getattr(current, name) for name in ENTRY}]
    }
    for table in ledger.NAMES:
        _insert(session, table, [of_batch | row for row in rows[table]])
    insert_totals(session, entry.as_of, totals)


def insert_totals(session: Session, as_of: date, totals: Sequence[ControlTotals]) -> None:
    """Record what tables sum to, in place of what is recorded of the same table and engine."""
    for each in totals:
        session.execute(
            "DELETE FROM control_totals WHERE (as_of, table_name, engine) = (%s, %s, %s)",
            as_of,
            each.table,
            each.engine,
        )
        row = {ledger.AS_OF.name: as_of} | ledger.row_of_totals(each)
        _insert(session, ledger.CONTROL_TOTALS, [row])


def _insert(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        session.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                columns(row),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            *row.values(),
        )


def require_current(session: Session, batch: Batch, attempt: str | None) -> None:
    """Refuse a batch, or an attempt of it, that is not the one in `sale`.

    Raises:
        BatchError: names the one that is.
    """
    held = session.execute("SELECT as_of, attempt FROM batch WHERE is_current")
    if held and held[0][0] == batch.as_of and held[0][1] != attempt:
        raise BatchError(
            f"sale holds attempt {held[0][1]} of the feed of batch {batch.as_of}, and the lake has "
            f"{attempt}; run: vitrina load --as-of {batch.as_of}"
        )
    if held != [(batch.as_of, attempt)]:
        what = f"batch {held[0][0]}" if held else "no batch"
        raise BatchError(
            f"sale holds {what}, not {batch.as_of}; run: vitrina load --as-of {batch.as_of}"
        )
