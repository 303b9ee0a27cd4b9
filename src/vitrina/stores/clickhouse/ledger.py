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
