"""Numbers: as the store writes them in, `1234.50` out, exact to the last digit.

What marks decimals and thousands is declared. A text that does not have that form is no number;
nothing else is tried.
"""

import functools
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import Bytes, Cells, Read, Reader, bytes_of, ends_of, read_each
from vitrina.exports.money import currencies
from vitrina.exports.source import Numbers
from vitrina.exports.texts import cleaned
from vitrina.rules import Repair, RowRepair, RowRule, Rule

CANONICAL = Numbers()
_CACHED = 1 << 17
"""Texts that a reader remembers from piece to piece: prices and quantities come again."""


@functools.lru_cache(maxsize=256)
def number_reader(
    marks: Numbers, *, decimals: int | None, money: bool = False, currency: str | None = None
) -> Reader:
    """Reads numbers as the store writes them.

    `decimals`: how many the field keeps; 0 for whole numbers; None leaves them as they are.
    Surplus ones are rounded if the marks say so, and left to validation otherwise. `money` lets
    a sign or a code of `currency` stand beside a number.
    """
    pattern = _pattern(marks)
    no_number = _no_number(decimals)

    def read(text: str) -> Read:
        bare, repairs = cleaned(text)
        if not bare:
            return Read(bare)
        found = pattern.fullmatch(_without_parentheses(bare))
        minuses = [bare.startswith("("), *(found[each] for each in _MINUSES)] if found else []
        if found is None or sum(map(bool, minuses)) > 1:
            return Read(text, no_number)
        mark, *others = [found[side] for side in ("left", "right") if found[side]] or [""]
        if mark:
            known = currencies(mark) if money and not others else frozenset()
            if currency not in known:
                return Read(text, RowRule.currency_other if known else no_number)
            repairs = (*repairs, RowRepair.currency_sign)
        number = "-" * any(minuses) + re.sub(r"[^0-9]", "", found["whole"])
        if found["decimals"]:
            number += f".{found['decimals']}"
        kept = _kept(number, decimals, round_=marks.round)
        if kept is None:
            return Read(text, no_number)
        if decimals == 0 and _is_zero(found["decimals"]):
            repairs = (*repairs, Repair.decimal_zero)
        return Read(kept, None, repairs)

    return functools.lru_cache(_CACHED)(read)


@functools.lru_cache(maxsize=256)
def typed_reader(decimals: int | None, *, round_: bool) -> Reader:
    """Reads what was a number in its file, and so has one form; zeros at its end are no surplus."""
    no_number = _no_number(decimals)

    def read(text: str) -> Read:
        if not _NUMBER.fullmatch(text):
            return Read(text, no_number if text else None)
        kept = _kept(_without_end_zeros(text, decimals), decimals, round_=round_)
        if kept is None:
            return Read(text, no_number)
        is_zero = decimals == 0 and _is_zero(text.partition(".")[2])
        return Read(kept, None, (Repair.decimal_zero,) if is_zero else ())

    return functools.lru_cache(_CACHED)(read)


def may_be_odd(texts: pa.Array, marks: Numbers, *, decimals: int | None) -> bool:
    """Whether a column has a byte that is none of a plain number's, by a look at its bytes."""
    data = bytes_of(texts)
    if not len(data):
        return False
    if data.min() < ord("-") or data.max() > ord("9") or (data == ord("/")).any():
        return True
    if _has_minus_within(texts, data):
        return True
    is_plain = marks.decimal == "." and marks.thousands == "" and not marks.round
    return bool((not is_plain or decimals == 0) and (data == ord(".")).any())


def read_numbers(cells: Cells, marks: Numbers, reader: Reader, decimals: int | None) -> None:
    """Read a column of numbers that are text: those of the declared form in columns, others each.

    `reader` is that of the same marks and decimals.
    """
    regular = pc.match_substring_regex(cells.texts, _regular(marks, decimals)).fill_null(True)
    rest = np.flatnonzero(~regular.to_numpy(zero_copy_only=False))
    found = Cells(cells.texts)
    read_each(found, reader, rest)
    plain = cells.texts
    if marks.thousands:
        plain = pc.replace_substring_regex(plain, _THOUSANDS[marks.thousands], "")
    if marks.decimal != ".":
        plain = pc.replace_substring(plain, marks.decimal, ".")
    cells.texts = plain if not len(rest) else pc.if_else(regular, plain, found.texts)
    cells.problems.add_all(found.problems)
    cells.repairs.add_all(found.repairs)


