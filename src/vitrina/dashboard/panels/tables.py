"""The tables that the panels read, and what several panels make of them."""

from vitrina.contract import Contract
from vitrina.dashboard.expressions import (
    Over,
    average,
    band,
    change,
    largest,
    least,
    minus,
    place,
    rank,
    running,
    share,
    total,
    total_or_null,
    whole,
)
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.query import Answer, Imports, Query, Table
from vitrina.marts import ABC_PERCENT

LARGEST = 8
"""How many regions have a line, a bar or a row of their own; the rest are shown as one."""


def has_few_regions(contract: Contract) -> bool:
    """Whether there is room for all regions of a store, however it sells."""
    return 0 < len(contract.regions) <= LARGEST


def has_returns(contract: Contract) -> bool:
    """Whether a sale can be a return."""
    minimum = contract["sale_amount"].minimum
    return minimum is None or minimum < 0


def with_rest(ranked: Query, *by: str, **figures: Over) -> Query:
    """The largest regions, in their `place`, and the sums of the rest in one row after them.

    A row for each of `by`; `figures` are the others that are kept.
    """
    return (
        ranked.derive(shown_region=largest("region", "place", LARGEST))
        .group(*by, "shown_region", place=least("place"), **figures)
        .derive(region="shown_region")
    )


_SOLD = ("region", "product_id", "total_sales", "total_sales_amount")
_LEDGER = ("rejected", "rows_in")

SALES_BY_REGION_PRODUCT = Table("sales_by_region_product", (*_SOLD, "total_quantity"))
SALES_BY_REGION_PRODUCT_BEFORE = Table("sales_by_region_product", _SOLD, Imports.previous)
SALES_BY_DAY = Table(
    "sales_by_day",
    ("sale_date", "region", "total_sales", "total_sales_amount", "moving_average_7_days"),
)
BATCH = Table("batch", _LEDGER)
BATCH_BEFORE = Table("batch", _LEDGER, Imports.previous)

# The totals of the shown import beside those of the previous one; no row before the first import.
TOTALS = Table("batch", ("import_date",)).beside(
    SALES_BY_REGION_PRODUCT.chosen(Variable.region, Variable.product)
    .group(total_sales=total("total_sales"), total_sales_amount=total("total_sales_amount"))
    .beside(
        SALES_BY_REGION_PRODUCT_BEFORE.chosen(Variable.region, Variable.product).group(
            total_sales_before=total_or_null("total_sales"),
            total_sales_amount_before=total_or_null("total_sales_amount"),
        )
    )
)

DAYS_AND_REGIONS = SALES_BY_DAY.chosen(Variable.region, Variable.days)

# With the place of each region by its amount.
DAYS_AND_RANKED_REGIONS = DAYS_AND_REGIONS.window(
    per=("region",), region_amount=whole("total_sales_amount")
).window(by=("-region_amount", "region"), place=place())

_MONEY_OF_DAYS = ("total_returns_amount", "net_amount")


def days(contract: Contract) -> Query:
    """The days of an import, the chosen regions together; with returns and orders, if any."""
    names = [
        "total_sales",
        "total_sales_amount",
        *(_MONEY_OF_DAYS if has_returns(contract) else ()),
        *(["total_orders"] if contract.has_orders else []),
    ]
    return (
        Table("sales_by_day", ("sale_date", "region", *names))
        .chosen(Variable.region, Variable.days)
        .group("sale_date", **{name: total(name) for name in names})
        .derive(**{receipt(contract): average("total_sales_amount", receipts(contract))})
    )


def receipt(contract: Contract) -> str:
    """The column of the average receipt: of an order, where sales are lines of orders."""
    return "average_order_amount" if contract.has_orders else "average_sale_amount"


def receipts(contract: Contract) -> str:
    """The column that counts the receipts."""
    return "total_orders" if contract.has_orders else "total_sales"


def average_sale(contract: Contract) -> str:
    """The column of the average over sales: a receipt, or a line of one."""
    return "average_line_amount" if contract.has_orders else "average_sale_amount"


