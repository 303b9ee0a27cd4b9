"""The fields of a sale: for each, the lines of a store's file that read it, with evidence."""

import re
from collections import Counter
from collections.abc import Sequence

from vitrina.exports import header
from vitrina.exports.inspection.columns import Columns
from vitrina.exports.inspection.evidence import Days, days_of, disagreements, minuses_of, number_of
from vitrina.exports.inspection.field import constant, missing, single
from vitrina.exports.inspection.roles import SOME, filled, is_unix, named
from vitrina.exports.inspection.sale_id import sale_id
from vitrina.exports.inspection.writing import counted, lacking, toml, toml_list
from vitrina.visible import revealed

MOST_DECIMALS = 4
"""Of an amount."""
_FEW, _SHORT = 50, 12
"""Regions that are worth a list: where it mends spellings, and where it does not."""
_MANY = 3
"""Amounts that show how amounts are written; one or two may be slips."""
_DISCOUNT = re.compile(r"discount|rebate|скидк")
_WHOLE = re.compile(r"[0-9]{1,6}")
_LETTERS = re.compile(r"([dMy])\1*")
_END = re.compile(r"([.,])([0-9]+)\D*$")
_BASKET = re.compile(r"[0-9] ?[×x] ?[^,;]+[,;] ?[0-9]+ ?[×x] ", re.IGNORECASE)
"""Several products, each with how many of them."""


def lines(columns: Columns) -> list[str]:
    """The lines of `source.fields`, in the order of the contract; questions go to the columns."""
    return [
        *sale_id(columns),
        *_customer(columns),
        *_product(columns),
        *_quantity(columns),
        *_day(columns),
        *_amount(columns),
        *_region(columns),
        *_order_id(columns),
    ]


def _customer(columns: Columns) -> list[str]:
    if "customer_id" not in columns.roles:
        return ["# No column looks like a customer; without one, no sale has any."]
    cells = columns.cells("customer_id")
    blanks = columns.blanks("customer_id")
    if columns.is_carried("customer_id"):
        orders = columns.seen.columns[columns.order()]
        known = {order for order, cell in zip(orders, cells, strict=True) if cell}
        blanks = len({*orders} - known)
        evidence = lacking(blanks, "order")
    else:
        evidence = lacking(blanks, "row")
    return single(
        columns,
        "customer_id",
        columns.distinct("customer_id") + evidence,
        ", optional = true" if blanks else "",
    )


def _product(columns: Columns) -> list[str]:
    if "product_id" not in columns.roles and columns.is_sale():
        return constant(columns, "product_id", "all", "a product")
    several = sum(map(bool, map(_BASKET.search, filled(_product_cells(columns)))))
    if several:
        name = columns.roles.pop("product_id")
        columns.ask(
            f"{name} has several products in one cell, such as «2× Mug, 1× Bowl», and a sale "
            "is one of them: can the store export a row for each line of an order?"
        )
        return [
            f"# {revealed(name)} has several products in one cell in {counted(several, 'row')}.",
            '# product_id = { column = "…" }',
        ]
    evidence = columns.distinct("product_id")
    if not (blanks := columns.blanks("product_id")):
        return single(columns, "product_id", evidence)
    name = columns.roles["product_id"]
    other = named("product_id", columns.free())
    if other is None:
        return single(columns, "product_id", evidence + lacking(blanks, "row"))
    return [
        f"# {evidence} Where it is blank, the other is taken.",
        f"product_id = {{ columns = {toml_list([name, other])}, first = true }}",
    ]


def _product_cells(columns: Columns) -> Sequence[str | None]:
    return columns.cells("product_id") if "product_id" in columns.roles else []


def _quantity(columns: Columns) -> list[str]:
    if "quantity" not in columns.roles:
        if columns.is_sale() and not _may_be_quantities(columns):
            return constant(columns, "quantity", "1", "a quantity")
        return missing(columns, "quantity")
    fractions = [
        value
        for value in columns.values("quantity")
        if value.rpartition(columns.numbers.decimal or ".")[2].strip("0")
        and (columns.numbers.decimal or ".") in value
    ]
    more = ", decimals = 3" if fractions else ""
    evidence = f"{len(fractions):,} are not whole." if fractions else "All are whole."
    return single(columns, "quantity", evidence, more)


def _may_be_quantities(columns: Columns) -> bool:
    """Whether there are whole numbers of no known meaning."""
    values = (filled(columns.seen.columns[name]) for name in columns.free())
    return any(each and all(map(_WHOLE.fullmatch, each)) for each in values)


def _day(columns: Columns) -> list[str]:
    if "sale_date" not in columns.roles:
        return missing(columns, "sale_date")
    name = columns.roles["sale_date"]
    # What has a type is a day whatever is declared; the format is that of the texts.
    values = filled(columns.seen.texts[name]) or columns.values("sale_date")
    if is_unix(values):
        return single(columns, "sale_date", "Seconds since 1970.", ', format = "unix"')
    days = days_of(values)
    if days is None:
        return missing(columns, "sale_date")
    zone = ', zone = "UTC"' if columns.says_utc() or "UTC" in days.zones else ""
    odd = f" {days.odd:,} are written otherwise." if days.odd else ""
    evidence = f"{days.evidence[:1].upper()}{days.evidence[1:]}.{odd}"
    if len(days.formats) == 2 and (told := _order_of_another(columns, days)):
        evidence, format_ = told
        return single(columns, "sale_date", evidence, format_ + zone)
    if len(days.formats) == 1:
        format_ = "" if days.formats == ("iso",) else f", format = {toml(days.formats[0])}"
        return single(columns, "sale_date", evidence, format_ + zone)
    columns.ask(f"is {name} written {days.formats[0]} or {days.formats[1]}? {days.evidence}")
    return [
        f"# {evidence} Choose one of the two:",
        *(
            f"# sale_date = {{ column = {toml(name)}, format = {toml(each)} }}"
            for each in days.formats
        ),
    ]


