"""Entries of the ledger: an ordinary batch, with what a test wants to be otherwise."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.rows import AS_OF
from vitrina.ledger import LedgerEntry


def ledger_entry(as_of: date = AS_OF, **changes: Any) -> LedgerEntry:
    """A batch of ten rows, seven of them clean, with `changes` to its fields.

    It began at 9:43:01.25 UTC on its date and was loaded a minute later.
    """
    started_at = datetime.combine(as_of, time(9, 43, 1, 250_000), UTC)
    ordinary: dict[str, Any] = {
        "source": "generated",
        "seed": 42,
        "rows_in": 10,
        "clean": 7,
        "rejected": 2,
        "repaired": 1,
        "collapsed": 1,
        "set_aside": 0,
        "superseded": 0,
        "total_sales_amount": Decimal("61.00"),
        "started_at": started_at,
        "loaded_at": started_at + timedelta(minutes=1),
    }
    return LedgerEntry(as_of=as_of, **ordinary | changes)


TWO_SALES = ledger_entry(
    date(2026, 11, 24),
    rows_in=1000,
    clean=2,
    rejected=3,
    total_sales_amount=Decimal("30.50"),
    started_at=datetime(2026, 11, 24, 10, 0, tzinfo=UTC),
    loaded_at=datetime(2026, 11, 24, 10, 0, tzinfo=UTC),
)
"""A batch of a thousand rows, two of them clean."""
