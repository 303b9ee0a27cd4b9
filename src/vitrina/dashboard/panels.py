"""The panels: what each shows, which question it answers, and the SQL that answers it.

Their words are in `texts.py`, under the keys that a panel names. `grafana.py` and `html.py`
draw them; neither holds SQL. What may stand in double braces is in `placeholders.py`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from vitrina.dashboard.placeholders import Variable, variables_in

Unit = Literal["money", "count", "share", "days", "rank", "date", "text", "number", "flag"]


class Kind(StrEnum):
    stat = "stat"
    """One row: the figure, the one of the import before, the change; figures may be null."""
    gauge = "gauge"
    """One row: the figure between `lowest` and `highest`."""
    lines = "lines"
    bars = "bars"
    heat_map = "heat_map"
    state_timeline = "state_timeline"
    pareto = "pareto"
    """A cumulative share by rank."""
    table = "table"


@dataclass(frozen=True)
class Threshold:
    """From this value on, the figure is at this level."""

    value: float
    level: Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Panel:
    """One panel. `columns` are those of its SQL, in order; `UNITS` has what each is in."""

    id: str
    section: str
    kind: Kind
    sql: str
    columns: tuple[str, ...]
    value: str
    """The column that is drawn, or is the figure."""
    x: str = ""
    """The column along the horizontal axis, where there is one."""
    series: str = ""
    """The column that tells lines, or rows of a heat map, apart."""
    thresholds: tuple[Threshold, ...] = ()

    @property
    def title(self) -> str:
        """The key of its title."""
        return f"{self.id}.title"

    @property
    def question(self) -> str:
        """The key of the question that it answers."""
        return f"{self.id}.question"

    @property
    def unit(self) -> Unit:
        return UNITS[self.value]

    @property
    def variables(self) -> frozenset[Variable]:
        """What a reader can choose; the panel does not follow the others."""
        return variables_in(self.sql)


# Every column of every panel. A share is of 1; money has two decimals.
UNITS: dict[str, Unit] = {
    "abc_class": "text",
    "age_days": "days",
    "agrees": "flag",
    "average_day_amount": "money",
    "average_sale_amount": "money",
    "average_sale_amount_before": "money",
    "change": "share",
    "clean": "count",
    "collapsed": "count",
    "days": "count",
    "engine": "text",
    "highest": "money",
    "import_date": "date",
    "lead": "money",
    "leader": "text",
    "leader_amount": "money",
    "lowest": "money",
    "month": "date",
    "moving_average_7_days": "money",
    "product_id": "number",
    "reason": "text",
    "region": "text",
    "rejected": "count",
    "rejected_rows": "count",
    "rejected_share": "share",
    "rejected_share_before": "share",
    "rows_in": "count",
    "running_share": "share",
    "sale_date": "date",
    "sales_rank": "rank",
    "share": "share",
    "table_name": "text",
    "total_quantity": "count",
    "total_sales": "count",
    "total_sales_amount": "money",
    "total_sales_amount_before": "money",
    "total_sales_before": "count",
    "weekday": "rank",
}

SECTIONS = ("overview", "days", "patterns", "products", "trust")

# A batch comes every 7 days; on the eighth it is late, and after that by more than a day.
_LATE_DAYS, _MISSED_DAYS = 8, 9
# A batch of which more than 5 % is rejected is not loaded, unless the settings say otherwise.
_REJECTED_NOTABLE, _REJECTED_LIMIT = 0.03, 0.05

# The totals of the shown import and of the one before, for the chosen regions and products.
_TOTALS = """\
WITH
    (SELECT maxOrNull(import_date) FROM batch WHERE import_date < {{import_date}}) AS date_before,
    totals AS (
        SELECT
            sumIf(mart.total_sales, import_date = {{import_date}}) AS total_sales,
            sumIf(mart.total_sales_amount, import_date = {{import_date}}) AS total_sales_amount,
            sumOrNullIf(mart.total_sales, import_date = date_before) AS total_sales_before,
            sumOrNullIf(mart.total_sales_amount, import_date = date_before)
                AS total_sales_amount_before
        FROM sales_by_region_product AS mart
        WHERE (import_date = {{import_date}} OR import_date = date_before)
            AND {{region}} AND {{product}}
    )
"""

# All regions and days of an import, the chosen regions together.
_BY_DAY = """\
    SELECT
        sale_date,
        sum(total_sales) AS total_sales,
        sum(total_sales_amount) AS total_sales_amount
    FROM sales_by_day
    WHERE import_date = {{import_date}} AND {{region}} AND {{days}}
    GROUP BY sale_date
