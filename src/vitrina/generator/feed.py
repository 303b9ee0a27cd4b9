"""The feed: rows of text, like a shop's export, with known defects.

Whatever is random about a row is a hash of its number, and what a hash decides is decided
by comparing integers. So the same `(seed, as_of, rows)` gives the same set of rows on any
engine and any number of partitions. The distributions are in `retail.py`, the defects in
`defects.py`; `docs/generator.md` describes both.
"""

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import accumulate, chain
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from vitrina.columns import Date, FreeText, Integer, Label, Numeric
from vitrina.contract import Contract, Field
from vitrina.errors import SettingsError
from vitrina.generator import defects, retail
from vitrina.generator.draw import choose, high_bits, row_hash, shuffled
from vitrina.generator.recipe import Dirt, Recipe
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.store import Batch

EXACT_COPY = "exact_copy"
CONFLICTING_COPY = "conflicting_copy"
_COPIES = {EXACT_COPY: "collapsed", CONFLICTING_COPY: CONFLICTING_DUPLICATE}

# The fields that every contract has; those of a store's own are only filled in.
_DRAWN = frozenset(
    ("sale_id", "customer_id", "product_id", "quantity", "sale_date", "sale_amount", "region")
)

# Limits beyond it are cut, so that the engines can count with bigint.
_COUNTABLE = 2**61

# One hash of a row decides its defect; shares are kept to a billionth.
_PARTS = 10**9


def make_feed(
    spark: SparkSession, batch: Batch, recipe: Recipe, partitions: int | None = None
) -> DataFrame:
    """One row per sale, and one more for each sale that is repeated.

    Has every field of the contract as text, and `defect`: what was done to the row, null on
    a clean one. Of a repeated sale only the extra row has a defect.

    Raises:
        SettingsError: the contract leaves no room for such sales, or for so many.
    """
    rows = number_rows(spark, batch, recipe, partitions)
    for draw in (_sale_ids, _buyers, _days, _goods, _own_fields, _spoil):
        rows = draw(rows, batch, recipe)
    return rows.select(*batch.contract.names, "defect")


def number_rows(
    spark: SparkSession, batch: Batch, recipe: Recipe, partitions: int | None = None
) -> DataFrame:
    """The rows of the feed, still empty: `_row` (bigint, from 0) and `defect`.

    A repeated sale has its number twice.
    """
    once = _number_once(spark, batch, recipe, partitions)
    repeated = F.col("defect").isin(*_COPIES)
    first = F.when(repeated, F.lit(None)).otherwise(F.col("defect"))
    return once.select("_row", first.alias("defect")).unionByName(once.where(repeated))


def _number_once(
    spark: SparkSession, batch: Batch, recipe: Recipe, partitions: int | None = None
) -> DataFrame:
    """The numbers, once each, and the one defect of those that have one or are repeated."""
    return spark.range(0, recipe.rows, 1, partitions).select(
        F.col("id").alias("_row"), _defect_of("id", batch, recipe).alias("defect")
    )


def defect_shares(batch: Batch, dirt: Dirt) -> list[tuple[str, Fraction]]:
    """Each defect with its share of the rows: the same for each kind, and each field of a kind."""
    groups = [
        (dirt.duplicated, [[name] for name in _copies(batch.contract)]),
        (dirt.invalid, [[each.name for each in kind] for kind in defects.invalid(batch)]),
        (dirt.repairable, [[each.name for each in kind] for kind in defects.repairable(batch)]),
    ]
    return [
        (name, Fraction(share) / len(kinds) / len(kind))
        for share, kinds in groups
        for kind in kinds
        for name in kind
    ]


def count_defects(spark: SparkSession, batch: Batch, recipe: Recipe) -> dict[str, int]:
    """How many rows of the feed have each defect; 0 for a defect that no row has."""
    found = _number_once(spark, batch, recipe).where("defect IS NOT NULL")
    counted = {row["defect"]: row["count"] for row in found.groupBy("defect").count().collect()}
    return {name: counted.get(name, 0) for name, _ in defect_shares(batch, recipe.dirt)}


def truth(batch: Batch, recipe: Recipe, planted: dict[str, int]) -> dict[str, Any]:
    """What the feed holds, and so what the next steps must find; from `count_defects`."""
    invalid = {each.name: each.label for kind in defects.invalid(batch) for each in kind}
    repairable = {each.name: each.label for kind in defects.repairable(batch) for each in kind}
    labels = {**_COPIES, **invalid, **repairable}
    copies = sum(planted.get(name, 0) for name in _COPIES)
    return {
        "as_of": batch.as_of.isoformat(),
        "seed": recipe.seed,
        "rows": recipe.rows,
        "feed_rows": recipe.rows + copies,
        "rejected": sum(planted[name] for name in invalid),
        "repaired": sum(planted[name] for name in repairable),
        "collapsed": planted[EXACT_COPY],
        "conflicting": planted.get(CONFLICTING_COPY, 0),
        "defects": {
            name: {"rows": rows, "found_as": labels[name]} for name, rows in planted.items()
        },
    }


