"""Analyze: clean sales in, marts out, every figure exact.

A sale with an amount below 0 is a return: it counts in `total_returns`, `total_returns_amount` and
`net_amount`, and in no other figure.

The sales are summed by each of the finest keys, and the totals of a coarser key are sums of those.

Money stays decimal. Averages and shares are divided as whole numbers and rounded half up,
since engines differ in how they round a quotient of decimals. The marts' columns are
declared in `vitrina.marts`.
"""

from collections.abc import Callable, Collection
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.columns import FieldType, Numeric, spark_type
from vitrina.contract import ORDER_ID, Contract
from vitrina.counts import Analyzed, Cleaned, read_result
from vitrina.marts import ABC_PERCENT, NET_AMOUNT, SHARE_SCALE, TOTAL_ORDERS, Mart, finest_of, marts
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres

_WEEK = 7


def rounded_quotient(numerator: Column, denominator: Column, scale: int) -> Column:
    """`numerator / denominator` rounded half up (away from zero) to `scale` decimals, exact.

    Both are whole numbers, below 10^24 and 10^30; the result is a decimal of that scale.
    Null where the denominator is null or 0.
    """
    # Planning takes longer than computing, so each column is named as seldom as can be.
    whole = "decimal(38,0)"
    size = F.abs(numerator.cast("decimal(30,0)")) * F.lit(Decimal(2 * 10**scale))
    half = F.nullif(denominator.cast("decimal(30,0)"), F.lit(Decimal(0)))
    dividend, divisor = (size + half).cast(whole), (half * F.lit(Decimal(2))).cast(whole)
    # Exact whatever the engine's rounding, since the remainder is taken off first.
    quotient = ((dividend - dividend % divisor) / divisor).cast("decimal(30,0)")
    sign = F.signum(numerator).cast("decimal(1,0)")
    return quotient * sign * F.lit(Decimal(1).scaleb(-scale))


Keep = Callable[[str, DataFrame], DataFrame]
"""Stores rows under a name, and gives them back without what they were made from."""


def totals(
    sales: DataFrame, key: tuple[str, ...], names: Collection[str], contract: Contract
) -> DataFrame:
    """Those of `names` that are totals of the sales, the returns or the orders: a row per key."""
    quantity, amount = F.col("quantity"), F.col("sale_amount")
    is_sale = amount >= 0
    measures = {
        "total_sales": F.count_if(is_sale),
        "total_quantity": _sum_where(is_sale, quantity, contract["quantity"].type),
        "total_sales_amount": _sum_where(is_sale, amount, contract["sale_amount"].type),
        "total_returns": F.count_if(~is_sale),
        "total_returns_amount": -_sum_where(~is_sale, amount, contract["sale_amount"].type),
    }
    if contract.has_orders:
        measures[TOTAL_ORDERS] = F.count_distinct(F.when(is_sale, F.col(ORDER_ID)))
    return sales.groupBy(*key).agg(
        *[measure.alias(name) for name, measure in measures.items() if name in names]
    )


def totals_of_each(
    sales: DataFrame, declared: Collection[Mart], contract: Contract, keep: Keep
) -> dict[Mart, DataFrame]:
    """The totals of each mart, a row per its key.

    Only the finest keys are grouped from the sales, and kept; others' totals are sums of those.
    """
    finest = finest_of([mart.key for mart in declared])
    kept = {}
    for key in dict.fromkeys(finest.values()):
        names = {name for mart in declared if finest[mart.key] == key for name in mart.names}
        kept[key] = keep(f"by_{'_'.join(key)}", totals(sales, key, names, contract))
    return {
        mart: kept[mart.key]
        if mart.key in kept
        else _summed_up(kept[finest[mart.key]], sales, mart, contract)
        for mart in declared
    }


def _summed_up(finer: DataFrame, sales: DataFrame, mart: Mart, contract: Contract) -> DataFrame:
    """The mart's totals, from those of a finer key."""
    types = {column.name: spark_type(column.type) for column in mart.columns}
    summed = finer.groupBy(*mart.key).agg(
        *[F.sum(name).cast(types[name]).alias(name) for name in mart.totals]
    )
    if not contract.has_orders:
        return summed
    # An order may be in several rows of the finer key, so its orders cannot be added up.
    return summed.join(totals(sales, mart.key, {TOTAL_ORDERS}, contract), [*mart.key])


