"""Validate: rows of text in, typed rows out; the rest rejected with every reason that applies.

A value is read after the white space around it is cut off and, for a field with allowed
values, whatever its case; both repairs are counted. Nothing else is guessed. The rules are
written out in `docs/rules.md`.

The feed of a store's files also says where each row stood, what reading it found wrong with it,
and whether it is no sale by the store's rules. Such a row is set aside: neither valid nor
rejected.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from vitrina import rules
from vitrina.columns import Date, FreeText, Integer, Label, Numeric, spark_type
from vitrina.contract import ORDER_ID, Contract, Field
from vitrina.counts import Validated, read_feed_result
from vitrina.errors import FeedError, ReconciliationError
from vitrina.exports.feed import (
    FILE,
    FILE_NUMBER,
    LINE,
    PROBLEMS,
    RAW,
    REPAIRED,
    SET_ASIDE,
    VERSION,
)
from vitrina.rules import Repair, RowRule, Rule
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.visible import visible

# Space, tab, line feed, carriage return, no-break space.
WHITE_SPACE = " \t\n\r\u00a0"
_EXAMPLES = 5
# Whys are values of the store's own column, which may have any number of them.
_WHYS = 50
_OTHER_WHYS = "other"

_IN_FILE = (FILE, LINE, FILE_NUMBER, VERSION, SET_ASIDE, RAW)
"""What is known of a row of a store's files, beside its fields."""

# A rule or a repair, and when it applies to a row.
Check = tuple[Rule | Repair, Column]


def type_rows(feed: DataFrame, batch: Batch) -> DataFrame:
    """Give each field its type, and each row the reasons to reject it.

    Takes the contract's fields as text; of a store's files, with the rest of `feed_schema`.
    Returns one row per row of the feed: the fields typed (null where the value is missing or
    unusable), `raw_<field>` (text, on rejected rows only), `reasons` (null on rows that are valid
    or set aside) and `repairs` (null on rows that are not valid and where there were none); of a
    store's files, also file, line, their like, and why a row is set aside (null on others).
    """
    fields = batch.contract.fields
    of_files = not batch.store.is_generated
    in_file = _IN_FILE if of_files else ()
    trimmed = feed.select(
        *in_file,
        *((PROBLEMS, REPAIRED) if of_files else ()),
        *[F.col(field.name).alias(_raw(field.name)) for field in fields],
        *[
            F.btrim(F.col(field.name), F.lit(WHITE_SPACE)).alias(_text(field.name))
            for field in fields
        ],
    )
    typed = trimmed.select("*", *[_typed(field).alias(field.name) for field in fields])
    fits = _all(_fits(field, batch) for field in fields)
    is_repaired = _any(applies for field in fields for _, applies in _repairs(field))
    reasons = _names(fields, lambda f: _reasons(f, batch))
    repairs = _names(fields, _repairs)
    if of_files:
        is_sale = F.col(SET_ASIDE).isNull()
        fits = ~is_sale | (_is_empty(PROBLEMS) & fits)
        reasons = F.concat(_or_none(PROBLEMS), _names(fields, lambda f: _further_reasons(f, batch)))
        is_repaired = is_sale & (~_is_empty(REPAIRED) | is_repaired)
        repairs = F.concat(_or_none(REPAIRED), repairs)
    # `repaired` is the feed's own name for what was repaired in reading.
    judged = typed.select("*", fits.alias("fits"), is_repaired.alias("needs_repair"))
    # Nearly every row fits. Working out the reasons only for the others takes a third of the
    # time that it takes for every row.
    return judged.select(
        *[field.name for field in fields],
        *[F.when(~F.col("fits"), F.col(_raw(f.name))).alias(_raw(f.name)) for f in fields],
        F.when(~F.col("fits"), reasons).alias("reasons"),
        F.when(F.col("fits") & F.col("needs_repair"), repairs).alias("repairs"),
        *in_file,
    )


def rejected_rows(typed: DataFrame, contract: Contract) -> DataFrame:
    """The rows of `type_rows` that are rejected, as they stood in the feed.

    Those of a store's files come with file and line, and the raw text of a row that could not be
    told apart into fields.
    """
    place = [name for name in (FILE, LINE, FILE_NUMBER, RAW) if name in typed.columns]
    return typed.where("reasons IS NOT NULL").select(
        *[F.col(_raw(name)).alias(name) for name in contract.names], "reasons", *place
    )


def count_each(rows: DataFrame, labels: str) -> DataFrame:
    """`label` and `rows`: how many rows carry each label of an array column."""
    labelled = rows.select(F.explode(labels).alias("label"))
    return labelled.groupBy("label").agg(F.count("*").alias("rows"))


def examples(rejects: DataFrame, contract: Contract) -> DataFrame:
    """Up to five rejected rows for each `reason`: the first in the order of their raw text.

    Those of a store's files are the first in the order of file and line.
    """
    kept = [name for name in rejects.columns if name != "reasons"]
    place = [name for name in (FILE_NUMBER, LINE) if name in kept]
    first = Window.partitionBy("reason").orderBy(*place, *contract.names)
    return (
        rejects.select(F.explode("reasons").alias("reason"), *kept)
        .withColumn("example", F.row_number().over(first))
        .where(F.col("example") <= _EXAMPLES)
    )