def compared(totals: Query, name: str) -> Query:
    """A figure, that of the previous import, and the change."""
    before = f"{name}_before"
    return totals.derive(change=change(name, before)).select(name, before, "change")


# The last days of the import, as many before them, and the same days 364 days before, which are
# the same weekdays: these in the newest import that still holds them. What none holds is NULL.
LAST_DAYS = Answer(
    "last_days",
    """\
WITH held AS (
    SELECT import_date, min(sale_date) AS first_day, max(sale_date) AS last_day
    FROM sales_by_day
    WHERE import_date <= {{import_date}}
    GROUP BY import_date
), period AS (
    SELECT
        length AS last_days,
        shown.last_day AS last_day,
        shown.first_day <= shown.last_day - 2 * length + 1 AS holds_before,
        maxOrNullIf(
            earlier.import_date,
            earlier.first_day <= shown.last_day - 364 - length + 1
                AND earlier.last_day >= shown.last_day - 364
        ) AS year_before
    FROM held AS shown
    CROSS JOIN held AS earlier
    CROSS JOIN (SELECT arrayJoin([7, 28]) AS length) AS lengths
    WHERE shown.import_date = {{import_date}}
    GROUP BY last_days, last_day, holds_before
), sold AS (
    SELECT
        period.last_days AS last_days,
        period.year_before AS year_before,
        period.holds_before AS holds_before,
        day.region AS region,
        day.total_sales_amount AS amount,
        day.import_date AS import_date,
        day.import_date = {{import_date}} AS is_shown,
        dateDiff('day', day.sale_date, period.last_day) AS days_ago
    FROM sales_by_day AS day
    CROSS JOIN period
    WHERE is_shown OR day.import_date = period.year_before
)
SELECT
    last_days,
    region,
    sumIf(amount, is_shown AND days_ago < last_days) AS total_sales_amount,
    if(
        holds_before,
        sumIf(amount, is_shown AND days_ago >= last_days AND days_ago < 2 * last_days),
        NULL
    ) AS period_before_amount,
    if(
        year_before IS NULL,
        NULL,
        sumIf(
            amount,
            ifNull(import_date = year_before, false)
                AND days_ago >= 364 AND days_ago < 364 + last_days
        )
    ) AS year_before_amount
FROM sold
GROUP BY last_days, region, holds_before, year_before""",
    (
        "last_days",
        "region",
        "total_sales_amount",
        "period_before_amount",
        "year_before_amount",
    ),
).chosen(Variable.region)

# Products by amount, the chosen regions together: what the mart has for one region, for any of
# them. `running` is the amount of a product and of all above it.
RANKED_PRODUCTS = (
    SALES_BY_REGION_PRODUCT.chosen(Variable.region)
    .group(
        "product_id",
        total_sales=total("total_sales"),
        total_quantity=total("total_quantity"),
        total_sales_amount=total("total_sales_amount"),
    )
    .window(
        by=("-total_sales_amount", "product_id"),
        sales_rank=rank(),
        running=running("total_sales_amount"),
    )
    .window(whole=whole("total_sales_amount"))
    .derive(
        share=share("total_sales_amount", "whole"),
        running_share=share("running", "whole"),
        abc_class=band(minus("running", "total_sales_amount"), "whole", ABC_PERCENT, "C"),
    )
)

# Products in the shown import and in the previous one; no row without a previous one.
PRODUCT_MOVES = (
    SALES_BY_REGION_PRODUCT.chosen(Variable.region, Variable.product)
    # In its own import a sale counts, in the other it is nothing.
    .derive(now="total_sales_amount", before=minus("total_sales_amount", "total_sales_amount"))
    .select("product_id", "now", "before")
    .above(
        SALES_BY_REGION_PRODUCT_BEFORE.chosen(Variable.region, Variable.product)
        .derive(now=minus("total_sales_amount", "total_sales_amount"), before="total_sales_amount")
        .select("product_id", "now", "before")
    )
    .group("product_id", total_sales_amount=total("now"), previous_amount=total("before"))
    .derive(difference=minus("total_sales_amount", "previous_amount"))
    .beside(BATCH_BEFORE)
)
