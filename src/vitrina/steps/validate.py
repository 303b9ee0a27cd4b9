"""Validate: rows of text in, typed rows out; the rest rejected with every reason that applies.

A value is read after the white space around it is cut off and, for a field with allowed
values, whatever its case; both repairs are counted. Nothing else is guessed. The rules are
written out in `docs/rules.md`.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina import rules
from vitrina.columns import Date, FreeText, Integer, Label, Numeric, spark_type
from vitrina.contract import Contract, Field
from vitrina.counts import Validated
from vitrina.errors import FeedError
from vitrina.rules import Repair, Rule
from vitrina.store import Batch
from vitrina.stores.lake import Lake

# Space, tab, line feed, carriage return, no-break space.
WHITE_SPACE = " \t\n\r\u00a0"
_EXAMPLES = 5

# A rule or a repair, and when it applies to a row.
Check = tuple[Rule | Repair, Column]


def type_rows(feed: DataFrame, batch: Batch) -> DataFrame:
    """Give each field its type, and each row the reasons to reject it.

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
        "*",
        _all(_fits(field, batch) for field in fields).alias("fits"),
        _any(applies for field in fields for _, applies in _repairs(field)).alias("repaired"),
    )
    # Nearly every row fits. Working out the reasons only for the others takes a third of the
    # time that it takes for every row.
    return judged.select(
        *[field.name for field in fields],
        *[F.when(~F.col("fits"), F.col(_raw(f.name))).alias(_raw(f.name)) for f in fields],
        F.when(~F.col("fits"), _names(fields, lambda f: _reasons(f, batch))).alias("reasons"),
        F.when(F.col("fits") & F.col("repaired"), _names(fields, _repairs)).alias("repairs"),
    )


def rejected_rows(typed: DataFrame, contract: Contract) -> DataFrame:
    """The rows of `type_rows` that are rejected, as they stood in the feed."""
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


def run(spark: SparkSession, lake: Lake, batch: Batch, max_rejected_share: Decimal) -> Validated:
    """Validate the batch's feed; leaves `typed`, `rejects` and `report.json`.

    Raises:
        FeedError: the feed is empty, or more than `max_rejected_share` of it was rejected.
    """
    contract = batch.contract
    with lake.step("validate") as left:
        feed = lake.read(spark, lake.dataset(batch.store.feed_step, "feed"))
        # One pass over the feed: its rows, good and bad, are written once.
        typed = lake.read(spark, lake.write(left, "typed", type_rows(feed, batch), "parquet"))
        rejects = rejected_rows(typed, contract)
        written = lake.write(left, "rejects", rejects, "parquet")
        # So that they can be looked at even where they are too many to go on.
        lake.document("validate", "rejects.json", written.document())
        rejects = lake.read(spark, written)

        tally = typed.agg(
            F.count("*").alias("rows_in"),
            F.count("reasons").alias("rejected"),
            F.count("repairs").alias("repaired"),
        ).collect()[0]
        counts = Validated(
            rows_in=tally.rows_in,
            valid=tally.rows_in - tally.rejected,
            rejected=tally.rejected,
            repaired=tally.repaired,
            reasons=_most_first(count_each(rejects, "reasons")),
            repairs=_most_first(count_each(typed, "repairs")),
        )
        shown = _by_reason(examples(rejects, contract), contract)
        report = {**counts.document(), "examples": shown}
        lake.document("validate", "report.json", report)
        _refuse_bad_feed(counts, max_rejected_share, f"{lake.root}/validate/report.json")
        left.counts = counts.document()
    return counts


def _raw(name: str) -> str:
    return f"raw_{name}"


def _text(name: str) -> str:
    return f"text_{name}"


def _typed(field: Field) -> Column:
    """The value of a field's text; null where the text does not have the form of its type."""
    text, type_ = F.col(_text(field.name)), spark_type(field.type)
    match field.type:
        case Integer():
            return F.when(text.rlike(_INTEGER), text.try_cast(type_))
        case Numeric(_, scale):
            exact = text.rlike(_NUMBER) & ~text.rlike(_surplus(scale))
            return F.when(exact, text.try_cast(type_))
        case Date():
            # The calendar has no year 0, which some engines count and others refuse.
            return F.when(text.rlike(_DATE) & ~text.startswith("0000"), text.try_cast(type_))
        case Label():
            first, *others = field.allowed
            value = F.when(F.lower(text) == first.lower(), first)
            for other in others:
                value = value.when(F.lower(text) == other.lower(), other)
            return value
        case FreeText():
            return F.when(text != "", text)


# Engines differ in what a cast accepts (exponents, signs, white space, surplus decimals, which
# they round away), so the form of the text is checked first. The patterns end in `\z`, since on
# some engines `$` also matches before a last line separator.
_INTEGER = r"^-?[0-9]+\z"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?\z"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"


