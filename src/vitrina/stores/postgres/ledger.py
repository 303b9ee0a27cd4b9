"""The ledger's rows, written in the transaction of what they tell about.

Of each load there is a row in `batch_by_load`. It begins with the load, unlisted. Once the sales
are there it is kept, and listed unless readers know an earlier load of the batch as published: that
one is listed until this one is published, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from vitrina import ledger
from vitrina.errors import BatchError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.stores.answer import Row
from vitrina.stores.postgres.session import Session, columns
from vitrina.stores.postgres.tables import by_load

ENTRY = tuple(field.name for field in fields(LedgerEntry))

_BATCH = sql.Identifier(by_load(ledger.BATCH))


def begin(session: Session, entry: LedgerEntry) -> int:
    """Note that a load begins; its number. Nobody sees the row."""
    begun = replace(
        entry,
        loaded_at=datetime.now(UTC),
        analyzed_at=None,
        published_at=None,
        is_current=False,
        is_kept=False,
    )
    row = {name: getattr(begun, name) for name in ENTRY if name != ledger.LOAD_ID.name}
    [(load_id,)] = session.execute(
        sql.SQL("INSERT INTO {} ({}, is_listed) VALUES ({}, false) RETURNING load_id").format(
            _BATCH, columns(row), sql.SQL(", ").join([sql.Placeholder()] * len(row))
        ),
        *row.values(),
    )
    return int(load_id)


def enter(
    session: Session,
    load_id: int,
    rejects: Mapping[str, int],
    totals: Sequence[ControlTotals],
) -> None:
    """Say that the sales of a load are there."""
    _write_alone(session)
    # An earlier load that was never published is forgotten.
    session.execute(
        sql.SQL(
            "DELETE FROM {0} AS old USING {0} AS new WHERE new.load_id = %s "
            "AND old.as_of = new.as_of AND old.load_id < new.load_id "
            "AND old.published_at IS NULL AND NOT old.is_kept"
        ).format(_BATCH),
        load_id,
    )
    session.execute(
        sql.SQL(
            "UPDATE {0} AS new SET is_kept = true, loaded_at = %s, is_listed = NOT EXISTS "
            "(SELECT FROM {0} AS old WHERE old.as_of = new.as_of AND old.is_listed) "
            "WHERE load_id = %s"
        ).format(_BATCH),
        datetime.now(UTC),
        load_id,
    )
    for reason, rows in rejects.items():
        _insert(
            session,
            ledger.REJECTS_BY_REASON,
            load_id,
            {"reason": reason, "rejected_rows": rows},
        )
    insert_totals(session, load_id, totals)


def enter_marts(session: Session, load_id: int, totals: Sequence[ControlTotals]) -> None:
    """Say that the marts of a load are there; what was published is of those before."""
    session.execute(
        sql.SQL("UPDATE {} SET analyzed_at = %s WHERE load_id = %s").format(_BATCH),
        datetime.now(UTC),
        load_id,
    )
    session.execute(
        sql.SQL("DELETE FROM {} WHERE load_id = %s AND engine <> 'spark'").format(
            sql.Identifier(by_load(ledger.CONTROL_TOTALS))
        ),
        load_id,
    )
    insert_totals(session, load_id, totals)


def enter_published(session: Session, load_id: int, totals: Sequence[ControlTotals]) -> bool:
    """Say that a load is published, and show it if its batch is the newest, or the one shown.

    Whether the load is there.
    """
    _write_alone(session)
    found = session.execute(
        sql.SQL(
            "UPDATE {} SET published_at = %s WHERE load_id = %s AND is_kept RETURNING as_of"
        ).format(_BATCH),
        datetime.now(UTC),
        load_id,
    )
    for (as_of,) in found:
        session.execute(
            sql.SQL("UPDATE {} SET is_listed = false WHERE as_of = %s AND load_id <> %s").format(
                _BATCH
            ),
            as_of,
            load_id,
        )
        session.execute(
            sql.SQL("UPDATE {} SET is_listed = true WHERE load_id = %s").format(_BATCH), load_id
        )
        insert_totals(session, load_id, totals)
        [(is_to_be_shown,)] = session.execute(
            sql.SQL(
                "SELECT NOT EXISTS (SELECT FROM {0} WHERE as_of > %s AND is_kept "
                "AND published_at IS NOT NULL) "
                "OR EXISTS (SELECT FROM {0} WHERE as_of = %s AND is_current)"
            ).format(_BATCH),
            as_of,
            as_of,
        )
        if is_to_be_shown:
            _show(session, load_id)
    return bool(found)


def show(session: Session, as_of: date) -> None:
    """Show a batch that is kept.

    Raises:
        BatchError: it is not kept, or was never published; the text names those that can be shown.
    """
    _write_alone(session)
    kept = {
        entry.as_of: entry.load_id
        for entry in entries(session, "is_listed AND is_kept AND published_at IS NOT NULL")
    }
    if as_of not in kept:
        shown = ", ".join(map(str, kept)) or "none yet"
        raise BatchError(
            f"batch {as_of} is not among those that PostgreSQL keeps to be shown: {shown}; "
            f"set VITRINA_POSTGRES_KEEP to keep more, and run: vitrina run --as-of {as_of}"
        )
    _show(session, kept[as_of])


def newest_load(session: Session, as_of: date) -> LedgerEntry | None:
    """The newest load of a batch whose sales are there, published or not."""
    found = entries(session, "as_of = %s AND is_kept", as_of)
    return max(found, key=lambda entry: entry.load_id, default=None)


def require_newest_load(session: Session, as_of: date, attempt: str | None) -> LedgerEntry:
    """The same, of this attempt of the feed.

    Raises:
        BatchError: there is none, or it is of another attempt.
    """
    entry = newest_load(session, as_of)
    again = f"run: vitrina load --as-of {as_of}"
    if entry is None:
        raise BatchError(f"PostgreSQL has no sales of batch {as_of}; {again}")
    if entry.attempt != attempt:
        raise BatchError(
            f"PostgreSQL has attempt {entry.attempt} of the feed of batch {as_of}, and the lake "
            f"has {attempt}; {again}"
        )
    return entry


def entries(session: Session, condition: str, *values: object) -> list[LedgerEntry]:
    """The loads that meet a condition, the newest batch first."""
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY as_of DESC, load_id DESC").format(
        columns(ENTRY), _BATCH, sql.SQL(condition)
    )
    with session.connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
        return cursor.execute(query, values or None).fetchall()


def of_load(
    session: Session, table: str, names: Sequence[str], order: str, as_of: date, load_id: int | None
) -> list[Row]:
    """Rows of the ledger of a batch: of the load that is listed, unless another is named."""
    query = sql.SQL(
        "SELECT {} FROM {} WHERE load_id = coalesce(%s, "
        "(SELECT load_id FROM {} WHERE as_of = %s AND is_listed)) ORDER BY {}"
    ).format(columns(names), sql.Identifier(by_load(table)), _BATCH, sql.SQL(order))
    return session.execute(query, load_id, as_of)


def insert_totals(session: Session, load_id: int, totals: Sequence[ControlTotals]) -> None:
    """Record what tables sum to, in place of what is recorded of the same table and engine."""
    for each in totals:
        session.execute(
            sql.SQL("DELETE FROM {} WHERE (load_id, table_name, engine) = (%s, %s, %s)").format(
                sql.Identifier(by_load(ledger.CONTROL_TOTALS))
            ),
            load_id,
            each.table,
            each.engine,
        )
        _insert(session, ledger.CONTROL_TOTALS, load_id, ledger.row_of_totals(each))


def _insert(session: Session, table: str, load_id: int, row: Mapping[str, Any]) -> None:
    session.insert(by_load(table), {ledger.LOAD_ID.name: load_id, **row})


def _show(session: Session, load_id: int) -> None:
    session.execute(sql.SQL("UPDATE {} SET is_current = false WHERE is_current").format(_BATCH))
    session.execute(
        sql.SQL("UPDATE {} SET is_current = true WHERE load_id = %s").format(_BATCH), load_id
    )


def _write_alone(session: Session) -> None:
    """Keep others from writing to the ledger until the transaction ends. Readers read on."""
    session.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(_BATCH))
