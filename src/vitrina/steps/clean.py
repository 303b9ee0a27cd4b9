"""Clean: valid rows in, one row per sale out.

Exact copies of a row collapse into one. Of generated rows that share a `sale_id` and differ,
the first in the order of all the contract's fields (`sale_id`, then the next, …, each
ascending) survives; the others are kept, as rejects are, as conflicting duplicates.

Rows of a store's files that share a `sale_id` are versions of one sale. The newest survives: that
of the greatest declared version, of the file that was seen last, of the line furthest down. Copies
of it in all fields and the version collapse, and the others are superseded. Where the newest is set
aside, the sale was cancelled, say, and all are superseded.
"""

from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.contract import Contract
from vitrina.counts import Cleaned, Validated, read_result
from vitrina.errors import FeedError, ReconciliationError
from vitrina.exports.feed import FILE, FILE_NUMBER, LINE, SET_ASIDE, VERSION
from vitrina.rules import CONFLICTING_DUPLICATE, MAX_REJECTED_SHARE
from vitrina.store import Batch
from vitrina.stores.lake import Lake, Outcome


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


CLEAN, COLLAPSED, SUPERSEDED = "clean", "collapsed", "superseded"
"""The fates of a repeated sale's rows, beside those of rows set aside."""

_FATE = "fate"
_REPEATS = "repeats_in_file"


def versions_of_sales(typed: DataFrame, batch: Batch) -> DataFrame:
    """The rows of a store's files whose `sale_id` occurs more than once, newest first in each.

    Takes typed rows, those set aside among them. Adds `fate` (`clean`, `collapsed`, `superseded`
    or `set_aside`) and `repeats_in_file` (boolean): whether a valid row has a newer one of the
    same file and declared version.
    """
    contract, source = batch.contract, batch.store.source
    takes_part = F.col("reasons").isNull() & F.col("sale_id").isNotNull()
    if source is not None and source.add_up is not None:
        # The parts of a sale have its id, and those set aside are fees, not newer versions.
        takes_part &= F.col(SET_ASIDE).isNull()
    rows = typed.where(takes_part).select(
        *contract.names, FILE, LINE, FILE_NUMBER, VERSION, SET_ASIDE
    )
    # Few ids are repeated. Finding them first keeps all other rows out of the windows.
    repeated = rows.groupBy("sale_id").count().where("count > 1").select("sale_id")
    by_line: list[Column | str] = [F.col(LINE).desc(), *contract.names]
    newest_first = Window.partitionBy("sale_id").orderBy(
        *_newest_version(), F.col(FILE_NUMBER).desc(), *by_line
    )
    in_file = Window.partitionBy("sale_id", FILE_NUMBER, VERSION).orderBy(*by_line)
    compared = (*contract.names, VERSION)
    newest = {name: F.first(name).over(newest_first) for name in (SET_ASIDE, *compared)}
    is_copy = F.lit(True)
    for name in compared:
        is_copy &= newest[name].eqNullSafe(F.col(name))
    is_valid = F.col(SET_ASIDE).isNull()
    return rows.join(repeated, "sale_id", "left_semi").select(
        "*",
        F.when(F.row_number().over(newest_first) == 1, F.when(is_valid, CLEAN).otherwise(SET_ASIDE))
        .when(is_valid & newest[SET_ASIDE].isNull() & is_copy, COLLAPSED)
        .otherwise(SUPERSEDED)
        .alias(_FATE),
        (is_valid & (F.row_number().over(in_file) > 1)).alias(_REPEATS),
    )


def newest_of_each(typed: DataFrame, versions: DataFrame, contract: Contract) -> DataFrame:
    """The sales that occur once, and the newest row of each of the others; with file and line."""
    columns = (*contract.names, FILE, LINE)
    valid = typed.where(F.col("reasons").isNull() & F.col(SET_ASIDE).isNull())
    once = valid.join(versions.select("sale_id").distinct(), "sale_id", "left_anti")
    newest = versions.where(F.col(_FATE) == CLEAN)
    return once.select(*columns).unionByName(newest.select(*columns))


def run(
    spark: SparkSession,
    lake: Lake,
    batch: Batch,
    max_repeated_share: Decimal = MAX_REJECTED_SHARE,
) -> Cleaned:
    """Clean the batch; leaves `clean` and, by how sales repeat, `repeated` and `conflicts`.

    Raises:
        BatchError: validate has not ended for this batch.
        CorruptFile: a file of typed rows is not the one that was written, or rows are missing.
        FeedError: more than `max_repeated_share` of the rows of a store's files repeat a
            `sale_id` of the same file.
        ReconciliationError: the rows in are not clean + collapsed + superseded + conflicting.
    """
    contract = batch.contract
    result = lake.result("validate")
    validated = read_result(result, Validated).counts
    rows_in = validated.valid
    with lake.step("clean", result) as left:
        typed = lake.read(spark, lake.handed_over(result, "typed", validated.rows_in))
        if batch.store.is_generated:
            clean, repeated = _clean_generated(typed, left, spark, lake, contract)
        else:
            clean, repeated = _clean_versions(typed, left, spark, lake, batch)
            _require_few_repeats(repeated, rows_in, max_repeated_share, batch)
        clean = lake.read(spark, lake.write(left, "clean", clean, "parquet"))

        is_sale = F.col("sale_amount") >= 0
        sales = clean.agg(
            F.count("*").alias("clean"),
            F.sum(F.when(is_sale, F.col("quantity"))).alias("quantity"),
            F.sum(F.when(is_sale, F.col("sale_amount"))).alias("amount"),
            F.count_if(~is_sale).alias("returns"),
            F.sum(F.when(~is_sale, -F.col("sale_amount"))).alias("returned"),
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
            superseded=repeated.superseded,
            superseded_set_aside=repeated.superseded_set_aside,
        )
        _require_every_row(counts, batch)
        left.counts = counts.document()
    return counts


