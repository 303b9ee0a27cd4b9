"""The field that tells one sale from another: a number, an order and its line, or an item."""

import re
from collections.abc import Sequence
from itertools import pairwise

from vitrina.exports.inspection.columns import Columns
from vitrina.exports.inspection.field import missing, single
from vitrina.exports.inspection.roles import filled, statuses
from vitrina.exports.inspection.writing import lacking, toml, toml_list

_WITH_PLACE = "an order's number, to which the line's place in the order is added"


def sale_id(columns: Columns) -> list[str]:
    """The lines of the field; of an order's number, the file must also say what an order is."""
    name = columns.roles.get("sale_id")
    order = columns.roles.get("order")
    is_id = name and (columns.is_unique(name) or (not order and columns.blanks("sale_id")))
    if name and is_id and not _counts_rows(columns, name):
        return _id_of_a_row(columns)
    if found := _id_of_an_order_or_item(columns):
        return found
    if name and is_id:
        columns.ask(f"{name} counts the rows of a file from 1: would another file begin again?")
        return _id_of_a_row(columns)
    if (of_order := order or name) is None:
        return missing(columns, "sale_id")
    columns.needs_order = True
    values = len(set(filled(columns.seen.columns[of_order])))
    columns.ask(f"{of_order} repeats, so it is taken for an order's number: is it one?")
    return [
        f"# {values:,} different in {columns.seen.rows:,} rows: {_WITH_PLACE}.",
        f'sale_id = {{ column = {toml(of_order)}, place = "order" }}',
    ]


def _id_of_an_order_or_item(columns: Columns) -> list[str]:
    """What differs in all rows: an order and its line, an order, or an item."""
    order, line = columns.roles.get("order"), columns.roles.get("line")
    if order and line and columns.is_unique(order, line):
        return ["# The order and its line; all differ.", _id_of([order, line])]
    if order and columns.is_unique(order):
        return [f"# All {columns.seen.rows:,} differ.", _id_of([order])]
    return _id_of_an_item(columns)


def _id_of_a_row(columns: Columns) -> list[str]:
    blanks = columns.blanks("sale_id")
    return single(columns, "sale_id", columns.distinct("sale_id") + lacking(blanks, "row"))


def _counts_rows(columns: Columns, name: str) -> bool:
    """Whether a column has 1, 2, 3, … from its first row on."""
    cells = columns.seen.columns[name]
    numbers = [int(cell) if cell and re.fullmatch(r"[0-9]{1,9}", cell) else 0 for cell in cells]
    is_rising = all(one < other for one, other in pairwise(numbers))
    return bool(numbers) and is_rising and numbers[0] == 1 and numbers[-1] <= columns.all_rows


def _id_of_an_item(columns: Columns) -> list[str]:
    """An item's code, with the word that tells its sale from its return."""
    item = columns.roles.get("item")
    if item is None or columns.blanks("item"):
        return []
    told = [name for name in statuses(columns.seen, columns.roles) if columns.is_filled(name)]
    for names in ([item], *([item, name] for name in told)):
        if columns.is_unique(*names):
            return [f"# All {columns.seen.rows:,} differ.", _id_of(names)]
    for name in told:
        if columns.are_parts(item, name):
            columns.add_up = [item, name]
            return ["# An item, whose parts are added up.", _id_of(columns.add_up)]
    return []


def _id_of(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"sale_id = {{ column = {toml(names[0])} }}"
    return f"sale_id = {{ columns = {toml_list(names)} }}"