def run(spark: SparkSession, lake: Lake, batch: Batch, max_rejected_share: Decimal) -> Validated:
    """Validate the batch's feed; leaves `typed`, `rejects` and `report.json`.

    Raises:
        BatchError: the feed is not there yet.
        CorruptFile: a file of the feed is not the one that was written.
        ReconciliationError: the feed has not the rows that the step before counted.
        FeedError: the feed is empty, or more than `max_rejected_share` of it was rejected.
    """
    contract = batch.contract
    fed = lake.result(batch.store.feed_step)
    feed_rows = read_feed_result(fed, batch.store).counts.feed_rows
    with lake.step("validate", fed) as left:
        feed = lake.read(spark, lake.handed_over(fed, "feed", feed_rows))
        # One pass over the feed: its rows, good and bad, are written once.
        typed = lake.read(spark, lake.write(left, "typed", type_rows(feed, batch), "parquet"))
        rejects = rejected_rows(typed, contract)
        written = lake.write(left, "rejects", rejects, "parquet")
        # So that they can be looked at even where they are too many to go on.
        lake.document("validate", "rejects.json", written.document())
        rejects = lake.read(spark, written)

        why = F.col(SET_ASIDE) if SET_ASIDE in typed.columns else F.lit(None).cast("string")
        tally = typed.agg(
            F.count("*").alias("rows_in"),
            F.count("reasons").alias("rejected"),
            F.count("repairs").alias("repaired"),
            F.count(why).alias("set_aside"),
        ).collect()[0]
        _require_whole_feed(tally.rows_in, feed_rows, batch)
        counts = Validated(
            rows_in=tally.rows_in,
            valid=tally.rows_in - tally.rejected - tally.set_aside,
            rejected=tally.rejected,
            repaired=tally.repaired,
            reasons=_most_first(count_each(rejects, "reasons")),
            repairs=_most_first(count_each(typed, "repairs")),
            set_aside=tally.set_aside,
            why_set_aside=_whys(typed) if tally.set_aside else {},
        )
        shown = _by_reason(examples(rejects, contract), contract)
        report = {**counts.document(), "examples": shown}
        lake.document("validate", "report.json", report)
        _refuse_bad_feed(counts, max_rejected_share, shown, f"{lake.root}/validate/report.json")
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
        case Numeric(precision, scale):
            return _decimal(text, precision, scale)
        case Date():
            # The calendar has no year 0, which some engines count and others refuse.
            is_date = text.rlike(_DATE) & ~text.startswith("0000")
            # Sail reads a moment three times as fast as a date.
            return F.when(is_date, text.try_cast("timestamp_ntz").cast(type_))
        case Label() if field.allowed:
            # Nearly every text is one of them as it is.
            value = F.when(text.isin(*field.allowed), text)
            for allowed in field.allowed:
                value = value.when(F.lower(text) == allowed.lower(), allowed)
            if field.other is None:
                return value
            return value.when(text != "", F.lit(field.other))
        case Label() | FreeText():
            return F.when((text != "") & ~text.rlike(_unwanted(field)), text)


def _decimal(text: Column, precision: int, scale: int) -> Column:
    """The number that a text is; null where it has too many digits, before or after the point."""
    type_ = f"decimal({precision},{scale})"
    number = F.when(text.rlike(_number(scale)), text.try_cast(type_))
    if not 0 < scale <= precision <= _DIGITS:
        return number
    # Nearly every amount has all its decimals. Sail reads its digits as a whole number in a third
    # of the time.
    units = F.translate(text, ".", "").try_cast("bigint").try_cast(f"decimal({precision},0)")
    whole = F.when(text.rlike(rf"^-?[0-9]+\.[0-9]{{{scale}}}\z"), units)
    return F.coalesce((whole * F.lit(Decimal(1).scaleb(-scale))).cast(type_), number)


# Engines differ in what a cast accepts (exponents, signs, white space, surplus decimals, which
# they round away), so the form of the text is checked first. The patterns end in `\z`, since on
# some engines `$` also matches before a last line separator.
_INTEGER = r"^-?[0-9]+\z"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?\z"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
# As many as any whole number of a bigint has.
_DIGITS = 18


def _number(scale: int) -> str:
    """A number with no more decimals than the type keeps."""
    return rf"^-?[0-9]+(\.[0-9]{{1,{scale}}})?\z" if scale else r"^-?[0-9]+\z"


# Controls, without tab and line ends, which a text may hold. PostgreSQL takes no NUL.
_CONTROLS = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F"
# Soft hyphen, zero-width space, word joiner, byte order mark: two ids must not look like one.
_INVISIBLE = r"\x{00AD}\x{200B}\x{2060}\x{FEFF}"
_IDS = {"sale_id", "customer_id", "product_id", ORDER_ID}