def _newest_version() -> list[Column]:
    """The order of declared versions: as numbers where they are, else as text, which times are.

    A row without one is the oldest.
    """
    version = F.col(VERSION)
    number = F.when(version.rlike(r"^-?[0-9]+(\.[0-9]+)?\z"), version.try_cast("decimal(38,9)"))
    return [number.desc_nulls_last(), version.desc_nulls_last()]


def _clean_generated(
    typed: DataFrame, left: Outcome, spark: SparkSession, lake: Lake, contract: Contract
) -> tuple[DataFrame, "_Repeated"]:
    valid = typed.where("reasons IS NULL").select(*contract.names)
    numbered = number_repeated(valid, contract)
    # Written, since both the survivors and the others are made from it.
    numbered = lake.read(spark, lake.write(left, "repeated", numbered, "parquet"))
    lake.write(left, "conflicts", conflicts(numbered, contract), "parquet")
    counted = numbered.agg(
        F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)).alias("collapsed"),
        F.count_if(F.col("version") > 1).alias("conflicting"),
    ).collect()[0]
    repeated = _Repeated(collapsed=counted.collapsed, conflicting=counted.conflicting)
    return one_row_per_sale(valid, numbered, contract), repeated


def _clean_versions(
    typed: DataFrame, left: Outcome, spark: SparkSession, lake: Lake, batch: Batch
) -> tuple[DataFrame, "_Repeated"]:
    versions = versions_of_sales(typed, batch)
    # Written, since both the newest and the counts are made from it.
    versions = lake.read(spark, lake.write(left, "repeated", versions, "parquet"))
    counted = versions.agg(
        F.count_if(F.col(_FATE) == COLLAPSED).alias("collapsed"),
        F.count_if(F.col(_FATE) == SUPERSEDED).alias("superseded"),
        F.count_if((F.col(_FATE) == SUPERSEDED) & F.col(SET_ASIDE).isNotNull()).alias("was_aside"),
    ).collect()[0]
    by_sale = (
        versions.where(_REPEATS)
        .groupBy(F.col("sale_id").cast("string").alias("sale_id"), FILE)
        .agg(F.count("*").alias("rows"))
    )
    in_file = by_sale.agg(F.coalesce(F.sum("rows"), F.lit(0)).alias("rows")).collect()[0].rows
    worst = by_sale.orderBy(F.col("rows").desc(), "sale_id", FILE).limit(1).collect()
    repeated = _Repeated(
        collapsed=counted.collapsed,
        superseded=counted.superseded,
        superseded_set_aside=counted.was_aside,
        in_file=in_file,
        example=", ".join(
            f"{row.sale_id} is in {row[FILE]} {row.rows + 1:,} times" for row in worst
        ),
    )
    return newest_of_each(typed, versions, batch.contract), repeated


@dataclass(frozen=True)
class _Repeated:
    """What became of the rows of repeated sales that do not survive."""

    collapsed: int
    superseded: int = 0
    superseded_set_aside: int = 0
    conflicting: int = 0
    in_file: int = 0
    """Rows that repeat a sale of the same file, in the version that the file declares."""
    example: str = ""


def _require_few_repeats(repeated: _Repeated, rows: int, limit: Decimal, batch: Batch) -> None:
    if repeated.in_file <= limit * rows:
        return
    source = batch.store.source
    is_placed = source is not None and source.fields.sale_id.place is not None
    remedy = (
        "the file holds sales more than once"
        if is_placed
        else 'sale_id is probably an order\'s number: with place = "order" in '
        "[source.fields.sale_id] each line of an order is a sale"
    )
    raise FeedError(
        f"{repeated.in_file:,} of {rows:,} rows repeat a sale_id of the same file "
        f"({repeated.in_file / rows:.1%}), more than the {limit:%} that "
        f"VITRINA_MAX_REJECTED_SHARE allows: {repeated.example}; {remedy}. Nothing was loaded"
    )


def _require_every_row(counts: Cleaned, batch: Batch) -> None:
    superseded = counts.superseded - counts.superseded_set_aside
    accounted_for = counts.clean + counts.collapsed + superseded + counts.conflicting
    if counts.rows_in != accounted_for:
        raise ReconciliationError(
            "clean",
            "rows_in",
            expected=("validate", counts.rows_in),
            actual=(f"clean ({counts.clean:,} clean, {counts.note})", accounted_for),
            left=f"nothing was loaded; run: vitrina validate --as-of {batch.as_of}",
        )