def _order_of_another(columns: Columns, days: Days) -> tuple[str, str] | None:
    """The format of the two that another column of dates shows, which is written alike."""
    for name, cells in columns.seen.columns.items():
        other = days_of(filled(cells))
        if other is None or len(other.formats) != 1:
            continue
        for format_ in days.formats:
            date = _LETTERS.sub(r"\1", format_.partition(" ")[0])
            if date == _LETTERS.sub(r"\1", other.formats[0].partition(" ")[0]):
                return (
                    f"As in {revealed(name)}, where {other.evidence}.",
                    f", format = {toml(format_)}",
                )
    return None


def _amount(columns: Columns) -> list[str]:
    has_both = {"quantity", "price"} <= columns.roles.keys()
    is_of_order = has_both and columns.is_carried("sale_amount")
    if "sale_amount" not in columns.roles or is_of_order:
        if not has_both:
            return _price_of_a_piece(columns)
        both = toml_list([columns.roles["quantity"], columns.roles["price"]])
        less = columns.roles.get("discount")
        if not less:
            _ask_for_discounts(columns)
        minus = f", minus = {toml(less)}" if less else ""
        made = "Quantity × price, less the discount" if less else "Quantity × price"
        return [
            f"# {made}; no column is a line's amount.",
            f"sale_amount = {{ multiply = {both}{minus} }}",
        ]
    evidence = f"Up to {columns.decimals()} decimals."
    if has_both:
        differ, rows = disagreements(
            columns.cells("sale_amount"),
            columns.cells("quantity"),
            columns.cells("price"),
            columns.numbers,
        )
        evidence += f" It is not quantity × price in {differ:,} of {rows:,} rows."
        if differ:
            columns.findings.append(
                f"{columns.roles['sale_amount']} is not {columns.roles['quantity']} × "
                f"{columns.roles['price']} in {differ:,} of {rows:,} rows; it is taken as it is"
            )
    if negative := minuses_of(columns.values("sale_amount")):
        written = f", written {' and '.join(negative)}" if {*negative} != {"-30.00"} else ""
        evidence += f" {negative.total():,} are negative{written}, and so returns."
    return single(columns, "sale_amount", evidence, _more_decimals(columns))


def _price_of_a_piece(columns: Columns) -> list[str]:
    """The price, where a row is one piece."""
    if "price" not in columns.roles or "quantity" in columns.roles or _may_be_quantities(columns):
        return missing(columns, "sale_amount")
    price = toml(columns.roles["price"])
    return ["# The price, since a row is one piece.", f"sale_amount = {{ column = {price} }}"]


def _ask_for_discounts(columns: Columns) -> None:
    """A discount of no known kind: of the line or the order, of money or in per cent."""
    for name, cells in columns.seen.columns.items():
        numbers = (number_of(cell, columns.numbers) for cell in filled(cells))
        if _DISCOUNT.search(name.casefold()) and any(numbers):
            columns.ask(f"is {name} an amount to take off each line? Then add it as minus")


def _more_decimals(columns: Columns) -> str:
    """What keeps decimals of which many amounts have more than two."""
    written = [_END.search(value) for value in columns.values("sale_amount")]
    mark = columns.numbers.decimal or "."
    many = [found for found in written if found and found[1] == mark and len(found[2]) > 2]
    if len(many) < max(_MANY, SOME * len(written)) or not 2 < columns.decimals() <= MOST_DECIMALS:
        return ""
    return f", decimals = {columns.decimals()}"


def _region(columns: Columns) -> list[str]:
    if "region" not in columns.roles:
        if columns.is_sale():
            return constant(columns, "region", "all", "where it was sold")
        return missing(columns, "region")
    counts = Counter(columns.values("region"))
    spellings: dict[str, list[str]] = {}
    # Of spellings that are as frequent, one with capitals.
    for value, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0].islower())):
        spellings.setdefault(header.alike(value), []).append(value)
    main = sorted(each[0].strip() for each in spellings.values())
    listed = f"allowed = {toml_list(main)}"
    variants = [" and ".join(each) for each in spellings.values() if len(each) > 1]
    if len(main) > (_FEW if variants else _SHORT):
        return single(columns, "region", f"{len(main):,} different.")
    if variants:
        evidence = f"Spelt in several ways: {revealed('; '.join(variants))}. A listed one is kept."
        return single(columns, "region", evidence, f", {listed}")
    evidence = f"{len(main):,} different. To have others rejected, add: {listed}"
    return single(columns, "region", evidence)


def _order_id(columns: Columns) -> list[str]:
    name = columns.roles.get("order") or (
        columns.roles.get("sale_id") if columns.needs_order else None
    )
    if name is None:
        return []
    return [
        "# Counts orders, and gives the average of one.",
        f"order_id = {{ column = {toml(name)} }}",
    ]
