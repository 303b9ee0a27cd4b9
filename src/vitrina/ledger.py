"""The ledger: what is known of a batch besides its sales, the same in every store."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True)
class ControlTotals:
    """What a table sums to in one engine; None where the table has no such measure."""

    engine: str
    """`spark`, `postgresql` or `clickhouse`."""
    table: str
    total_sales: int
    total_quantity: int | None
    total_sales_amount: Decimal


@dataclass(frozen=True)
class LedgerEntry:
    """One batch. Rows in = clean + rejected + collapsed; `rejected` counts conflicts too."""

    as_of: date
    source: str
    """`generated`, or the name of the feed's files."""
    seed: int | None
    rows_in: int
    clean: int
    rejected: int
    repaired: int
    collapsed: int
    total_sales_amount: Decimal
    started_at: datetime
    loaded_at: datetime
    """When readers of `sale` first saw it."""
    analyzed_at: datetime | None = None
    """When its marts took the place of the earlier ones; None until then."""
    published_at: datetime | None = None
    is_current: bool = False
    """Whether `sale` holds it now; with `analyzed_at`, so do the marts."""
