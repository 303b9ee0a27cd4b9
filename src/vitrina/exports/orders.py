"""What a row takes from other rows of its order: its place, values from above, sums, refunds.

Takes what `mapping.mapped` gave, all batches together, and leaves the feed. It is called only
where a store's file declares such a thing (`needs_orders`); the windows are by file, so that a
batch is the same whatever other files it reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import permutations

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from vitrina import rules
from vitrina.errors import ExportError
from vitrina.exports.feed import (
    FILE,
    FILE_NUMBER,
    LINE,
    PROBLEMS,
    REPAIRED,
    SET_ASIDE,
    feed_schema,
)
from vitrina.exports.source import Source
from vitrina.rules import RULES, RowRule
from vitrina.store import Store, source_of

IS_REFUND, ROWS_ADDED = "is_refund", "rows_added"

# A field of a store's own begins with a letter.
ORDER, REFUND, REFUND_PROBLEM, PARTS = "_order", "_refund", "_refund_problem", "_parts"
RULE, WHY, BELOW, BELOW_WHY = "_rule", "_why", "_below", "_below_why"

HELPERS = (
    pa.field(ORDER, pa.string()),
    pa.field(RULE, pa.int32()),
    pa.field(WHY, pa.string()),
    pa.field(BELOW, pa.int32()),
    pa.field(BELOW_WHY, pa.string()),
    pa.field(REFUND, pa.string()),
    pa.field(REFUND_PROBLEM, pa.string()),
    pa.field(PARTS, pa.string()),
)
"""What the mapping adds to the feed's columns: the order of a row and what it was refunded; the
number of the rule that decides the row's fate and of that for the lines below, -1 for none, and
why they set it aside; and the key of the sale that it is a part of."""

ABOVE_ZERO = r"^[0-9.]*[1-9][0-9.]*\z"
"""A number above 0, in its canonical form."""


def needs_orders(source: Source) -> bool:
    """Whether rows depend on others of their order."""
    return bool(
        source.refund
        or source.add_up
        or any(each.carried_down or each.place == "order" for each in source.mapped.values())
        or any(row.in_order for row in source.rows)
    )


def cut_orders(
    rows: DataFrame, store: Store, seen: Mapping[int, datetime]
) -> Iterator[tuple[set[int], ExportError]]:
    """Why files are refused between which an order seems to be cut, with their numbers.

    Lines have their place in the order by file, so that lines of the second would be taken for
    newer versions of those in the first. An order is cut if it is the last of one file and the
    first of another that was seen in the same moment, and the two have no product of it in common:
    two exports whose days overlap have. `seen` has the moment by the file's number.
    """
    source = source_of(store)
    if source.fields.sale_id.place != "order" or len(seen) < 2:
        return
    key = F.col(ORDER if source.order else "sale_id")
    keyed = rows.where(F.btrim(key) != "").withColumn("_key", key)
    ends = (
        keyed.groupBy(FILE_NUMBER, FILE)
        .agg(F.min_by("_key", LINE).alias("first"), F.max_by("_key", LINE).alias("last"))
        .orderBy(FILE_NUMBER, FILE)
        .collect()
    )
    pairs = [
        (one, other)
        for one, other in permutations(ends, 2)
        if one["last"] == other["first"] and seen[one[FILE_NUMBER]] == seen[other[FILE_NUMBER]]
    ]
    if not pairs:
        return
    both = F.col("_key").isin([one["last"] for one, _ in pairs])
    products: dict[tuple[str, str], set[str | None]] = {}
    for row in keyed.where(both).select("_key", FILE, "product_id").distinct().collect():
        products.setdefault((row["_key"], row[FILE]), set()).add(row["product_id"])
    for one, other in pairs:
        order = one["last"]
        if not products[order, one[FILE]] & products[order, other[FILE]]:
            yield (
                {one[FILE_NUMBER], other[FILE_NUMBER]},
                ExportError(
                    f"order {order} ends {one[FILE]} and begins {other[FILE]}, with no product in "
                    "common: the export seems to be cut within an order, whose lines would "
                    "replace each other. Put the two together, or give sale_id columns that tell "
                    "lines apart"
                ),
            )


def complete(rows: DataFrame, store: Store) -> DataFrame:
    """The feed of rows in `mapping.mapped_schema`.

    Returns the columns of `feed_schema` and two more to count by: `is_refund` (bool: the row was
    made of an order's refund) and `rows_added` (int: rows that were added up into it, and are
    no longer there). Rows in = rows here - refunds + rows added.
    """
    source = source_of(store)
    found = rows.withColumn(IS_REFUND, F.lit(False)).withColumn(ROWS_ADDED, F.lit(0))
    mapped = source.mapped.items()
    carried = [name for name, column in mapped if column.carried_down]
    if carried:
        found = carry_down(found, store, carried)
    if any(row.in_order for row in source.rows):
        found = decide_by_order(found, store, source)
    for name, column in mapped:
        if column.place == "order":
            found = number_lines(found, store, name, column.separator)
    if source.refund is not None:
        found = found.unionByName(
            refunds(found, store, source.refund.product_id, source.fields.sale_id.separator)
        )
    if source.add_up is not None:
        found = add_up(found, store)
    return found.select(*feed_schema(store.contract).names, IS_REFUND, ROWS_ADDED)


def carry_down(rows: DataFrame, store: Store, names: Sequence[str]) -> DataFrame:
    """Give fields that are missing the value of the line above in the same order.

    What was wrong with that value is wrong here, too.
    """
    above = _so_far(ORDER)
    for name in names:
        possible = _names(_reasons(store, name))
        wrong = F.array_intersect(F.coalesce(F.col(PROBLEMS), _names([])), possible)
        value = F.when(_has_value(name), F.struct(F.col(name).alias("text"), wrong.alias("wrong")))
        found = rows.withColumn("_above", F.last(value, ignorenulls=True).over(above))
        takes = ~_has_value(name) & F.col(ORDER).isNotNull() & F.col("_above").isNotNull()
        problems = F.array_union(F.coalesce(F.col(PROBLEMS), _names([])), F.col("_above.wrong"))
        rows = found.withColumns(
            {
                name: F.when(takes, F.col("_above.text")).otherwise(F.col(name)),
                PROBLEMS: F.when(takes & (F.size(problems) > 0), problems).otherwise(
                    F.col(PROBLEMS)
                ),
            }
        ).drop("_above")
    return rows


def decide_by_order(rows: DataFrame, store: Store, source: Source) -> DataFrame:
    """Follow the first rule that applies to a row or, if it holds below, to one above it."""
    above = _so_far(ORDER)
    has_order = F.col(ORDER).isNotNull()
    inherited = F.when(has_order, F.min(_rule(BELOW)).over(above))
    rows = rows.withColumn("_decides", F.least(_rule(RULE), inherited))
    for number, rule in enumerate(source.rows):
        applies = F.col("_decides") == number
        if rule.fate == "set aside":
            own = F.when(F.col(RULE) == number, F.col(WHY))
            last = F.last(F.when(F.col(BELOW) == number, F.col(BELOW_WHY)), ignorenulls=True)
            why = F.lit(rule.why) if rule.why else F.coalesce(own, last.over(above))
            is_new = applies & F.col(SET_ASIDE).isNull()
            rows = rows.withColumns(
                {
                    SET_ASIDE: F.when(is_new, why).otherwise(F.col(SET_ASIDE)),
                    PROBLEMS: F.when(~_true(is_new), F.col(PROBLEMS)),
                    REPAIRED: F.when(~_true(is_new), F.col(REPAIRED)),
                }
            )
            continue
        if rule.quantity is not None:
            rows = rows.withColumns(
                {
                    "quantity": F.when(applies, F.lit(f"{rule.quantity:f}")).otherwise(
                        F.col("quantity")
                    ),
                    PROBLEMS: F.when(applies, _without(_reasons(store, "quantity"))).otherwise(
                        F.col(PROBLEMS)
                    ),
                }
            )
        if rule.fate == "return":
            rows = rows.withColumns(
                {
                    name: F.when(
                        applies & F.col(name).rlike(ABOVE_ZERO) & _is_right(store, name),
                        F.concat(F.lit("-"), F.col(name)),
                    ).otherwise(F.col(name))
                    for name in ("quantity", "sale_amount")
                }
            )
    return rows


def number_lines(rows: DataFrame, store: Store, name: str, separator: str) -> DataFrame:
    """Append to a field its place, from 1, among the lines of the file that have its value."""
    place = F.row_number().over(_by(name).orderBy(LINE))
    numbered = F.concat(F.col(name), F.lit(separator), place.cast("string"))
    is_numbered = _has_value(name) & _is_right(store, name)
    return rows.withColumn(name, F.when(is_numbered, numbered).otherwise(F.col(name)))


def refunds(rows: DataFrame, store: Store, product_id: str, separator: str) -> DataFrame:
    """One more row for each order of which something was refunded: a return of money alone.

    It stands on the line of the order's first row, and has all else from it.
    """
    given = F.regexp_replace(F.col(REFUND), "^-", "")
    is_given = F.col(REFUND_PROBLEM).isNotNull() | given.rlike(ABOVE_ZERO)
    refund = F.when(
        is_given,
        F.struct(
            F.when(F.col(REFUND_PROBLEM).isNotNull(), F.col(REFUND))
            .otherwise(F.concat(F.lit("-"), given))
            .alias("amount"),
            F.col(REFUND_PROBLEM).alias("problem"),
        ),
    )
    lines = _by(ORDER).orderBy(LINE)
    whole = lines.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    first = (
        rows.where(F.col(ORDER).isNotNull())
        .withColumn("_given", F.first(refund, ignorenulls=True).over(whole))
        .withColumn("_place", F.row_number().over(lines))
        .where((F.col("_place") == 1) & F.col("_given").isNotNull())
    )
    replaced = ("sale_id", "product_id", "quantity", "sale_amount")
    kept = _without([each for name in replaced for each in _reasons(store, name)])
    wrong = F.when(F.col("_given.problem").isNotNull(), F.array(F.col("_given.problem")))
    problems = F.array_union(F.coalesce(kept, _names([])), F.coalesce(wrong, _names([])))
    nothing = F.lit(None)
    return first.withColumns(
        {
            PROBLEMS: F.when((F.size(problems) > 0) & F.col(SET_ASIDE).isNull(), problems),
            REPAIRED: nothing.cast("array<string>"),
            PARTS: nothing.cast("string"),
            IS_REFUND: F.lit(True),
            "sale_id": F.concat(F.col(ORDER), F.lit(f"{separator}refund")),
            "product_id": F.lit(product_id),
            "quantity": F.lit("0"),
            "sale_amount": F.col("_given.amount"),
        }
    ).drop("_given", "_place")


def add_up(rows: DataFrame, store: Store) -> DataFrame:
    """Add the amounts of the parts of a sale exactly; the first part stays, with its quantity.

    Rows that are set aside are no parts. Where a part cannot be used, none is: the others get
    the reason `part_rejected`.
    """
    amount = F.col("sale_amount")
    is_part = F.col(PARTS).isNotNull() & F.col(SET_ASIDE).isNull()
    is_good = F.col(PROBLEMS).isNull() & _true(amount.rlike(_SUMMABLE))
    parts = Window.partitionBy(FILE_NUMBER, FILE, "_sale")
    found = rows.withColumn("_sale", F.when(is_part, F.col(PARTS))).withColumns(
        {"_good": is_good, "_exact": F.when(is_good, amount.cast(_EXACT))}
    )
    found = found.withColumns(
        {
            "_place": F.row_number().over(parts.orderBy(LINE)),
            "_count": F.count("*").over(parts),
            "_all_good": F.min(F.col("_good").cast("int")).over(parts) == 1,
            "_total": F.sum("_exact").over(parts),
        }
    )
    is_one_of_many = F.col("_sale").isNotNull() & (F.col("_count") > 1)
    is_added = is_one_of_many & F.col("_all_good")
    is_spoilt = is_one_of_many & ~F.col("_all_good") & F.col("_good")
    return found.where(~is_added | (F.col("_place") == 1)).withColumns(
        {
            "sale_amount": F.when(is_added, _told(F.col("_total"), store)).otherwise(amount),
            ROWS_ADDED: F.when(is_added, F.col("_count") - 1).otherwise(0).cast("int"),
            PROBLEMS: F.when(is_spoilt, _names([RowRule.part_rejected])).otherwise(F.col(PROBLEMS)),
        }
    )


_EXACT = "decimal(38,6)"
_SUMMABLE = r"^-?[0-9]{1,20}(\.[0-9]{1,6})?\z"
"""An amount that `_EXACT` holds; one with more decimals is rejected anyway."""


def _by(key: str) -> WindowSpec:
    return Window.partitionBy(FILE_NUMBER, FILE, key)


def _so_far(key: str) -> WindowSpec:
    """A row and those above it in the file that have the same key."""
    return _by(key).orderBy(LINE).rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _rule(name: str) -> Column:
    return F.when(F.col(name) >= 0, F.col(name))


def _has_value(name: str) -> Column:
    return F.coalesce(F.btrim(F.col(name)) != "", F.lit(False))


def _true(condition: Column) -> Column:
    """The condition; false where it is null."""
    return F.coalesce(condition, F.lit(False))


def _names(names: Sequence[str]) -> Column:
    # Without the cast, an engine takes it for an array of another kind: one that has no nulls.
    return F.array(*[F.lit(str(name)) for name in names]).cast("array<string>")


def _reasons(store: Store, name: str) -> list[str]:
    """The reasons that the mapping can have for a field."""
    return [rules.name(name, rule) for rule in RULES[type(store.contract[name].type)]]


def _is_right(store: Store, name: str) -> Column:
    """Whether the mapping found nothing wrong with a field."""
    possible = _names(_reasons(store, name))
    return ~_true(F.arrays_overlap(F.col(PROBLEMS), possible))


def _without(reasons: Sequence[str]) -> Column:
    """A row's reasons without these; null if none is left."""
    left = F.array_except(F.col(PROBLEMS), _names(reasons))
    return F.when(F.size(left) > 0, left)


def _told(total: Column, store: Store) -> Column:
    """A sum as text, with the decimals that the field keeps unless it has more."""
    # Apache Spark compares decimals of 38 digits by the fewer decimals of the two.
    exact = total.cast("decimal(30,6)")
    kept = exact.cast(f"decimal(28,{source_of(store).fields.sale_amount.decimals})")
    return F.when(kept == exact, kept.cast("string")).otherwise(exact.cast("string"))
