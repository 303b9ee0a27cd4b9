"""Columns with a type, as the feed's text: `1234.5`, `2026-11-24`, `2026-11-24T12:45:00+00:00`.

Parquet, PostgreSQL and the cells of a workbook hand their numbers, days and times to `as_text`.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.feed import Piece
from vitrina.rules import RowRepair

_DIGITS = 15
"""Decimal digits that every float64 keeps; the 16th and the 17th may be noise."""
_SIGN_POINT_AND_ZEROS = r"^-?0*\.?0*|\."


class Text(NamedTuple):
    """A column as text."""

    values: pa.Array
    """string."""
    typed: bool
    """Whether it was made of a number, a day or a time; not of text."""
    noisy: pa.Array | None = None
    """bool: whether digits after the 15th were dropped."""


def has_text(kind: pa.DataType) -> bool:
    """Whether values of this type have one plain text; lists, structs, lengths of time have not."""
    return _maker(_plain_type(kind)) is not None


def as_text(values: pa.Array) -> Text:
    """The text of a column whose type `has_text`.

    Decimals lose the zeros at their end, and floats what comes after their 15th digit. A time
    with a zone is told in UTC, with the offset: it is the same moment.

    Raises:
        pyarrow.ArrowInvalid: the bytes of a text are not UTF-8.
    """
    values = _plain_values(values)
    maker = _maker(values.type)
    if maker is None:
        raise pa.ArrowNotImplementedError(f"{values.type} has no plain text")
    return maker(values)


def numbered(columns: Mapping[str, Text], first: int, unmapped: Iterable[str]) -> Piece:
    """Whole columns as a piece whose rows are numbered from `first`."""
    rows = max((len(text.values) for text in columns.values()), default=0)
    return Piece(
        {name: text.values for name, text in columns.items()},
        pa.arange(first, first + rows),
        {
            name: pa.repeat(pa.scalar(value=True), rows)
            for name, text in columns.items()
            if text.typed
        },
        repaired=repaired(text.noisy for text in columns.values()),
        unmapped=tuple(unmapped),
    )


def repaired(noisy: Iterable[pa.Array | None]) -> pa.Array | None:
    """`Piece.repaired` for rows in which a number of any of these columns was noisy."""
    found = [each for each in noisy if each is not None]
    if not found:
        return None
    rows = found[0]
    for other in found[1:]:
        rows = pc.or_(rows, other)
    ends = pc.cumulative_sum(rows.cast(pa.int32()))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    repairs = pa.repeat(pa.scalar(RowRepair.float_noise.value), starts[-1].as_py())
    return pa.ListArray.from_arrays(starts, repairs, mask=pc.invert(rows))


def plain(number: str) -> str:
    """A number without an exponent: `1e3` as `1000`; as it stands where that would be endless."""
    _, _, exponent = number[:_LONGEST].lower().partition("e")
    is_endless = len(number) > _LONGEST or abs(int(exponent or 0)) > _LONGEST
    return number if not exponent or is_endless else f"{Decimal(number):f}"


_LONGEST = 400
"""Characters of a number; the greatest float64 has 309 digits."""


def without_last_zeros(numbers: pa.Array) -> pa.Array:
    """Numbers and times without the zeros at the end of their fraction."""
    text = pc.replace_substring_regex(numbers, pattern=r"(\.[0-9]*?)0+$", replacement=r"\1")
    return pc.replace_substring_regex(text, pattern=r"\.$", replacement="")


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type behind an extension or a dictionary."""
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _plain_values(values: pa.Array) -> pa.Array:
    if isinstance(values.type, pa.BaseExtensionType):
        return _plain_values(values.storage)
    is_dictionary = pa.types.is_dictionary(values.type)
    return values.dictionary_decode() if is_dictionary else values


def _maker(kind: pa.DataType) -> Callable[[pa.Array], Text] | None:
    return next((maker for test, maker in _MAKERS if test(kind)), None)