def product(left: Cells, right: Cells) -> pa.Array:
    """The exact products of numbers; null where one is missing or has a problem."""
    return _computed(left, right, pc.multiply, _EXACT.multiply)


def difference(left: Cells, right: Cells) -> pa.Array:
    """The exact differences of numbers; null where one is missing or has a problem."""
    return _computed(left, right, pc.subtract, _EXACT.subtract)


_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_EXACT = Context(prec=1000)
_THOUSANDS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
# What may stand beside a number as its currency: neither a digit, a sign, a mark nor a space.
BESIDE = (
    r"[^\W\d_][^\W\d_]*\.?|[^\W\d_]{0,2}[^\w\s.,'\u2019()+\-\u2212#%\"/\\*:;=<>|&^~`@!?_\x00-\x1f]"
)
MINUS = "[-\u2212]"
_MINUSES = ("before", "between", "after", "last")


@functools.lru_cache(maxsize=256)
def _regular(marks: Numbers, decimals: int | None) -> str:
    """The numbers of a form, in the words of RE2, that need no more than other marks."""
    mark = _THOUSANDS[marks.thousands]
    groups = rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|" if mark else ""
    kept = f"{{1,{decimals}}}" if decimals and marks.round else "+"
    after = "" if decimals == 0 else rf"(?:\{marks.decimal}[0-9]{kept})?"
    return rf"^-?(?:{groups}[0-9]+){after}$"


def _has_minus_within(texts: pa.Array, data: Bytes) -> bool:
    """Whether a minus stands elsewhere than before a number: `50.00-`."""
    minuses = data == ord("-")
    if not minuses.any():
        return False
    ends = ends_of(texts)
    starts = ends[:-1][np.diff(ends) > 0] - ends[0]
    return bool(np.count_nonzero(minuses) > np.count_nonzero(minuses[starts]))


def _pattern(marks: Numbers) -> re.Pattern[str]:
    mark = _THOUSANDS[marks.thousands]
    groups = rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|" if mark else ""
    space = r"[ \u00a0\u2009\u202f]*"
    return re.compile(
        rf"(?P<before>{MINUS})?{space}(?P<left>{BESIDE})?{space}(?P<between>{MINUS})?"
        rf"(?P<whole>{groups}[0-9]+)(?:{re.escape(marks.decimal)}(?P<decimals>[0-9]+))?"
        rf"(?P<after>{MINUS})?{space}(?P<right>{BESIDE})?(?P<last>{MINUS})?"
    )


def _without_parentheses(text: str) -> str:
    """`(30.00)` is how accountants write -30.00."""
    if text.startswith("(") and text.endswith(")"):
        return text[1:-1].strip()
    return text


def _no_number(decimals: int | None) -> Rule:
    return Rule.not_an_integer if decimals == 0 else Rule.not_a_number


def _is_zero(decimals: str | None) -> bool:
    return decimals is not None and decimals != "" and not decimals.strip("0")


def _kept(number: str, decimals: int | None, *, round_: bool) -> str | None:
    """The number with the decimals that the field keeps; None if it should be whole and is not."""
    _, _, surplus = number.partition(".")
    if decimals is None or not surplus:
        return number
    if round_ and len(surplus) > decimals:
        return f"{Decimal(number).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _EXACT):f}"
    if decimals == 0:
        return None if surplus.strip("0") else number.partition(".")[0]
    return number


def _without_end_zeros(number: str, decimals: int | None) -> str:
    whole, _, after = number.partition(".")
    if decimals is None or len(after) <= decimals:
        return number
    kept = after.rstrip("0").ljust(min(decimals, len(after)), "0") if decimals else after
    return f"{whole}.{kept}"


