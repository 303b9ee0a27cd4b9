"""Validate: rows of text in, typed rows out; the rest rejected with every reason that applies.

A value is read after the white space around it is cut off and, for a field with allowed
values, whatever its case; both repairs are counted. Nothing else is guessed. The rules are
written out in `docs/rules.md`.
"""

from decimal import Decimal as Exact
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina.columns import Date, Decimal, Integer, Text, spark_type
from vitrina.contract import Batch, Contract, Field
from vitrina.errors import FeedError
from vitrina.stores.lake import Lake

# Space, tab, line feed, carriage return, no-break space.
WHITE_SPACE = " \t\n\r\u00a0"
_EXAMPLES = 5


def type_rows(feed: DataFrame, batch: Batch) -> DataFrame:
    """Give each field its type, and each row the reasons against it.

    Takes the contract's fields as text. Returns one row per row of the feed: the fields
    typed (null where the value is unusable), `raw_<field>` (text, on rejected rows only),
    `reasons` (null on valid rows) and `repairs` (null on rejected rows and where there were
    none).
    """
    fields = batch.contract.fields
    trimmed = feed.select(
        *[F.col(field.name).alias(_raw(field.name)) for field in fields],
        *[
            F.btrim(F.col(field.name), F.lit(WHITE_SPACE)).alias(_text(field.name))
            for field in fields
        ],
    )
    typed = trimmed.select("*", *[_typed(field).alias(field.name) for field in fields])
    judged = typed.select(
        *[field.name for field in fields],
        *[_raw(field.name) for field in fields],
        F.array_compact(
            F.array(*[reason for field in fields for reason in _reasons(field, batch)])
        ).alias("reasons"),
        F.array_compact(F.array(*[repair for field in fields for repair in _repairs(field)])).alias(
            "repairs"
        ),
    )
    rejected = F.size("reasons") > 0
    return judged.select(
        *[field.name for field in fields],
        *[F.when(rejected, F.col(_raw(field.name))).alias(_raw(field.name)) for field in fields],
        F.when(rejected, F.col("reasons")).alias("reasons"),
        F.when(~rejected & (F.size("repairs") > 0), F.col("repairs")).alias("repairs"),
    )


def rejected_rows(typed: DataFrame, contract: Contract) -> DataFrame:
    """The rows of `type_rows` that have reasons against them, as they stood in the feed."""
    return typed.where("reasons IS NOT NULL").select(
        *[F.col(_raw(name)).alias(name) for name in contract.names], "reasons"
    )


def count_each(rows: DataFrame, labels: str) -> DataFrame:
    """`label` and `rows`: how many rows carry each label of an array column."""
    labelled = rows.select(F.explode(labels).alias("label"))
    return labelled.groupBy("label").agg(F.count("*").alias("rows"))


def examples(rejects: DataFrame, contract: Contract) -> DataFrame:
    """Up to five rejected rows for each `reason`: the first in the order of their raw text."""
    by_text = Window.partitionBy("reason").orderBy(*contract.names)
    return (
        rejects.select(F.explode("reasons").alias("reason"), *contract.names)
        .withColumn("example", F.row_number().over(by_text))
        .where(F.col("example") <= _EXAMPLES)
    )


def run(
    spark: SparkSession, lake: Lake, batch: Batch, max_rejected_share: Exact
) -> dict[str, Any]:
    """Validate the batch's feed; leaves `typed`, `rejects` and `report.json`.

    Raises:
        FeedError: the feed is empty, or more than `max_rejected_share` of it was rejected.
    """
    contract = batch.contract
    with lake.step("validate") as left:
        feed = lake.read(spark, lake.dataset("generate", "feed"))
        # One pass over the feed: its rows, good and bad, are written once.
        typed = lake.read(spark, lake.write(left, "typed", type_rows(feed, batch), "parquet"))
        rejects = rejected_rows(typed, contract)
        rejects = lake.read(spark, lake.write(left, "rejects", rejects, "parquet"))

        tally = typed.agg(
            F.count("*").alias("rows_in"),
            F.count("reasons").alias("rejected"),
            F.count("repairs").alias("repaired"),
        ).collect()[0]
        counts = {
            "rows_in": tally.rows_in,
            "valid": tally.rows_in - tally.rejected,
            "rejected": tally.rejected,
            "repaired": tally.repaired,
            "reasons": _most_first(count_each(rejects, "reasons")),
            "repairs": _most_first(count_each(typed, "repairs")),
        }
        report = {**counts, "examples": _by_reason(examples(rejects, contract), contract)}
        lake.document("validate", "report.json", report)
        _refuse_bad_feed(counts, max_rejected_share, f"{lake.root}/validate/report.json")
        left.counts = counts
    return counts


def _raw(name: str) -> str:
    return f"raw_{name}"


def _text(name: str) -> str:
    return f"text_{name}"


