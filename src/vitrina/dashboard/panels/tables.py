"""The tables that the panels read, and what several panels make of them."""

from vitrina.dashboard.expressions import (
    average,
    band,
    minus,
    rank,
    running,
    share,
    total,
    total_or_null,
    whole,
)
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.query import Imports, Table
from vitrina.marts import ABC_PERCENT

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

# The days of an import, the chosen regions together.
DAYS = DAYS_AND_REGIONS.group(
    "sale_date",
    total_sales=total("total_sales"),
    total_sales_amount=total("total_sales_amount"),
).derive(average_sale_amount=average("total_sales_amount", "total_sales"))

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
        average_sale_amount=average("total_sales_amount", "total_sales"),
    )
)
