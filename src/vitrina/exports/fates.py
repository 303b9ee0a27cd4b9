"""Fates: what each row is by the store's rules: a sale, a return, or none of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports import numbers, orders
from vitrina.exports.cells import Cells, Mask, as_mask, blank_as_null, strings
from vitrina.exports.source import Numbers, Row, Source
from vitrina.exports.source_columns import SourceColumns
from vitrina.exports.texts import cleaned

RuleNumbers = npt.NDArray[np.int32]


@dataclass
class Fate:
    """What the store's rules say of each row."""

    rule: RuleNumbers
    """The number of the first rule that applies; -1 for none."""
    below: RuleNumbers
    """The number of the first rule that applies to the lines below as well; -1 for none."""
    set_aside: pa.Array
    """string: why it is no sale; null for a sale. The reader's alone, where an order decides."""


def decide(columns: SourceColumns, currency: str | None) -> Fate:
    """What the rules say of each row, unless the reader has decided on it."""
    source = columns.source
    first = np.full(columns.count, -1, np.int32)
    below = np.full(columns.count, -1, np.int32)
    for number, rule in enumerate(source.rows):
        applies = _applies(rule, columns, currency) & ~columns.unread
        first[(first < 0) & applies] = number
        if rule.in_order:
            below[(below < 0) & applies] = number
    set_aside = columns.piece.set_aside
    set_aside = columns.nulls if set_aside is None else strings(set_aside)
    if not any(rule.in_order for rule in source.rows):
        set_aside = pc.coalesce(set_aside, reasons(first, columns))
    return Fate(first, below, set_aside)


def reasons(rule_of: RuleNumbers, columns: SourceColumns) -> pa.Array:
    """string: why each row is set aside by its rule; null where it is not."""
    why = columns.nulls
    for number, rule in enumerate(columns.source.rows):
        mask = rule_of == number
        if rule.fate != "set aside" or not mask.any():
            continue
        value = pa.scalar(rule.why)
        if not rule.why:
            found = blank_as_null(pc.utf8_trim_whitespace(columns.text(rule.column)))
            value = pc.coalesce(found, pa.scalar(f"no {rule.column}"))
        why = pc.if_else(pa.array(mask), value, why)
    return why


def follow(fate: Fate, source: Source, cells: Mapping[str, Cells]) -> None:
    """Give quantity and amount the sign or the value that a row's rule says."""
    for number, rule in enumerate(source.rows):
        mask = fate.rule == number
        if not mask.any():
            continue
        quantity = cells["quantity"]
        if rule.quantity is not None:
            quantity.texts = pc.if_else(pa.array(mask), f"{rule.quantity:f}", quantity.texts)
            quantity.problems.forget(mask)
            quantity.repairs.forget(mask)
        if rule.fate == "return":
            _negate(quantity, mask)
            _negate(cells["sale_amount"], mask)


def _negate(cells: Cells, mask: Mask) -> None:
    """Put a minus before the numbers of these rows that are above 0."""
    above = pc.match_substring_regex(cells.texts, orders.ABOVE_ZERO).fill_null(False)
    right = pa.array(mask & ~cells.problems.mask(len(mask)))
    negative = pc.binary_join_element_wise("-", cells.texts, "")
    cells.texts = pc.if_else(pc.and_(above, right), negative, cells.texts)


def _applies(rule: Row, columns: SourceColumns, currency: str | None) -> Mask:
    found = pc.utf8_trim_whitespace(columns.text(rule.column))
    if rule.is_blank is not None:
        blank = as_mask(pc.equal(found, "").fill_null(True))
        applies = blank if rule.is_blank else ~blank
    elif rule.starts_with:
        applies = np.zeros(columns.count, np.bool_)
        for start in rule.starts_with:
            applies |= as_mask(pc.starts_with(found, start))
    else:
        applies = _equals(rule, found, columns, currency)
    return ~applies if rule.negate else applies


def _equals(rule: Row, found: pa.Array, columns: SourceColumns, currency: str | None) -> Mask:
    """Whether a value is one of the rule's texts, or a number equal to one of them."""
    encoded = found.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    distinct = encoded.dictionary.to_pylist()

    def where(known: list[bool]) -> Mask:
        # The last stands for rows without a value.
        mask: Mask = np.array([*known, False], np.bool_)[codes]
        return mask

    wanted = set(rule.equals)
    applies = where([cleaned(each)[0] in wanted for each in distinct])
    values = {_value(each, numbers.CANONICAL, currency) for each in rule.equals} - {None}
    if values:
        typed = columns.typed(rule.column)
        for rows, marks in ((~typed, columns.source.numbers), (typed, numbers.CANONICAL)):
            if rows.any():
                equal = where([_value(each, marks, currency) in values for each in distinct])
                applies |= equal & rows
    return applies


def _value(text: str, marks: Numbers, currency: str | None) -> Decimal | None:
    """What a number is worth, as it is written; None for another text."""
    read = numbers.number_reader(marks, decimals=None, money=True, currency=currency)(text)
    return numbers.value(read.text) if read.text and read.problem is None else None