"""

# Products by amount in the chosen regions together, with the amount of each and all above it
# and the whole: what the mart has for one region, for any of them.
_RANKED_PRODUCTS = """\
WITH ranked AS (
    SELECT
        *,
        row_number() OVER (ORDER BY total_sales_amount DESC, product_id) AS sales_rank,
        sum(total_sales_amount) OVER (
            ORDER BY total_sales_amount DESC, product_id ROWS UNBOUNDED PRECEDING
        ) AS running,
        running - total_sales_amount AS above,
        sum(total_sales_amount) OVER () AS whole,
        multiIf(above * 100 < whole * 80, 'A', above * 100 < whole * 95, 'B', 'C') AS abc_class
    FROM (
        SELECT
            product_id,
            sum(total_sales) AS total_sales,
            sum(total_quantity) AS total_quantity,
            sum(total_sales_amount) AS total_sales_amount
        FROM sales_by_region_product
        WHERE import_date = {{import_date}} AND {{region}}
        GROUP BY product_id
    )
)
"""

PANELS: tuple[Panel, ...] = (
    Panel(
        id="total_sales_amount",
        section="overview",
        kind=Kind.stat,
        sql=_TOTALS
        + """\
SELECT
    total_sales_amount,
    total_sales_amount_before,
    {{change(total_sales_amount, total_sales_amount_before)}} AS change
FROM totals""",
        columns=("total_sales_amount", "total_sales_amount_before", "change"),
        value="total_sales_amount",
    ),
    Panel(
        id="total_sales",
        section="overview",
        kind=Kind.stat,
        sql=_TOTALS
        + """\
SELECT
    total_sales,
    total_sales_before,
    {{change(total_sales, total_sales_before)}} AS change
FROM totals""",
        columns=("total_sales", "total_sales_before", "change"),
        value="total_sales",
    ),
    Panel(
        id="average_sale_amount",
        section="overview",
        kind=Kind.stat,
        sql=_TOTALS
        + """\
SELECT
    {{average(total_sales_amount, total_sales)}} AS average_sale_amount,
    {{average(total_sales_amount_before, total_sales_before)}} AS average_sale_amount_before,
    {{change(average_sale_amount, average_sale_amount_before)}} AS change
FROM totals""",
        columns=("average_sale_amount", "average_sale_amount_before", "change"),
        value="average_sale_amount",
    ),
    Panel(
        id="rejected_share",
        section="overview",
        kind=Kind.stat,
        sql="""\
WITH
    (SELECT maxOrNull(import_date) FROM batch WHERE import_date < {{import_date}}) AS date_before,
    totals AS (
        SELECT
            sumIf(batch.rejected, import_date = {{import_date}}) AS rejected,
            sumIf(batch.rows_in, import_date = {{import_date}}) AS rows_in,
            sumOrNullIf(batch.rejected, import_date = date_before) AS rejected_before,
            sumOrNullIf(batch.rows_in, import_date = date_before) AS rows_in_before
        FROM batch
        WHERE import_date = {{import_date}} OR import_date = date_before
    )
SELECT
    {{share(rejected, rows_in)}} AS rejected_share,
    {{share(rejected_before, rows_in_before)}} AS rejected_share_before,
    {{change(toInt128(rejected) * rows_in_before, toInt128(rejected_before) * rows_in)}} AS change
FROM totals""",
        columns=("rejected_share", "rejected_share_before", "change"),
        value="rejected_share",
        thresholds=(
            Threshold(0, "good"),
            Threshold(_REJECTED_NOTABLE, "warning"),
            Threshold(_REJECTED_LIMIT, "bad"),
        ),
    ),
    Panel(
        id="import_age",
        section="overview",
        kind=Kind.stat,
        sql="""\
SELECT
    dateDiff('day', max(batch.import_date), toDate32(now('Europe/Moscow'))) AS age_days,
    max(batch.import_date) AS import_date
FROM batch""",
        columns=("age_days", "import_date"),
        value="age_days",
        thresholds=(
            Threshold(0, "good"),
            Threshold(_LATE_DAYS, "warning"),
            Threshold(_MISSED_DAYS, "bad"),
        ),
    ),
    Panel(
        id="average_gauge",
        section="overview",
        kind=Kind.gauge,
        sql="WITH by_day AS (\n"
        + _BY_DAY
        + """\
)
SELECT
    {{average(amount, sales)}} AS average_sale_amount,
    lowest,
    highest