def _shortest(number: Decimal) -> str:
    """A number without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _read_shortest(number: str) -> Read:
    return Read(_shortest(Decimal(number)))


def _computed(
    left: Cells,
    right: Cells,
    of_columns: Callable[[pa.Array, pa.Array], pa.Array],
    of_numbers: Callable[[Decimal, Decimal], Decimal],
) -> pa.Array:
    one, two = _values(left), _values(right)
    try:
        exact = of_columns(_decimal(one), _decimal(two))
    except pa.ArrowInvalid:
        # More digits than Arrow holds, or something that validation will refuse.
        found = [
            _one(a, b, of_numbers) for a, b in zip(one.to_pylist(), two.to_pylist(), strict=True)
        ]
        return pa.array(found, pa.string())
    cells = Cells(exact.cast(pa.string()))
    # Arrow writes numbers near 0 of many decimals with an exponent.
    odd = pc.match_substring(cells.texts, "E").fill_null(False)
    if pc.any(odd).as_py():
        read_each(cells, _read_shortest, np.flatnonzero(odd))
    if exact.type.scale == 0:
        return cells.texts
    has_point = pc.match_substring(cells.texts, ".")
    cut = pc.ascii_rtrim(pc.ascii_rtrim(cells.texts, "0"), ".")
    return pc.if_else(has_point, cut, cells.texts)


def _values(cells: Cells) -> pa.Array:
    """Texts that are numbers; null for others."""
    wrong = cells.problems.mask(len(cells.texts)) if cells.problems.found else None
    texts = pc.if_else(pc.equal(cells.texts, ""), pa.scalar(None, pa.string()), cells.texts)
    return texts if wrong is None else pc.if_else(pa.array(wrong), None, texts)


def _decimal(texts: pa.Array) -> pa.Array:
    """Numbers of 25 digits at most, with the decimals that the longest of them has.

    Raises:
        pyarrow.ArrowInvalid: one has more digits, or is no number.
    """
    points = pc.find_substring(texts, ".")
    after = pc.subtract(pc.subtract(pc.binary_length(texts), points), 1)
    longest = pc.max(pc.if_else(pc.less(points, 0), 0, after)).as_py() or 0
    if longest > 12:
        raise pa.ArrowInvalid("more decimals than are worth a column")
    return texts.cast(pa.decimal256(25, longest))


def _one(
    left: str | None, right: str | None, of_numbers: Callable[[Decimal, Decimal], Decimal]
) -> str | None:
    if left is None or right is None:
        return None
    if not (_NUMBER.fullmatch(left) and _NUMBER.fullmatch(right)):
        return None
    return _shortest(of_numbers(Decimal(left), Decimal(right)))


def refuse_others(cells: Cells) -> None:
    """Note the texts of a column that are no canonical numbers, and not noted yet."""
    if pc.all(pc.match_substring_regex(cells.texts, rf"^({_NUMBER.pattern})?$")).as_py() is False:
        noted = cells.problems.mask(len(cells.texts))
        read_each(cells, typed_reader(None, round_=False), np.flatnonzero(~noted))


def value(text: str) -> Decimal | None:
    """What a number in its canonical form is worth; None for another text."""
    return Decimal(text) if is_number(text) else None


def is_number(text: str) -> bool:
    """Whether it is a number in its canonical form."""
    return _NUMBER.fullmatch(text) is not None


def ranked(number: str) -> str:
    """A text that sorts among its kind as the number does.

    >>> sorted(["10", "9.5", "-1", "-20", "9"], key=ranked)
    ['-20', '-1', '9', '9.5', '10']
    """
    whole, _, after = number.lstrip("-").partition(".")
    digits = f"{whole.lstrip('0').rjust(40, '0')}.{after.rstrip('0').ljust(20, '0')}"
    if number.startswith("-") and digits.strip("0."):
        return "0" + digits.translate(_COMPLEMENT)
    return "1" + digits


_COMPLEMENT = str.maketrans("0123456789", "9876543210")