def _copies(contract: Contract) -> list[str]:
    """The kinds of repeated rows: where all sales have one quantity, none can be in conflict."""
    return list(_COPIES)[: min(2, len(_quantities(contract)))]


def _defect_of(row: str, batch: Batch, recipe: Recipe) -> Column:
    part = F.pmod(row_hash(_batch_key(batch, recipe), "defect", row), F.lit(_PARTS))
    shares = defect_shares(batch, recipe.dirt)
    ends = [int(end * _PARTS) for end in accumulate(share for _, share in shares)]
    # Most rows have no defect; this spares comparing them with every end.
    found = F.when(part >= ends[-1], F.lit(None).cast("string"))
    for (name, _), end in zip(shares, ends, strict=True):
        found = found.when(part < end, F.lit(name))
    return found


def _sale_ids(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    first, last = _limits(batch.contract["sale_id"])
    if recipe.rows > last - first + 1:
        raise SettingsError(f"contract: sale_id leaves no room for {recipe.rows:,} sales")
    return rows.withColumn("sale_id", F.col("_row") + F.lit(first))


def _buyers(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    """Add `customer_id` (bigint) and `region` (text): who bought, and where."""
    contract, shop, each = batch.contract, _shop_key(recipe), _batch_key(batch, recipe)
    first, last = _limits(contract["customer_id"])
    customers = max(1, min(recipe.rows // retail.SALES_PER_CUSTOMER, last - first + 1))
    classes = min(retail.ACTIVITY_CLASSES, customers)
    rows = choose(
        rows,
        row_hash(each, "customer class", "_row"),
        retail.activity_weights(classes),
        # Numbers must not tell how active a customer is.
        customer_class=shuffled(classes, shop, "customers"),
    )
    place = F.pmod(row_hash(each, "customer", "_row"), F.lit(customers // classes))
    rows = rows.withColumn("customer_id", F.col("customer_class") + place * classes + first)

    regions = len(contract.regions)
    weights = retail.region_weights(regions)
    rows = choose(rows, row_hash(shop, "home", "customer_id"), weights, home=range(regions))
    away = F.pmod(row_hash(each, "away", "_row"), F.lit(100)) >= retail.HOME_PERCENT
    other = F.col("home") + 1 + F.pmod(row_hash(each, "abroad", "_row"), F.lit(max(regions - 1, 1)))
    at = F.when(away, F.pmod(other, F.lit(regions))).otherwise(F.col("home"))
    return rows.withColumn("region", defects.element(contract.regions, at))


def _days(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    """Add `sale_date` (text) and `week` (bigint), which starts on Mondays."""
    days = [batch.first_day + timedelta(number) for number in range(batch.contract.days)]
    return choose(
        rows,
        row_hash(_batch_key(batch, recipe), "day", "_row"),
        retail.day_weights(batch.first_day, len(days)),
        sale_date=[day.isoformat() for day in days],
        week=[(day.toordinal() - 1) // 7 for day in days],
    )


def _goods(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    """Add `product_id`, `quantity` and `sale_amount`, a bigint in units of the last decimal."""
    contract, shop, each = batch.contract, _shop_key(recipe), _batch_key(batch, recipe)
    quantities = _quantities(contract)
    weights = retail.quantity_weights(len(quantities))
    rows = choose(rows, row_hash(each, "quantity", "_row"), weights, quantity=quantities)
    # A copy in conflict has another quantity, and so another amount.
    place = F.col("quantity") - quantities[0]
    another = F.pmod(place + 1, F.lit(len(quantities))) + quantities[0]
    conflicting = F.col("defect") == CONFLICTING_COPY
    rows = rows.withColumn("quantity", F.when(conflicting, another).otherwise(F.col("quantity")))

    lowest, highest = _price_limits(contract)
    first, last = _limits(contract["product_id"])
    products = min(retail.PRODUCTS, last - first + 1)
    prices = retail.prices(products, _scale(contract["sale_amount"]), lowest, highest)
    rows = choose(
        rows,
        row_hash(each, "product", "_row"),
        retail.popularity_weights(products),
        # Neither its number nor its price tells how popular a product is.
        product_id=[first + number for number in shuffled(products, shop, "products")],
        list_price=[prices[number] for number in shuffled(products, shop, "prices")],
    )
    # Discounts depend on the shop alone, so batches that share a week have the same.
    paid = [100 - percent for percent in retail.DISCOUNTS]
    lot = F.pmod(row_hash(shop, "discount", "product_id", "week"), F.lit(100 * len(paid)))
    percent = F.when(lot >= retail.PROMOTED_PERCENT * len(paid), F.lit(100))
    for number, each_paid in enumerate(paid, start=1):
        percent = percent.when(lot < retail.PROMOTED_PERCENT * number, F.lit(each_paid))
    rows = rows.withColumn("hundredfold", F.col("list_price") * percent)
    price = F.greatest(F.expr("(hundredfold + 50) div 100"), F.lit(lowest).cast("bigint"))
    return rows.withColumn("sale_amount", F.col("quantity") * price)


def _own_fields(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    """Add the fields that only this contract has: any valid value, each as likely."""
    key = _batch_key(batch, recipe)
    for field in batch.contract.fields:
        if field.name not in _DRAWN:
            value = _any_value(field, row_hash(key, f"field {field.name}", "_row"), batch)
            rows = rows.withColumn(field.name, value)
    return rows


def _spoil(rows: DataFrame, batch: Batch, recipe: Recipe) -> DataFrame:
    """Turn the fields to text, and put each row's defect in place of the clean text."""
    variant = row_hash(_batch_key(batch, recipe), "variant", "_row")
    clean = rows.select(
        "defect",
        high_bits(variant).alias("_variant"),
        *[_text(field).alias(field.name) for field in batch.contract.fields],
    )
    kinds = [*defects.invalid(batch), *defects.repairable(batch)]
    spoilt = {}
    for name in batch.contract.names:
        text = F.when(F.col("defect").isNull(), F.col(name))
        for defect in chain.from_iterable(kinds):
            if defect.field == name:
                text = text.when(F.col("defect") == defect.name, defect.text)
        spoilt[name] = text.otherwise(F.col(name))
    return clean.select("defect", *[text.alias(name) for name, text in spoilt.items()])


def _any_value(field: Field, hashed: Column, batch: Batch) -> Column:
    """Any valid value, each as likely; a decimal in units of its last digit."""
    match field.type:
        case Label():
            return defects.element(field.allowed, F.pmod(hashed, F.lit(len(field.allowed))))
        case Date():
            days = F.pmod(hashed, F.lit(batch.contract.days)).cast("int")
            return F.date_add(F.lit(batch.first_day), days)
        case Integer() | Numeric():
            least, most = _limits(field)
            return F.pmod(hashed, F.lit(most - least + 1)) + least
        case FreeText():
            raise SettingsError(f"contract: {field.name} is text, which is not generated")


def _text(field: Field) -> Column:
    """A value as text, plainly; a decimal from units of its last digit."""
    value = F.col(field.name)
    scale = _scale(field)
    if scale == 0:
        return value.cast("string")
    whole = F.expr(f"abs(`{field.name}`) div {10**scale}").cast("string")
    rest = F.lpad(F.pmod(F.abs(value), F.lit(10**scale)).cast("string"), scale, "0")
    return F.concat(F.when(value < 0, "-").otherwise(""), whole, F.lit("."), rest)


def _scale(field: Field) -> int:
    return field.type.scale if isinstance(field.type, Numeric) else 0


def _limits(field: Field) -> tuple[int, int]:
    """The least and the greatest value, both inclusive; a decimal's in units of its last digit.

    Where the contract gives no minimum it is 1. Neither is beyond what a bigint can count.
    """
    match field.type:
        case Integer(bits):
            largest = 2 ** (bits - 1) - 1
        case Numeric(precision, _):
            largest = 10**precision - 1
        case _:
            raise TypeError(field)
    scale = _scale(field)
    most = largest if field.maximum is None else _units(field.maximum, scale, ROUND_FLOOR)
    least = min(1, most) if field.minimum is None else _units(field.minimum, scale, ROUND_CEILING)
    return max(least, -_COUNTABLE), min(most, largest, _COUNTABLE)


def _units(limit: int | Decimal, scale: int, rounding: str) -> int:
    return int(Decimal(limit).scaleb(scale).to_integral_value(rounding))


def _quantities(contract: Contract) -> range:
    """What a basket can hold, from one unit up."""
    least, most = _limits(contract["quantity"])
    least = max(least, 1)
    quantities = range(least, min(most, least + retail.QUANTITY_VALUES - 1) + 1)
    if not quantities:
        raise SettingsError(f"contract: quantity has a maximum of {most}; nothing can be sold")
    return quantities


def _price_limits(contract: Contract) -> tuple[int, int]:
    """The lowest and the highest price that give an allowed amount for every quantity."""
    least, most = _limits(contract["sale_amount"])
    quantities = _quantities(contract)
    lowest, highest = max(1, -(-least // quantities[0])), most // quantities[-1]
    if lowest > highest:
        raise SettingsError(
            f"contract: no price gives an allowed sale_amount for each quantity "
            f"from {quantities[0]} to {quantities[-1]}"
        )
    return lowest, highest


def _shop_key(recipe: Recipe) -> str:
    """For what stays from batch to batch: the customers' homes, the products, their prices."""
    return str(recipe.seed)


def _batch_key(batch: Batch, recipe: Recipe) -> str:
    return f"{recipe.seed}/{batch.as_of}"
