"""The ledger's rows of an import, and the imports that it lists."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from vitrina import ledger
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.stores.clickhouse.session import Session
from vitrina.stores.clickhouse.staging import stage_rows
from vitrina.stores.clickhouse.swap import swap_in


def enter(
    session: Session,
    entry: LedgerEntry,
    imported_at: datetime,
    rejects: Mapping[str, int],
    totals: Sequence[ControlTotals],
) -> None:
    """Replace what the ledger holds of an import, `batch` last."""
    of_import = {"import_date": entry.as_of, "imported_at": imported_at}
    rows = ledger.rows(entry, rejects, totals)
    for table in reversed(ledger.NAMES):
        stage_rows(session, table, [of_import | row for row in rows[table]])
        swap_in(session, table, entry.as_of)


def imports(session: Session) -> list[tuple[date, datetime]]:
    """The date of each import that `batch` lists and when it was made (UTC), oldest first."""
    if not session.exists(ledger.BATCH):
        return []
    rows = session.rows(
        "SELECT import_date, imported_at FROM {database:Identifier}.{table:Identifier} "
        "ORDER BY import_date",
        table=ledger.BATCH,
    )
    return [(import_date, imported_at) for import_date, imported_at in rows]


def fates(session: Session, import_date: date, names: Sequence[str]) -> dict[str, int]:
    """What `batch` counts of an import, by these of its columns; none that it does not list."""
    parameters = {f"column_{number}": name for number, name in enumerate(names)}
    counted = ", ".join(f"{{{parameter}:Identifier}}" for parameter in parameters)
    rows = session.rows(
        # Every name in it is a parameter.
        f"SELECT {counted} FROM "  # noqa: S608
        "{database:Identifier}.{table:Identifier} WHERE import_date = {day:Date32}",
        table=ledger.BATCH,
        day=import_date,
        **parameters,
    )
    return {name: value for row in rows for name, value in zip(names, row, strict=True)}


def rejects(session: Session, import_date: date) -> dict[str, int]:
    """How many rows of an import each reason speaks against."""
    rows = session.rows(
        "SELECT reason, rejected_rows FROM {database:Identifier}.{table:Identifier} "
        "WHERE import_date = {day:Date32}",
        table=ledger.REJECTS_BY_REASON,
        day=import_date,
    )
    return dict(rows)
