"""The alerts: what each watches, and the SQL that counts what is wrong; 0 is well.

Their words are in `texts.py`, like those of the panels. Each query returns one row with one
count, whatever the tables hold: no row at all would be "no data", which says nothing.
"""

from dataclasses import dataclass
from decimal import Decimal

from vitrina.dashboard.panels import PANELS


@dataclass(frozen=True)
class Alert:
    """One alert. It fires when its SQL counts anything for `minutes` on end."""

    id: str
    sql: str
    panel: str
    """The id of the panel that shows more."""
    severity: str
    minutes: int

    @property
    def title(self) -> str:
        """The key of its title."""
        return f"alert.{self.id}.title"

    @property
    def summary(self) -> str:
        """The key of what it says and what to do."""
        return f"alert.{self.id}.summary"


REJECTED_NOTABLE = Decimal(
    str(
        next(
            threshold.value
            for panel in PANELS
            if panel.id == "rejected_share"
            for threshold in panel.thresholds
            if threshold.level == "warning"
        )
    )
)
"""The share of rejected rows above which an alert fires: from which the panel warns.

A batch beyond `max_rejected_share` is never loaded; then the import is late.
"""

ALERTS: tuple[Alert, ...] = (
    # The DAG runs on Tuesdays at 12:45 in Moscow: the next import after the newest is due on
    # the first Tuesday after its date. Where there is none at all, one is overdue.
    Alert(
        id="import_late",
        sql="""\
SELECT count() AS late
FROM (
    SELECT
        count() AS imports,
        max(batch.import_date) + 1 AS day_after,
        day_after + (9 - toDayOfWeek(day_after)) % 7 AS due_on
    FROM batch
)
WHERE imports = 0
    OR now() > toDateTime64(due_on, 0, 'Europe/Moscow') + INTERVAL 36 HOUR + INTERVAL 45 MINUTE""",
        panel="import_age",
        severity="critical",
        minutes=10,
    ),
    Alert(
        id="rejected_share",
        sql=f"""\
SELECT count() AS imports
FROM batch
WHERE import_date = (SELECT max(import_date) FROM batch)
    AND toDecimal128(rejected, 6) > toDecimal128('{REJECTED_NOTABLE}', 6) * rows_in""",  # noqa: S608 - the share is a constant of ours
        panel="rejected_share",
        severity="warning",
        minutes=10,
    ),
    Alert(
        id="not_reconciled",
        # What was written down of each engine, the ledger, and what the marts sum to now.
        sql="""\
SELECT count() AS imports
FROM (
    SELECT import_date
    FROM (
        SELECT import_date, total_sales, total_quantity, total_sales_amount
        FROM control_totals
        UNION ALL
        SELECT import_date, clean, NULL, total_sales_amount
        FROM batch
        UNION ALL
        SELECT import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount)
        FROM sales_by_region_product GROUP BY import_date
        UNION ALL
        SELECT import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount)
        FROM sales_by_region GROUP BY import_date
        UNION ALL
        SELECT import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount)
        FROM sales_by_product GROUP BY import_date
        UNION ALL
        SELECT import_date, sum(total_sales), NULL, sum(total_sales_amount)
        FROM sales_by_day GROUP BY import_date
    )
    WHERE import_date IN (SELECT import_date FROM batch)
    GROUP BY import_date
    HAVING uniqExact(total_sales, total_sales_amount) > 1
        OR uniqExactIf(assumeNotNull(total_quantity), total_quantity IS NOT NULL) > 1
)""",
        panel="control_totals",
        severity="critical",
        minutes=10,
    ),
)