def region_product_mart(summed: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per region and product: its place among the region's products.

    Products are ranked by amount, the largest first; of equal ones those without sales are last,
    and then the smaller id is first. The running share follows that order, and the class follows
    from the running share of those ranked above: a product is in A while they make up less than
    A's `ABC_PERCENT`. In a region that sold nothing, shares are 0.
    """
    scale = _scale(batch)
    region = Window.partitionBy("region")
    ranked = region.orderBy(*_best_first("product_id"))
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
            *_derived(mart, scale),
            _share(cents, F.col("whole")).alias("share"),
            _share(F.col("running"), F.col("whole")).alias("running_share"),
            _abc_class(above, F.col("whole")).alias("abc_class"),
        ),
        mart,
    )


def ranked_mart(summed: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per `mart.key`: its totals, its share of the whole amount, its rank.

    Ranked by amount, the largest first; of equal ones those without sales are last, and then the
    smaller key is first. Where nothing was sold at all, shares are 0.
    """
    scale = _scale(batch)
    everything = Window.partitionBy(F.lit(1))
    ranked = everything.orderBy(*_best_first(*mart.key))
    cents = _whole(F.col("total_sales_amount"), scale)
    placed = summed.select(
        "*",
        F.row_number().over(ranked).alias("sales_rank"),
        F.sum(cents).over(everything).alias("whole"),
    )
    share = _share(cents, F.col("whole")).alias("share")
    return _select(placed.select("*", *_derived(mart, scale), share), mart)


def day_mart(summed: DataFrame, mart: Mart, batch: Batch) -> DataFrame:
    """One row per day of the batch's window and region, days without sales included.

    Regions are those of the contract, or those that occur where it lists none.

    The moving average is over seven calendar days, this one and the six before, and is
    there from the seventh day on; the change is against the same weekday a week before.
    """
    spark, scale = summed.sparkSession, _scale(batch)
    days = spark.range(batch.contract.days).select(
        F.date_add(F.lit(batch.first_day), F.col("id").cast("int")).alias("sale_date")
    )
    if batch.contract.regions:
        named = [(name,) for name in batch.contract.regions]
        regions = spark.createDataFrame(named, "region string")
    else:
        regions = summed.select("region").distinct()
    dense = days.crossJoin(regions).join(summed, ["sale_date", "region"], "left")
    by_day = Window.partitionBy("region").orderBy("sale_date")
    last_week = by_day.rowsBetween(1 - _WEEK, Window.currentRow)
    filled = dense.select(
        "sale_date",
        "region",
        *[
            F.coalesce(column.name, F.lit(Decimal(0)).cast(spark_type(column.type))).alias(
                column.name
            )
            for column in mart.columns
            if column.name in summed.columns and column.name not in mart.key
        ],
    )
    cents = _whole(F.col("total_sales_amount"), scale)
    before = F.lag(cents, _WEEK).over(by_day)
    compared = filled.select(
        "*",
        *_derived(mart, scale),
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


def mart_rows(
    sales: DataFrame, batch: Batch, keep: Keep = lambda _, rows: rows
) -> dict[Mart, DataFrame]:
    """Every mart of the batch, from its clean sales.

    Raises:
        NotImplementedError: a mart is declared that nothing here computes.
    """
    functions = {mart: _function(mart) for mart in marts(batch.contract)}
    summed = totals_of_each(sales, functions, batch.contract, keep)
    return {mart: compute(summed[mart], mart, batch) for mart, compute in functions.items()}


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
"""The function of each mart, by its name. It takes the totals of the mart."""


def run(spark: SparkSession, lake: Lake, postgres: Postgres, batch: Batch) -> Analyzed:
    """Compute the marts of the batch's newest load, once PostgreSQL has found the same totals.

    Raises:
        BatchError: clean has not ended for this batch, or it is not loaded, or another attempt is.
        CorruptFile: a clean file is not the one that was written, or rows are missing.
        ReconciliationError: a total differs from SQL over the sales; the old marts stay.
    """
    cleaning = lake.result("clean")
    cleaned = read_result(cleaning, Cleaned).counts
    with lake.step("analyze", cleaning) as left:
        sales = lake.read(spark, lake.handed_over(cleaning, "clean", cleaned.clean))

        def keep(name: str, rows: DataFrame) -> DataFrame:
            return lake.read(spark, lake.write(left, name, rows, "parquet"))

        found = mart_rows(sales, batch, keep)
        tables = {mart.name: rows.toArrow() for mart, rows in found.items()}
        for name in [*left.datasets]:
            lake.discard(left, name)
        postgres.replace_marts(batch, tables, left.attempt)
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


def _sum_where(condition: Column, values: Column, type_: FieldType) -> Column:
    """The sum of the values of some rows; 0 where there are none."""
    return F.coalesce(F.sum(F.when(condition, values)), F.lit(0).cast(spark_type(type_)))


def _best_first(*key: str) -> list[Column]:
    """Those that bring most are first, those that sell nothing are last."""
    sells_nothing = F.col("total_sales") == 0
    return [F.col("total_sales_amount").desc(), sells_nothing, *map(F.col, key)]


def _share(part: Column, whole: Column) -> Column:
    """A share of 1; 0 of nothing."""
    return F.coalesce(rounded_quotient(part, whole, SHARE_SCALE), F.lit(Decimal(0)))


def _derived(mart: Mart, scale: int) -> list[Column]:
    """What follows from a row's totals: what is left of the money, and the averages."""
    sold, returned = F.col("total_sales_amount"), F.col("total_returns_amount")
    found = [
        (sold - returned).alias(NET_AMOUNT),
        _average(sold, F.col("total_sales"), scale).alias("average_sale_amount"),
    ]
    if TOTAL_ORDERS in mart.names:
        found.append(_average(sold, F.col(TOTAL_ORDERS), scale).alias("average_order_amount"))
    return found


def _average(amount: Column, count: Column, scale: int) -> Column:
    """Amount over count, rounded half up to the smallest unit; null where there are none."""
    return _money(rounded_quotient(_whole(amount, scale), count, 0), scale)


def _select(rows: DataFrame, mart: Mart) -> DataFrame:
    """The mart's columns, in its order and of its types."""
    return rows.select(
        *[F.col(column.name).cast(spark_type(column.type)) for column in mart.columns]
    )
