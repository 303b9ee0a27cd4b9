"""Rows of Arrow as PostgreSQL's binary COPY takes them.

A row is the number of its fields and, for each field, its length and its bytes. What is as long in
every row is laid out for many rows at once, as a NumPy array of records; texts, and fields that
are missing in some rows, go between such records.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.columns import Date, FieldType, FreeText, Integer, Label, Numeric
from vitrina.contract import Field

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# PostgreSQL counts days from 2000-01-01, Arrow from 1970-01-01.
_DAYS = 10_957
# A numeric is digits to this base; 0 where it is not negative, or else this sign.
_BASE = 10_000
_NEGATIVE = 0x4000
# Every value of so many digits fits into the lower half of an Arrow decimal.
_DIGITS_OF_A_HALF = 18
# The bits of half a word, and the lower half.
_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)


def _binary(text: bytes) -> pa.BinaryScalar:
    """As `pa.scalar`, which imports pandas."""
    lengths = np.array([0, len(text)], np.int32)
    return pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(lengths), pa.py_buffer(text)])[
        0
    ]


_MISSING = _binary(b"\xff\xff\xff\xff")  # the length -1
_NOTHING = _binary(b"")

_Words = npt.NDArray[np.uint64]
_Part = tuple[str, npt.ArrayLike]
"""Some bytes of a record: their type, as NumPy spells it, and their value in each row or in all."""


def encoded(rows: pa.RecordBatch, fields: Sequence[Field]) -> memoryview:
    """The rows, without header and trailer. Their columns are those of `arrow_schema(fields)`."""
    pieces: list[pa.Array] = []
    parts: list[_Part] = [(">i2", len(fields))]
    for field, values in zip(fields, rows.columns, strict=True):
        of_field, text = _field(field.type, values)
        if values.null_count:
            there = _joined([_records(of_field, len(rows)), *text])
            pieces += [_records(parts, len(rows)), pc.if_else(values.is_valid(), there, _MISSING)]
            parts = []
        elif text:
            pieces += [_records([*parts, *of_field], len(rows)), *text]
            parts = []
        else:
            parts += of_field
    if parts:
        pieces.append(_records(parts, len(rows)))
    all_rows = _joined(pieces)
    return memoryview(all_rows.buffers()[2])[: all_rows.total_values_length]


def _field(type_: FieldType, values: pa.Array) -> tuple[list[_Part], list[pa.Array]]:
    """Length and bytes of a field in each row; of a text, the bytes are what comes second.

    Where a value is missing, they are of no account.
    """
    match type_:
        case Integer(bits):
            return [(">i4", bits // 8), (f">i{bits // 8}", _values(values, f"<i{bits // 8}"))], []
        case Date():
            return [(">i4", 4), (">i4", _values(values, "<i4") - _DAYS)], []
        case Numeric(precision, scale):
            return _numeric(values, precision, scale), []
        case Label() | FreeText():
            texts = values.cast(pa.binary())
            return [(">i4", _values(pc.binary_length(texts), "<i4"))], [texts]


def _values(values: pa.Array, type_: str) -> npt.NDArray[Any]:
    """As `to_numpy`, which imports pandas and takes no missing values."""
    held = np.frombuffer(values.buffers()[1], type_)
    return held[values.offset : values.offset + len(values)]


def _numeric(values: pa.Array, precision: int, scale: int) -> list[_Part]:
    """As many digits in each row as the longest value has: PostgreSQL cuts off zeros."""
    halves = _values(values, "<u8,<u8")
    lower, upper = halves["f0"], halves["f1"]
    is_negative = upper >> 63 == 1
    words = _magnitude(lower, upper, is_negative, precision)
    after_point = -(-scale // 4)
    digits: list[_Part] = []
    while len(digits) < after_point or any(word.any() for word in words):
        # The last one may stand for fewer than four decimals.
        base = 10 ** (scale % 4) if not digits and scale % 4 else _BASE
        digits.append((">i2", _divide(words, base) * (_BASE // base)))
    header: list[_Part] = [
        (">i4", 8 + 2 * len(digits)),
        (">i2", len(digits)),
        (">i2", len(digits) - after_point - 1),  # the weight of the first
        (">i2", np.where(is_negative, _NEGATIVE, 0)),
        (">i2", scale),
    ]
    return [*header, *reversed(digits)]


def _magnitude(
    lower: _Words, upper: _Words, is_negative: npt.NDArray[np.bool_], precision: int
) -> list[_Words]:
    """The numbers without sign: one word each, or four of 32 bits, the highest first."""
    # Two's complement: invert and add one, which carries where the lower half was 0.
    carried = is_negative & (lower == 0)
    lower = np.where(is_negative, ~lower + 1, lower)
    if precision <= _DIGITS_OF_A_HALF:
        return [lower]
    upper = np.where(is_negative, ~upper + carried, upper)
    return [word for half in (upper, lower) for word in (half >> _HALF, half & _LOW)]


def _divide(words: list[_Words], divisor: int) -> _Words:
    """Divide the numbers in place; the remainders."""
    rest = np.zeros_like(words[0])
    for place, word in enumerate(words):
        words[place], rest = np.divmod((rest << _HALF) | word, divisor)
    return rest


def _records(parts: Sequence[_Part], rows: int) -> pa.Array:
    """The bytes of the parts beside each other, row by row."""
    records = np.empty(rows, [(str(place), type_) for place, (type_, _) in enumerate(parts)])
    for place, (_, value) in enumerate(parts):
        records[str(place)] = value
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(records.itemsize), rows, [None, pa.py_buffer(records)]
    ).cast(pa.binary())


def _joined(pieces: Sequence[pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, _NOTHING)