FROM (
    SELECT
        sum(total_sales_amount) AS amount,
        sum(total_sales) AS sales,
        minOrNull({{average(total_sales_amount, total_sales)}}) AS lowest,
        maxOrNull({{average(total_sales_amount, total_sales)}}) AS highest
    FROM by_day
)""",
        columns=("average_sale_amount", "lowest", "highest"),
        value="average_sale_amount",
    ),
    Panel(
        id="amount_by_day_region",
        section="days",
        kind=Kind.lines,
        sql="""\
SELECT sale_date, region, total_sales_amount, moving_average_7_days
FROM sales_by_day
WHERE import_date = {{import_date}} AND {{region}} AND {{days}}
ORDER BY sale_date, region""",
        columns=("sale_date", "region", "total_sales_amount", "moving_average_7_days"),
        value="moving_average_7_days",
        x="sale_date",
        series="region",
    ),
    Panel(
        id="amount_by_day",
        section="days",
        kind=Kind.lines,
        sql="SELECT sale_date, total_sales_amount, total_sales\nFROM (\n"
        + _BY_DAY
        + ")\nORDER BY sale_date",
        columns=("sale_date", "total_sales_amount", "total_sales"),
        value="total_sales_amount",
        x="sale_date",
    ),
    Panel(
        id="average_by_day",
        section="days",
        kind=Kind.lines,
        sql="""\
SELECT
    sale_date,
    {{average(total_sales_amount, total_sales)}} AS average_sale_amount,
    total_sales
