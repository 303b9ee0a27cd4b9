"""Analyze: clean sales in, marts out, every figure exact.

Money stays decimal. Averages and shares are divided as whole numbers and rounded half up,
since engines differ in how they round a quotient of decimals. The marts' columns are
declared in `vitrina.marts`.
"""

from collections.abc import Callable
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.columns import Numeric, spark_type
from vitrina.counts import Analyzed
from vitrina.marts import ABC_PERCENT, SHARE_SCALE, Mart, marts
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres

_WEEK = 7


def rounded_quotient(numerator: Column, denominator: Column, scale: int) -> Column:
    """`numerator / denominator` rounded half up (away from zero) to `scale` decimals, exact.

    Both are whole numbers, below 10^24 and 10^30; the result is a decimal of that scale.
    Null where the denominator is null or 0.
    """
    whole = "decimal(38,0)"
    size = F.abs(numerator.cast("decimal(30,0)")) * F.lit(Decimal(2 * 10**scale))
    half = denominator.cast("decimal(30,0)")
    dividend, divisor = (size + half).cast(whole), (half * F.lit(Decimal(2))).cast(whole)
    divisor = F.when(divisor != 0, divisor)
    # Exact whatever the engine's rounding, since the remainder is taken off first.
    quotient = ((dividend - dividend % divisor) / divisor).cast("decimal(30,0)")
    signed = F.when(numerator < 0, -quotient).otherwise(quotient)
    return signed * F.lit(Decimal(1).scaleb(-scale))


def totals(sales: DataFrame, *key: str) -> DataFrame:
    """`total_sales`, `total_quantity` and `total_sales_amount`: one row per `key`."""
    return sales.groupBy(*key).agg(
        F.count("*").alias("total_sales"),
        F.sum("quantity").alias("total_quantity"),
        F.sum("sale_amount").alias("total_sales_amount"),
    )