def _typed(field: Field) -> Column:
    """The value of a field's text, or null where the text has not the form of its type."""
    text, type_ = F.col(_text(field.name)), spark_type(field.type)
    match field.type:
        case Integer():
            return F.when(text.rlike(_INTEGER), text.try_cast(type_))
        case Decimal(_, scale):
            exact = text.rlike(_NUMBER) & ~text.rlike(_surplus(scale))
            return F.when(exact, text.try_cast(type_))
        case Date():
            # The calendar has no year 0, which some engines count and others refuse.
            return F.when(text.rlike(_DATE) & ~text.startswith("0000"), text.try_cast(type_))
        case Text():
            value = F.lit(None).cast(type_)
            for allowed in field.allowed:
                value = F.when(F.lower(text) == allowed.lower(), allowed).otherwise(value)
            return value


# Casts differ between engines in what they let pass (exponents, signs, white space, surplus
# decimals that they round away), so the text's form is checked first.
_INTEGER = "^-?[0-9]+$"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _surplus(scale: int) -> str:
    """More decimals than the type keeps."""
    return rf"\.[0-9]{{{scale + 1},}}$"


def _reasons(field: Field, batch: Batch) -> list[Column]:
    """Every reason that can stand against a field: its name where it applies, else null."""
    text, value = F.col(_text(field.name)), F.col(field.name)
    missing = text.isNull() | (text == "")
    rules: list[tuple[str, Column]] = [("missing", missing)]
    match field.type:
        case Integer():
            rules += [("not_an_integer", ~missing & ~text.rlike(_INTEGER))]
            rules += _limits(field, text.rlike(_INTEGER), value)
        case Decimal(_, scale):
            number, surplus = text.rlike(_NUMBER), text.rlike(_surplus(scale))
            rules += [("not_a_number", ~missing & ~number)]
            rules += [("too_many_decimals", number & surplus)]
            # The limits hold for such a number as well: its surplus digits are cut off.
            kept = F.regexp_extract(text, rf"^-?[0-9]+(\.[0-9]{{1,{max(scale, 1)}}})?", 0)
            if scale == 0:
                kept = F.regexp_extract(text, "^-?[0-9]+", 0)
            cut = F.when(number & surplus, kept.try_cast(spark_type(field.type)))
            rules += _limits(field, number, F.coalesce(value, cut))
        case Date():
            rules += [
                ("malformed", ~missing & ~text.rlike(_DATE)),
                ("impossible", text.rlike(_DATE) & value.isNull()),
                ("in_the_future", value >= F.lit(batch.as_of)),
                ("before_the_window", value < F.lit(batch.first_day)),
            ]
        case Text():
            rules += [("unknown", ~missing & value.isNull())]
    return [F.when(applies, F.lit(f"{field.name}_{rule}")) for rule, applies in rules]


def _limits(field: Field, number: Column, value: Column) -> list[tuple[str, Column]]:
    """The limits of a number; one too large for its type is beyond them on its side."""
    negative = F.col(_text(field.name)).startswith("-")
    below, above = number & value.isNull() & negative, number & value.isNull() & ~negative
    if field.minimum is not None:
        below = below | (value < F.lit(field.minimum))
    if field.maximum is not None:
        above = above | (value > F.lit(field.maximum))
    return [("below_minimum", below), ("above_maximum", above)]


def _repairs(field: Field) -> list[Column]:
    """What had to be repaired to read a field: its name where it applies, else null."""
    raw, text, value = F.col(_raw(field.name)), F.col(_text(field.name)), F.col(field.name)
    repairs = [("spaces", raw != text)]
    if isinstance(field.type, Text):
        repairs += [("case", text != value)]
    return [F.when(applies, F.lit(f"{field.name}_{repair}")) for repair, applies in repairs]


def _most_first(counted: DataFrame) -> dict[str, int]:
    rows = counted.orderBy(F.col("rows").desc(), "label").collect()
    return {row.label: row.rows for row in rows}


def _by_reason(found: DataFrame, contract: Contract) -> dict[str, list[dict[str, str | None]]]:
    by_reason: dict[str, list[dict[str, str | None]]] = {}
    for row in found.orderBy("reason", "example").collect():
        by_reason.setdefault(row.reason, []).append({name: row[name] for name in contract.names})
    return by_reason


def _refuse_bad_feed(counts: dict[str, Any], max_rejected_share: Exact, report: str) -> None:
    rows_in, rejected = counts["rows_in"], counts["rejected"]
    if rows_in == 0:
        raise FeedError("the feed has no rows; nothing was loaded")
    if rejected > max_rejected_share * rows_in:
        dominant = ", ".join(f"{name} {n:,}" for name, n in list(counts["reasons"].items())[:3])
        raise FeedError(
            f"{rejected:,} of {rows_in:,} rows were rejected ({rejected / rows_in:.1%}), more than "
            f"the {max_rejected_share:%} that VITRINA_MAX_REJECTED_SHARE allows; "
            f"mostly {dominant}. Nothing was loaded; examples are in {report}"
        )
