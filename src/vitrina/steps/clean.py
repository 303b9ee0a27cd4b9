"""Clean: valid rows in, one row per sale out.

Exact copies of a row collapse into one. Of rows that share a `sale_id` and differ, the
first in the order of all the contract's fields (`sale_id`, then the next, …, each
ascending) survives; the others are kept, as rejects are, as `conflicting_duplicate`.
"""

from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.contract import Batch, Contract
from vitrina.errors import BatchError
from vitrina.stores.lake import Lake

CONFLICTING_DUPLICATE = "conflicting_duplicate"


def number_repeated(valid: DataFrame, contract: Contract) -> DataFrame:
    """The sales whose `sale_id` occurs more than once: one row per distinct content.

    Adds `copies` (bigint), how many rows had this content, and `version` (int): 1 on the
    content that survives for its `sale_id`, 2, 3, … on the rest. The order is by every
    field, so the survivor is the same on any engine and any number of partitions.
    """
    # Few ids are repeated: finding them first spares the window all the other rows.
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


def run(spark: SparkSession, lake: Lake, batch: Batch) -> dict[str, Any]:
    """Clean the batch; leaves `clean` and `conflicts`.

    Raises:
        BatchError: validate has not ended for this batch, or rows went astray.
    """
    contract = batch.contract
    rows_in = lake.result("validate")["counts"]["valid"]
    with lake.step("clean") as left:
        typed = lake.read(spark, lake.dataset("validate", "typed"))
        valid = typed.where("reasons IS NULL").select(*contract.names)
        numbered = number_repeated(valid, contract)
        # Written, since both what survives and what does not is made from it.
        numbered = lake.read(spark, lake.write(left, "repeated", numbered, "parquet"))
        lake.write(left, "conflicts", conflicts(numbered, contract), "parquet")
        clean = one_row_per_sale(valid, numbered, contract)
        clean = lake.read(spark, lake.write(left, "clean", clean, "parquet"))

        sales = clean.agg(
            F.count("*").alias("clean"),
            F.sum("quantity").alias("quantity"),
            F.sum("sale_amount").alias("amount"),
        ).collect()[0]
        repeated = numbered.agg(
            F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)).alias("collapsed"),
            F.count_if(F.col("version") > 1).alias("conflicting"),
        ).collect()[0]
        counts = {
            "rows_in": rows_in,
            "clean": sales.clean,
            "collapsed": repeated.collapsed,
            "conflicting": repeated.conflicting,
            "total_quantity": sales.quantity or 0,
            "total_sales_amount": str(sales.amount or 0),
        }
        if rows_in != sales.clean + repeated.collapsed + repeated.conflicting:
            raise BatchError(
                f"batch {batch.as_of}: of {rows_in:,} valid rows {sales.clean:,} are clean, "
                f"{repeated.collapsed:,} collapsed, {repeated.conflicting:,} in conflict; "
                "they do not add up, and nothing was loaded"
            )
        left.counts = counts
    return counts