def region_product_mart(sales: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per region and product: its place among the region's products.

    Products are ranked by amount, the largest first; of equal ones the smaller id is first.
    The running share follows that order, and the class follows from the running share of
    those ranked above: a product is in A while they make up less than A's `ABC_PERCENT`.
    """
    scale = _scale(batch)
    summed = totals(sales, "region", "product_id")
    region = Window.partitionBy("region")
    ranked = region.orderBy(F.col("total_sales_amount").desc(), "product_id")
    so_far = ranked.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    cents = _whole(F.col("total_sales_amount"), scale)
    placed = summed.select(
        "*",
        F.row_number().over(ranked).alias("sales_rank"),
        F.sum(cents).over(so_far).alias("running"),
        F.sum(cents).over(region).alias("whole"),
    )
    above = (F.col("running") - cents) * F.lit(100)
    return _select(
        placed.select(
            "*",
            _average(scale),
            rounded_quotient(cents, F.col("whole"), SHARE_SCALE).alias("share"),
            rounded_quotient(F.col("running"), F.col("whole"), SHARE_SCALE).alias("running_share"),
            _abc_class(above, F.col("whole")).alias("abc_class"),
        ),
        mart,
    )


def ranked_mart(sales: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per `mart.key`: its totals, its share of the whole amount, its rank.

    Ranked by amount, the largest first; of equal ones the smaller key is first.
    """
    scale = _scale(batch)
    everything = Window.partitionBy(F.lit(1))
    ranked = everything.orderBy(F.col("total_sales_amount").desc(), *mart.key)
    cents = _whole(F.col("total_sales_amount"), scale)
    placed = totals(sales, *mart.key).select(
        "*",
        F.row_number().over(ranked).alias("sales_rank"),
        F.sum(cents).over(everything).alias("whole"),
    )
    share = rounded_quotient(cents, F.col("whole"), SHARE_SCALE).alias("share")
    return _select(placed.select("*", _average(scale), share), mart)


def day_mart(sales: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per day of the batch's window and region, days without sales included.

    The moving average is over seven calendar days, this one and the six before, and is
    there from the seventh day on; the change is against the same weekday a week before.
    """
    spark, scale = sales.sparkSession, _scale(batch)
    days = spark.range(batch.contract.days).select(
        F.date_add(F.lit(batch.first_day), F.col("id").cast("int")).alias("sale_date")
    )
    regions = spark.createDataFrame([(name,) for name in batch.contract.regions], "region string")
    summed = totals(sales, "sale_date", "region").drop("total_quantity")
    dense = days.crossJoin(regions).join(summed, ["sale_date", "region"], "left")
    by_day = Window.partitionBy("region").orderBy("sale_date")
    last_week = by_day.rowsBetween(1 - _WEEK, Window.currentRow)
    filled = dense.select(
        "sale_date",
        "region",
        F.coalesce("total_sales", F.lit(0)).alias("total_sales"),
        F.coalesce("total_sales_amount", F.lit(Decimal(0))).alias("total_sales_amount"),
    )
    cents = _whole(F.col("total_sales_amount"), scale)
    before = F.lag(cents, _WEEK).over(by_day)
    compared = filled.select(
        "*",
        _average(scale),
        F.when(F.row_number().over(by_day) >= _WEEK, F.sum(cents).over(last_week)).alias("week"),
        before.alias("before"),
    )
    return _select(
        compared.select(
            "*",
            _money(rounded_quotient(F.col("week"), F.lit(_WEEK), 0), scale).alias(
                "moving_average_7_days"
            ),
            rounded_quotient(cents - F.col("before"), F.col("before"), SHARE_SCALE).alias(
                "change_from_week_before"
            ),
        ),
        mart,
    )


def mart_rows(sales: DataFrame, batch: Batch) -> dict[Mart, DataFrame]:
    """Every mart of the batch, from its clean sales.

    Raises:
        NotImplementedError: a mart is declared that nothing here computes.
    """
    return {mart: _function(mart)(sales, mart, batch) for mart in marts(batch.contract)}


def _function(mart: Mart) -> Callable[[DataFrame, Mart, Batch], DataFrame]:
    if mart.name not in _COMPUTED_BY:
        raise NotImplementedError(f"steps/analyze.py has no function for the mart {mart.name}")
    return _COMPUTED_BY[mart.name]


_COMPUTED_BY = {
    "sales_by_region_product": region_product_mart,
    "sales_by_region": ranked_mart,
    "sales_by_product": ranked_mart,
    "sales_by_day": day_mart,
}
"""The function of each mart, by its name."""


def run(spark: SparkSession, lake: Lake, postgres: Postgres, batch: Batch) -> Analyzed:
    """Compute the marts and swap them in, once PostgreSQL has found the same totals.

    Raises:
        BatchError: clean has not ended for this batch, or `sale` holds another.
        ReconciliationError: a total differs from SQL over `sale`; the old marts stay.
    """
    with lake.step("analyze") as left:
        sales = lake.read(spark, lake.dataset("clean", "clean"))
        tables = {mart.name: rows.toArrow() for mart, rows in mart_rows(sales, batch).items()}
        postgres.replace_marts(batch, tables)
        counts = Analyzed({name: table.num_rows for name, table in tables.items()})
        left.counts = counts.document()
    return counts


def _scale(batch: Batch) -> int:
    """How many decimals money has."""
    amount = batch.contract["sale_amount"].type
    assert isinstance(amount, Numeric)  # noqa: S101 - Contract has checked it
    return amount.scale


def _abc_class(above: Column, whole: Column) -> Column:
    """The class of a product, `above` being what those ranked above it sell, in hundredths."""
    first, *others = ABC_PERCENT.items()
    found = F.when(above < whole * F.lit(first[1]), first[0])
    for name, percent in others:
        found = found.when(above < whole * F.lit(percent), name)
    return found.otherwise("C")


def _whole(amount: Column, scale: int) -> Column:
    """An amount in its smallest unit, as a whole number."""
    return (amount * F.lit(Decimal(10**scale))).cast("decimal(30,0)")


def _money(whole: Column, scale: int) -> Column:
    return whole * F.lit(Decimal(1).scaleb(-scale))


def _average(scale: int) -> Column:
    """The average receipt: total over count, rounded half up to the smallest unit."""
    cents = _whole(F.col("total_sales_amount"), scale)
    average = _money(rounded_quotient(cents, F.col("total_sales"), 0), scale)
    return average.alias("average_sale_amount")


def _select(rows: DataFrame, mart: Mart) -> DataFrame:
    """The mart's columns, in its order and of its types."""
    return rows.select(
        *[F.col(column.name).cast(spark_type(column.type)) for column in mart.columns]
    )
