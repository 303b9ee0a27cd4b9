"""What the ledger's tables are told, always within the transaction of what they tell of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date

from psycopg import sql

from vitrina.contract import Batch
from vitrina.errors import BatchError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.marts import TOTALS
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
    # Its rejects and totals go with it.
    session.execute("DELETE FROM batch WHERE as_of = %s", entry.as_of)
    current = replace(entry, is_current=True)
    session.execute(
        sql.SQL("INSERT INTO batch ({}) VALUES ({})").format(
            columns(ENTRY), sql.SQL(", ").join([sql.Placeholder()] * len(ENTRY))
        ),
        *(getattr(current, name) for name in ENTRY),
    )
    with session.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO batch_reject (as_of, reason, rejected_rows) VALUES (%s, %s, %s)",
            [(entry.as_of, reason, rows) for reason, rows in rejects.items()],
        )
    insert_totals(session, entry.as_of, totals)


def insert_totals(session: Session, as_of: date, totals: Iterable[ControlTotals]) -> None:
    with session.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO control_total (as_of, engine, table_name, total_sales, "
            "total_quantity, total_sales_amount) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (as_of, engine, table_name) DO UPDATE SET "
            "(total_sales, total_quantity, total_sales_amount) = "
            "(excluded.total_sales, excluded.total_quantity, excluded.total_sales_amount)",
            [
                (as_of, each.engine, each.table, *(getattr(each, name) for name in TOTALS))
                for each in totals
            ],
        )


def require_current(session: Session, batch: Batch) -> None:
    """Refuse a batch that `sale` does not hold.

    Raises:
        BatchError: names the one that it holds.
    """
    held = session.execute("SELECT as_of FROM batch WHERE is_current")
    if held != [(batch.as_of,)]:
        what = f"batch {held[0][0]}" if held else "no batch"
        raise BatchError(
            f"sale holds {what}, not {batch.as_of}; run: vitrina load --as-of {batch.as_of}"
        )