def _surplus(scale: int) -> str:
    """More decimals than the type keeps."""
    return rf"\.[0-9]{{{scale + 1},}}\z"


def _fits(field: Field, batch: Batch) -> Column:
    """Whether a field's value can be used: there is no reason to reject it. Never null."""
    value = F.col(field.name)
    return _all([value.isNotNull(), *[~outside for _, outside in _outside(field, batch, value)]])


def _outside(field: Field, batch: Batch, value: Column) -> list[Check]:
    """The rules that limit a field's value, each true where it is broken; null without a value."""
    if isinstance(field.type, Date):
        return [
            (Rule.in_the_future, value >= F.lit(batch.as_of)),
            (Rule.before_the_window, value < F.lit(batch.first_day)),
        ]
    checks: list[Check] = []
    if field.minimum is not None:
        checks.append((Rule.below_minimum, value < F.lit(field.minimum)))
    if field.maximum is not None:
        checks.append((Rule.above_maximum, value > F.lit(field.maximum)))
    return checks


def _reasons(field: Field, batch: Batch) -> list[Check]:
    """Every reason to reject a row for a field, and when it applies."""
    text, value = F.col(_text(field.name)), F.col(field.name)
    missing = text.isNull() | (text == "")
    checks: list[Check] = [(Rule.missing, missing)]
    match field.type:
        case Integer():
            number = text.rlike(_INTEGER)
            checks += [(Rule.not_an_integer, ~missing & ~number)]
            checks += _beyond_type(number & value.isNull(), text)
        case Numeric(_, scale):
            number, surplus = text.rlike(_NUMBER), text.rlike(_surplus(scale))
            checks += [
                (Rule.not_a_number, ~missing & ~number),
                (Rule.too_many_decimals, number & surplus),
            ]
            # The limits hold for such a number too, without its surplus digits.
            cut = rf"(\.[0-9]{{{scale}}})[0-9]+\z" if scale else r"()\.[0-9]+\z"
            kept = F.regexp_replace(text, cut, "$1")
            value = F.coalesce(value, F.when(number, kept.try_cast(spark_type(field.type))))
            checks += _beyond_type(number & value.isNull(), text)
        case Date():
            checks += [
                (Rule.malformed, ~missing & ~text.rlike(_DATE)),
                (Rule.impossible, text.rlike(_DATE) & value.isNull()),
            ]
        case Label():
            checks += [(Rule.unknown, ~missing & value.isNull())]
    return checks + _outside(field, batch, value)


def _beyond_type(beyond: Column, text: Column) -> list[Check]:
    """A number with more digits than its type holds is below the minimum or above the maximum."""
    return [
        (Rule.below_minimum, beyond & text.startswith("-")),
        (Rule.above_maximum, beyond & ~text.startswith("-")),
    ]


def _repairs(field: Field) -> list[Check]:
    """What can be repaired in a field, and when it has to be."""
    raw, text = F.col(_raw(field.name)), F.col(_text(field.name))
    repairs: list[Check] = [(Repair.spaces, raw != text)]
    if isinstance(field.type, Label):
        repairs += [(Repair.case, text != F.col(field.name))]
    return repairs


def _names(fields: tuple[Field, ...], checks: Callable[[Field], list[Check]]) -> Column:
    """The names of the reasons or repairs that apply to a row, as an array."""
    return F.array_compact(
        F.array(
            *[
                F.when(applies, F.lit(rules.name(field.name, what)))
                for field in fields
                for what, applies in checks(field)
            ]
        )
    )


def _all(conditions: Iterable[Column]) -> Column:
    return reduce(and_, conditions)


def _any(conditions: Iterable[Column]) -> Column:
    return reduce(or_, conditions)


def _most_first(counted: DataFrame) -> dict[str, int]:
    rows = counted.orderBy(F.col("rows").desc(), "label").collect()
    return {row.label: row.rows for row in rows}


def _by_reason(found: DataFrame, contract: Contract) -> dict[str, list[dict[str, str | None]]]:
    by_reason: dict[str, list[dict[str, str | None]]] = {}
    for row in found.orderBy("reason", "example").collect():
        by_reason.setdefault(row.reason, []).append({name: row[name] for name in contract.names})
    return by_reason


def _refuse_bad_feed(counts: Validated, max_rejected_share: Decimal, report: str) -> None:
    rows_in, rejected = counts.rows_in, counts.rejected
    if rows_in == 0:
        raise FeedError("the feed has no rows; nothing was loaded")
    if rejected > max_rejected_share * rows_in:
        dominant = ", ".join(f"{reason} {n:,}" for reason, n in list(counts.reasons.items())[:3])
        raise FeedError(
            f"{rejected:,} of {rows_in:,} rows were rejected ({rejected / rows_in:.1%}), more than "
            f"the {max_rejected_share:%} that VITRINA_MAX_REJECTED_SHARE allows; "
            f"mostly {dominant}. Nothing was loaded; examples are in {report}"
        )