def _is_text(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
    )
    return any(test(kind) for test in tests)


def _texts(values: pa.Array) -> Text:
    text = values.cast(pa.string())
    # The cast trusts what calls itself text.
    text.validate(full=True)
    return Text(text, typed=False)


def _as_they_are(values: pa.Array) -> Text:
    return Text(values.cast(pa.string()), typed=True)


def _floats(values: pa.Array) -> Text:
    """Whole numbers as such, others with 15 digits at most.

    A whole number of 16 digits and more is no longer exact: it is told with an exponent, as a
    spreadsheet shows it, so that nobody takes it for an id.
    """
    whole = pc.and_(
        pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), pa.scalar(10.0**_DIGITS))
    )
    integers = pc.if_else(whole, values, pa.scalar(None, pa.float64())).cast(pa.int64())
    text = pc.coalesce(integers.cast(pa.string()), values.cast(pa.string()))
    digits = pc.utf8_length(
        pc.replace_substring_regex(text, pattern=_SIGN_POINT_AND_ZEROS, replacement="")
    )
    is_odd = pc.or_(pc.match_substring(text, "e"), pc.greater(digits, _DIGITS)).fill_null(False)
    if not pc.any(is_odd).as_py():
        return Text(text, typed=True)
    # The few that Arrow tells with an exponent, or with digits that may be noise.
    places = pc.indices_nonzero(is_odd)
    odd = [_shortened(number) for number in values.take(places).to_pylist()]
    text = pc.replace_with_mask(text, is_odd, pa.array([short for short, _ in odd], pa.string()))
    noisy = pc.replace_with_mask(
        pa.repeat(pa.scalar(value=False), len(values)),
        is_odd,
        pa.array([noise for _, noise in odd], pa.bool_()),
    )
    return Text(text, typed=True, noisy=noisy if pc.any(noisy).as_py() else None)


def _shortened(number: float) -> tuple[str, bool]:
    """A float with 15 digits, and whether it had more."""
    short = f"{number:.{_DIGITS}G}"
    if abs(number) >= 10.0**_DIGITS:
        return short, False
    return plain(short), float(short) != number


def _short_floats(values: pa.Array) -> Text:
    """Floats of fewer bits keep fewer digits than 15: there is no noise among them."""
    return Text(_plain(values.cast(pa.float32()).cast(pa.string())), typed=True)


def _decimals(values: pa.Array) -> Text:
    return Text(without_last_zeros(_plain(values.cast(pa.string()))), typed=True)


def _plain(numbers: pa.Array) -> pa.Array:
    """Texts of numbers without exponents; Arrow gives some to very small and large ones."""
    has_exponent = pc.match_substring(numbers, "e", ignore_case=True)
    if not pc.any(has_exponent).as_py():
        return numbers
    places = pc.indices_nonzero(has_exponent)
    texts = [plain(number) for number in numbers.take(places).to_pylist()]
    return pc.replace_with_mask(numbers, has_exponent, pa.array(texts, pa.string()))


def _days(values: pa.Array) -> Text:
    return Text(values.cast(pa.date32()).cast(pa.string()), typed=True)


def _moments(values: pa.Array) -> Text:
    kind = values.type
    # Without its zone, Arrow tells a moment in UTC.
    text = without_last_zeros(values.cast(pa.timestamp(kind.unit)).cast(pa.string()))
    text = pc.replace_substring(text, pattern=" ", replacement="T")
    if kind.tz is not None:
        text = pc.binary_join_element_wise(text, "+00:00", "")
    return Text(text, typed=True)


def _times(values: pa.Array) -> Text:
    return Text(without_last_zeros(values.cast(pa.string())), typed=True)


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Text]], ...] = (
    (_is_text, _texts),
    (pa.types.is_null, _texts),
    (pa.types.is_boolean, _as_they_are),
    (pa.types.is_integer, _as_they_are),
    (pa.types.is_float64, _floats),
    (pa.types.is_floating, _short_floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _days),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _times),
)
