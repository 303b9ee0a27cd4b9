"""Clean: valid rows in, one row per sale out.

Exact copies of a row collapse into one. Of rows that share a `sale_id` and differ, the
first in the order of all the contract's fields (`sale_id`, then the next, …, each
ascending) survives; the others are kept, as rejects are, as conflicting duplicates.
"""

from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.contract import Contract
from vitrina.counts import Cleaned, Validated, read_result
from vitrina.errors import ReconciliationError
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.store import Batch
from vitrina.stores.lake import Lake


def number_repeated(valid: DataFrame, contract: Contract) -> DataFrame:
    """The sales whose `sale_id` occurs more than once: one row per distinct content.

    Adds `copies` (bigint), how many rows had this content, and `version` (int): 1 on the
    content that survives for its `sale_id`, 2, 3, … on the rest. The order is by every
    field, so the survivor is the same on any engine and any number of partitions.
    """
    # Few ids are repeated. Finding them first keeps all other rows out of the window.
    repeated = valid.groupBy("sale_id").count().where("count > 1").select("sale_id")
    versions = Window.partitionBy("sale_id").orderBy(*contract.names)
    return (
        valid.join(repeated, "sale_id", "left_semi")
        .groupBy(*contract.names)
        .agg(F.count("*").alias("copies"))
        .withColumn("version", F.row_number().over(versions))
    )


def one_row_per_sale(valid: DataFrame, numbered: DataFrame, contract: Contract) -> DataFrame:
    """The sales that occur once, and the surviving row of each of the others."""
    names = contract.names
    once = valid.join(numbered.select("sale_id").distinct(), "sale_id", "left_anti")
    return once.select(*names).unionByName(numbered.where("version = 1").select(*names))


def conflicts(numbered: DataFrame, contract: Contract) -> DataFrame:
    """The contents that did not survive, in the shape of rejects: text, and the reason."""
    return numbered.where("version > 1").select(
        *[F.col(name).cast("string").alias(name) for name in contract.names],
        F.array(F.lit(CONFLICTING_DUPLICATE)).alias("reasons"),
    )


def run(spark: SparkSession, lake: Lake, batch: Batch) -> Cleaned:
    """Clean the batch; leaves `clean` and `conflicts`.

    Raises:
        BatchError: validate has not ended for this batch.
        ReconciliationError: the rows in are not clean + collapsed + conflicting.
    """
    contract = batch.contract
    rows_in = read_result(lake.result("validate"), Validated).counts.valid
    with lake.step("clean") as left:
        typed = lake.read(spark, lake.dataset("validate", "typed"))
        valid = typed.where("reasons IS NULL").select(*contract.names)
        numbered = number_repeated(valid, contract)
        # Written, since both the survivors and the others are made from it.
        numbered = lake.read(spark, lake.write(left, "repeated", numbered, "parquet"))
        lake.write(left, "conflicts", conflicts(numbered, contract), "parquet")
        clean = one_row_per_sale(valid, numbered, contract)
        clean = lake.read(spark, lake.write(left, "clean", clean, "parquet"))

        is_sale = F.col("sale_amount") >= 0
        sales = clean.agg(
            F.count("*").alias("clean"),
            F.sum(F.when(is_sale, F.col("quantity"))).alias("quantity"),
            F.sum(F.when(is_sale, F.col("sale_amount"))).alias("amount"),
            F.count_if(~is_sale).alias("returns"),
            F.sum(F.when(~is_sale, -F.col("sale_amount"))).alias("returned"),
        ).collect()[0]
        repeated = numbered.agg(
            F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)).alias("collapsed"),
            F.count_if(F.col("version") > 1).alias("conflicting"),
        ).collect()[0]
        counts = Cleaned(
            rows_in,
            sales.clean,
            repeated.collapsed,
            repeated.conflicting,
            sales.quantity or 0,
            sales.amount or Decimal(0),
            sales.returns,
            sales.returned or Decimal(0),
        )
        _require_every_row(counts, batch)
        left.counts = counts.document()
    return counts


def _require_every_row(counts: Cleaned, batch: Batch) -> None:
    accounted_for = counts.clean + counts.collapsed + counts.conflicting
    if counts.rows_in != accounted_for:
        raise ReconciliationError(
            "clean",
            "rows_in",
            expected=("validate", counts.rows_in),
            actual=(f"clean ({counts.clean:,} clean, {counts.note})", accounted_for),
            left=f"nothing was loaded; run: vitrina validate --as-of {batch.as_of}",
        )