def _unwanted(field: Field) -> str:
    """The characters that a field's text must not have."""
    return f"[{_CONTROLS}{_INVISIBLE if field.name in _IDS else ''}]"


def _surplus(scale: int) -> str:
    """More decimals than the type keeps."""
    return rf"\.[0-9]{{{scale + 1},}}\z"


def _fits(field: Field, batch: Batch) -> Column:
    """Whether a field's value can be used: there is no reason to reject it. Never null."""
    value = F.col(field.name)
    fits = _all([value.isNotNull(), *[~outside for _, outside in _outside(field, batch, value)]])
    return _is_missing(field) | fits if field.nullable else fits


def _is_missing(field: Field) -> Column:
    text = F.col(_text(field.name))
    return text.isNull() | (text == "")


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
    missing = _is_missing(field)
    checks: list[Check] = [] if field.nullable else [(Rule.missing, missing)]
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
        case FreeText():
            checks += [(Rule.malformed, ~missing & value.isNull())]
    return checks + _outside(field, batch, value)


def _further_reasons(field: Field, batch: Batch) -> list[Check]:
    """The reasons for a field of a store's files, where reading the row has found none.

    A row that could not be told apart into fields has no fields to judge.
    """
    known = list(rules.of_field(field.name))
    if field.name == "sale_amount":
        # The amount still holds the sign of the other currency.
        known += [RowRule.currency_other]
    of_row = [rule.value for rule in RowRule if rule != RowRule.currency_other]
    is_judged = F.exists(
        _or_none(PROBLEMS),
        lambda problem: problem.isin(*known, *of_row) | problem.rlike(rules.WRONG_WIDTH),
    )
    return [(rule, applies & ~is_judged) for rule, applies in _reasons(field, batch)]


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
    if isinstance(field.type, Label) and field.allowed:
        value = F.col(field.name)
        repairs += [(Repair.case, (text != value) & (F.lower(text) == F.lower(value)))]
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


def _or_none(labels: str) -> Column:
    """An array of labels; none where it is null."""
    return F.coalesce(F.col(labels), F.array().cast("array<string>"))


def _is_empty(labels: str) -> Column:
    return F.size(_or_none(labels)) == 0


def _all(conditions: Iterable[Column]) -> Column:
    return reduce(and_, conditions)


def _any(conditions: Iterable[Column]) -> Column:
    return reduce(or_, conditions)


def _most_first(counted: DataFrame) -> dict[str, int]:
    rows = counted.orderBy(F.col("rows").desc(), "label").collect()
    return {row.label: row.rows for row in rows}


def _whys(typed: DataFrame) -> dict[str, int]:
    by_why = typed.groupBy(F.col(SET_ASIDE).alias("label")).agg(F.count("*").alias("rows"))
    counted = list(_most_first(by_why.where("label IS NOT NULL")).items())
    rest = sum(rows for _, rows in counted[_WHYS:])
    shown = dict(counted[:_WHYS])
    return {**shown, _OTHER_WHYS: shown.get(_OTHER_WHYS, 0) + rest} if rest else shown


Examples = dict[str, list[dict[str, str | int | None]]]


def _by_reason(found: DataFrame, contract: Contract) -> Examples:
    shown = [name for name in (FILE, LINE) if name in found.columns]
    by_reason: Examples = {}
    for row in found.orderBy("reason", "example").collect():
        example = {name: row[name] for name in shown}
        if RAW in found.columns and row[RAW] is not None:
            example[RAW] = visible(row[RAW])
        else:
            example |= {name: row[name] and visible(row[name]) for name in contract.names}
        by_reason.setdefault(row.reason, []).append(example)
    return by_reason


def _require_whole_feed(rows_in: int, feed_rows: int, batch: Batch) -> None:
    if rows_in != feed_rows:
        step = batch.store.feed_step
        raise ReconciliationError(
            "feed",
            "rows",
            expected=(step, feed_rows),
            actual=("validate", rows_in),
            left=f"nothing was loaded; run: vitrina {step} --as-of {batch.as_of}",
        )


def _refuse_bad_feed(
    counts: Validated, max_rejected_share: Decimal, shown: Examples, report: str
) -> None:
    """Rows set aside count neither as bad nor as good."""
    if counts.rows_in == 0:
        raise FeedError("the feed has no rows; nothing was loaded")
    judged, rejected = counts.rows_in - counts.set_aside, counts.rejected
    if rejected > max_rejected_share * judged:
        dominant = ", ".join(
            f"{reason} {n:,}{_first_place(shown[reason][0])}"
            for reason, n in list(counts.reasons.items())[:3]
        )
        raise FeedError(
            f"{rejected:,} of {judged:,} rows were rejected ({rejected / judged:.1%}), more than "
            f"the {max_rejected_share:%} that VITRINA_MAX_REJECTED_SHARE allows; "
            f"mostly {dominant}. Nothing was loaded; examples are in {report}"
        )


def _first_place(example: dict[str, str | int | None]) -> str:
    return f" (first {example[FILE]}, line {example[LINE]})" if FILE in example else ""
