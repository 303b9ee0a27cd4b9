"""The alert rules: what each watches, and the SQL that counts what is wrong; 0 is fine.

Each query returns one row with one count, whatever the tables hold: no row at all would be
"no data", which says nothing.
"""

from dataclasses import dataclass

from vitrina.contract import TIME_ZONE
from vitrina.dashboard.texts import Words
from vitrina.rules import NOTABLE_REJECTED_SHARE


@dataclass(frozen=True)
class AlertRule:
    """One rule. It fires when its SQL has counted anything for `minutes` without a break."""

    id: str
    title: Words
    summary: Words
    """What is wrong and what to do; `{count}` is what the SQL counts."""
    sql: str
    panel: str
    """The id of the panel that shows more."""
    severity: str
    minutes: int


ALERT_RULES: tuple[AlertRule, ...] = (
    # The DAG runs on Tuesdays at 12:45 in Moscow: the next import is due on the first Tuesday
    # after the date of the newest. Where there is no import at all, one is overdue.
    AlertRule(
        id="import_late",
        title=Words("An import is late", "Импорт опаздывает"),
        summary=Words(
            "The weekly import is more than a day late. Look at the last run of its DAG in Airflow.",
            "Недельный импорт опаздывает больше чем на сутки. "
            "Посмотрите последний запуск его DAG в Airflow.",
        ),
        sql=f"""\
SELECT count() AS late
FROM (
    SELECT
        count() AS imports,
        max(batch.import_date) + 1 AS day_after,
        day_after + (9 - toDayOfWeek(day_after)) % 7 AS due_on
    FROM batch
)
WHERE imports = 0
    OR now() > toDateTime64(due_on, 0, '{TIME_ZONE}') + INTERVAL 36 HOUR + INTERVAL 45 MINUTE""",  # noqa: S608 - the zone is a constant of ours
        panel="import_age",
        severity="critical",
        minutes=10,
    ),
    # A batch beyond `max_rejected_share` is never loaded; then the import is late.
    AlertRule(
        id="rejected_share",
        title=Words("Many rows are rejected", "Отклонено много строк"),
        summary=Words(
            "Unusually many rows of the newest import were rejected. "
            "Look at the reasons and at the feed.",
            "В последнем импорте отклонено необычно много строк. "
            "Посмотрите на причины и исходные данные.",
        ),
        sql=f"""\
SELECT count() AS imports
FROM batch
WHERE import_date = (SELECT max(import_date) FROM batch)
    AND toDecimal128(rejected, 6) > toDecimal128('{NOTABLE_REJECTED_SHARE}', 6) * rows_in""",  # noqa: S608 - the share is a constant of ours
        panel="rejected_share",
        severity="warning",
        minutes=10,
    ),
    AlertRule(
        id="not_reconciled",
        title=Words("Totals do not reconcile", "Суммы не сходятся"),
        summary=Words(
            "Imports whose totals differ between the engines: {count}. Do not use their figures; "
            "run `vitrina publish` for them again.",
            "Импортов, чьи суммы расходятся между движками: {count}. "
            "Не пользуйтесь их показателями; повторите для них `vitrina publish`.",
        ),
        # What was recorded of each engine, the ledger, and what the marts add up to now. What one
        # of them does not know is NULL. The ledger's clean rows are sales and returns.
        sql="""\
SELECT count() AS imports
FROM (
    SELECT import_date
    FROM (
        SELECT
            import_date, total_sales, total_quantity, total_sales_amount,
            total_returns, total_returns_amount, total_sales + total_returns AS clean
        FROM control_totals
        UNION ALL
        SELECT import_date, NULL, NULL, total_sales_amount, NULL, NULL, clean
        FROM batch
        UNION ALL
        SELECT
            import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount),
            sum(total_returns), sum(total_returns_amount), NULL
        FROM sales_by_region_product GROUP BY import_date
        UNION ALL
        SELECT
            import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount),
            sum(total_returns), sum(total_returns_amount), NULL
        FROM sales_by_region GROUP BY import_date
        UNION ALL
        SELECT
            import_date, sum(total_sales), sum(total_quantity), sum(total_sales_amount),
            sum(total_returns), sum(total_returns_amount), NULL
        FROM sales_by_product GROUP BY import_date
        UNION ALL
        SELECT
            import_date, sum(total_sales), NULL, sum(total_sales_amount),
            sum(total_returns), sum(total_returns_amount), NULL
        FROM sales_by_day GROUP BY import_date
    )
    WHERE import_date IN (SELECT import_date FROM batch)
    GROUP BY import_date
    HAVING greatest(
        uniqExact(total_sales), uniqExact(total_quantity), uniqExact(total_sales_amount),
        uniqExact(total_returns), uniqExact(total_returns_amount), uniqExact(clean)
    ) > 1
)""",
        panel="control_totals",
        severity="critical",
        minutes=10,
    ),
)