FROM (
"""
        + _BY_DAY
        + ")\nORDER BY sale_date",
        columns=("sale_date", "average_sale_amount", "total_sales"),
        value="average_sale_amount",
        x="sale_date",
    ),
    Panel(
        id="region_lead",
        section="days",
        kind=Kind.state_timeline,
        sql="""\
SELECT
    sale_date,
    places[1].2 AS leader,
    places[1].1 AS leader_amount,
    if(length(places) > 1, places[1].1 - places[2].1, NULL) AS lead
FROM (
    SELECT
        sale_date,
        arraySort(
            place -> (-place.1, place.2),
            groupArray((assumeNotNull(moving_average_7_days), region))
        ) AS places
    FROM sales_by_day
    WHERE import_date = {{import_date}} AND {{region}} AND {{days}}
        AND moving_average_7_days > 0
    GROUP BY sale_date
)
ORDER BY sale_date""",
        columns=("sale_date", "leader", "leader_amount", "lead"),
        value="lead",
        x="sale_date",
        series="leader",
    ),
    Panel(
        id="weekday_month",
        section="patterns",
        kind=Kind.heat_map,
        sql="""\
SELECT
    toDate32(toStartOfMonth(sale_date)) AS month,
    toDayOfWeek(sale_date) AS weekday,
    uniqExact(sale_date) AS days,
    sum(total_sales_amount) AS total_sales_amount,
    {{average(total_sales_amount, days)}} AS average_day_amount
FROM (
"""
        + _BY_DAY
        + """\
)
GROUP BY month, weekday
ORDER BY month, weekday""",
        columns=("month", "weekday", "days", "total_sales_amount", "average_day_amount"),
        value="average_day_amount",
        x="month",
        series="weekday",
    ),
    Panel(
        id="day_region",
        section="patterns",
        kind=Kind.heat_map,
        sql="""\
SELECT sale_date, region, total_sales_amount
FROM sales_by_day
WHERE import_date = {{import_date}} AND {{region}} AND {{days}}
ORDER BY sale_date, region""",
        columns=("sale_date", "region", "total_sales_amount"),
        value="total_sales_amount",
        x="sale_date",
        series="region",
    ),
    Panel(
        id="sales_by_region",
        section="products",
        kind=Kind.bars,
        sql="""\
SELECT
    region,
    total_sales,
    total_sales_amount,
    {{average(total_sales_amount, total_sales)}} AS average_sale_amount,
    {{share(total_sales_amount, whole)}} AS share
FROM (
    SELECT *, sum(total_sales_amount) OVER () AS whole
    FROM (
        SELECT
            region,
            sum(total_sales) AS total_sales,
            sum(total_sales_amount) AS total_sales_amount
        FROM sales_by_region_product
        WHERE import_date = {{import_date}} AND {{region}} AND {{product}}
        GROUP BY region
    )
)
ORDER BY total_sales_amount DESC, region""",
        columns=("region", "total_sales", "total_sales_amount", "average_sale_amount", "share"),
        value="total_sales_amount",
        x="region",
    ),
    Panel(
        id="pareto",
        section="products",
        kind=Kind.pareto,
        sql=_RANKED_PRODUCTS
        + """\
SELECT
    sales_rank,
    product_id,
    total_sales_amount,
    {{share(running, whole)}} AS running_share,
    abc_class
FROM ranked
ORDER BY sales_rank""",
        columns=("sales_rank", "product_id", "total_sales_amount", "running_share", "abc_class"),
        value="running_share",
        x="sales_rank",
        series="abc_class",
    ),
    Panel(
        id="top_products",
        section="products",
        kind=Kind.table,
        sql=_RANKED_PRODUCTS
        + """\
SELECT
    sales_rank,
    product_id,
    total_sales_amount,
    {{share(total_sales_amount, whole)}} AS share,
    {{share(running, whole)}} AS running_share,
    abc_class,
    total_sales,
    total_quantity,
    {{average(total_sales_amount, total_sales)}} AS average_sale_amount
FROM ranked
WHERE {{product}}
ORDER BY sales_rank
LIMIT 20""",
        columns=(
            "sales_rank",
            "product_id",
            "total_sales_amount",
            "share",
            "running_share",
            "abc_class",
            "total_sales",
            "total_quantity",
            "average_sale_amount",
        ),
        value="total_sales_amount",
    ),
    Panel(
        id="rejects_by_reason",
        section="trust",
        kind=Kind.heat_map,
        sql="""\
SELECT import_date, reason, rejected_rows
FROM rejects_by_reason
ORDER BY import_date, reason""",
        columns=("import_date", "reason", "rejected_rows"),
        value="rejected_rows",
        x="import_date",
        series="reason",
    ),
    Panel(
        id="imports",
        section="trust",
        kind=Kind.lines,
        sql="""\
SELECT
    import_date,
    total_sales_amount,
    rows_in,
    clean,
    rejected,
    collapsed,
    {{share(rejected, rows_in)}} AS rejected_share
FROM batch
ORDER BY import_date""",
        columns=(
            "import_date",
            "total_sales_amount",
            "rows_in",
            "clean",
            "rejected",
            "collapsed",
            "rejected_share",
        ),
        value="total_sales_amount",
        x="import_date",
    ),
    Panel(
        id="control_totals",
        section="trust",
        kind=Kind.table,
        sql="""\
WITH first AS (
    SELECT total_sales, total_quantity, total_sales_amount
    FROM control_totals
    WHERE import_date = {{import_date}} AND engine = 'spark' AND table_name = 'sale'
)
SELECT
    table_name,
    engine,
    total_sales,
    total_quantity,
    total_sales_amount,
    total_sales = (SELECT total_sales FROM first)
        AND ifNull(total_quantity = (SELECT total_quantity FROM first), true)
        AND total_sales_amount = (SELECT total_sales_amount FROM first) AS agrees
FROM control_totals
WHERE import_date = {{import_date}}
ORDER BY table_name, engine""",
        columns=(
            "table_name",
            "engine",
            "total_sales",
            "total_quantity",
            "total_sales_amount",
            "agrees",
        ),
        value="agrees",
        thresholds=(Threshold(0, "bad"), Threshold(1, "good")),
    ),
)

# What Grafana offers for a variable, the first of them chosen unless all are.
CHOICES: dict[Variable, str] = {
    Variable.import_date: "SELECT toString(import_date) FROM batch ORDER BY import_date DESC",
    Variable.region: """\
SELECT DISTINCT region FROM sales_by_region WHERE import_date = {{import_date}} ORDER BY region""",
    Variable.product: """\
SELECT product_id FROM sales_by_product WHERE import_date = {{import_date}} ORDER BY sales_rank""",
}

# What the page's own filters work on. Money comes as it is stored.
PAGE_TABLES: dict[str, str] = {
    "cells": """\
SELECT
    region,
    product_id,
    sumIf(mart.total_sales, import_date = {{import_date}}) AS total_sales,
    sumIf(mart.total_quantity, import_date = {{import_date}}) AS total_quantity,
    sumIf(mart.total_sales_amount, import_date = {{import_date}}) AS total_sales_amount,
    sumIf(mart.total_sales, import_date < {{import_date}}) AS total_sales_before,
    sumIf(mart.total_sales_amount, import_date < {{import_date}}) AS total_sales_amount_before
FROM sales_by_region_product AS mart
WHERE import_date = {{import_date}}
    OR import_date = (SELECT maxOrNull(import_date) FROM batch WHERE import_date < {{import_date}})
GROUP BY region, product_id
ORDER BY region, product_id""",
    "days": """\
SELECT sale_date, region, total_sales, total_sales_amount, moving_average_7_days
FROM sales_by_day
WHERE import_date = {{import_date}}
ORDER BY sale_date, region""",
}
