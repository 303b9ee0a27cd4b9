"""What the cells of a column show: numbers and how they are written, days and in which order."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from vitrina.exports.money import currencies, usual_currency
from vitrina.exports.numbers import BESIDE, MINUS

_NUMBER = re.compile(
    rf"(?P<before>{MINUS}|\(|\+)?\s*(?P<left>{BESIDE})?\s*(?P<between>{MINUS})?"
    r"(?P<body>\d[\d\s.,'\u2019]*?)"
    rf"(?P<after>{MINUS})?\s*(?P<right>{BESIDE})?(?P<last>{MINUS}|\))?"
)
_CUT = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})"
    r"(?:[ T](\d{1,2}):(\d{2})(:\d{2})?(\s?[AaPp][Mm])?( UTC| GMT)?)?\Z"
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\Z")
_ZONED = re.compile(r"Z$| UTC$| GMT$|(?P<side>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})$")


@dataclass(frozen=True)
class Numbers:
    """How numbers are written."""

    decimal: str | None
    """None: nothing shows it."""
    thousands: str
    decimals: int
    """The most after the decimal mark."""
    unclear: int
    """Numbers such as 1,234, which may be 1234 or 1.234."""
    contrary: int
    """Numbers with the other mark."""
    currencies: Counter[str]


@dataclass(frozen=True)
class Days:
    """How dates are written."""

    formats: tuple[str, ...]
    """One; or two, where nothing tells the day from the month."""
    evidence: str
    has_times: bool
    odd: int
    """Values that are written otherwise."""
    zones: Counter[str]
    """The zones that the times name, such as `UTC` or `Etc/GMT-3`; none of a time without."""


def share_of_numbers(values: Sequence[str]) -> float:
    """The share of values that are numbers, perhaps with a currency."""
    return sum(map(bool, map(_written, values))) / len(values) if values else 0.0


def share_of_days(values: Sequence[str]) -> float:
    """The share of values that are dates or times."""
    days = sum(bool(_ISO.match(value) or _CUT.match(value)) for value in values)
    return days / len(values) if values else 0.0


def numbers_of(values: Iterable[str]) -> Numbers:
    """What the numbers among the values show of how they are written."""
    marks: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    decimals: dict[str, int] = {}
    unclear: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for value in values:
        match = _written(value)
        if match is None:
            continue
        for sign in (match["left"], match["right"]):
            if sign:
                found[usual_currency(sign)] += 1
        body = match["body"].strip().replace("’", "'")
        separators = [" " if each.isspace() else each for each in body if not each.isdigit()]
        if not separators:
            continue
        last = separators[-1]
        whole, _, fraction = re.sub(r"\s", " ", body).rpartition(last)
        if last in " '" or separators.count(last) > 1:
            groups[last] += 1
        elif len(separators) > 1:
            marks[last] += 1
            groups[separators[0]] += 1
            decimals[last] = max(decimals.get(last, 0), len(fraction))
        elif len(fraction) != 3 or len(whole) > 3 or whole.startswith("0"):
            marks[last] += 1
            decimals[last] = max(decimals.get(last, 0), len(fraction))
        else:
            unclear[last] += 1
    decimal = marks.most_common(1)[0][0] if marks else None
    # What is like a decimal mark, where that is known, is one; of the other mark, thousands.
    known = unclear.pop(decimal, 0) if decimal else 0
    groups += Counter({mark: count for mark, count in unclear.items() if decimal})
    group = next((each for each, _ in groups.most_common() if each != decimal), "")
    if group:
        unclear.pop(group, None)
    most = max(decimals.get(decimal or "", 0), 3 if known else 0)
    contrary = sum(count for mark, count in marks.items() if mark != decimal)
    return Numbers(decimal, group, most, unclear.total(), contrary, found)


def days_of(values: Sequence[str]) -> Days | None:
    """What the dates among the values show of their format; None if none is a date."""
    iso = [value for value in values if _ISO.match(value)]
    cut = [match for match in map(_CUT.match, values) if match and not _ISO.match(match[0])]
    if len(iso) > len(cut) or (iso and not cut):
        has_times = any(len(value) > 10 for value in iso)
        return Days(("iso",), "year first", has_times, len(values) - len(iso), _zones(iso))
    if not cut:
        return None
    shapes = Counter(map(_shape, cut))
    shape, _ = shapes.most_common(1)[0]
    alike = [match for match in cut if _shape(match) == shape]
    formats, evidence = _order(alike)
    has_times = alike[0][5] is not None
    return Days(
        tuple(f"{date}{_clock(alike)}" for date in formats),
        evidence,
        has_times,
        len(values) - len(alike),
        Counter("UTC" for match in alike if match[9]),
    )


def _zones(times: Iterable[str]) -> Counter[str]:
    """The zones that times of ISO 8601 name. In their names, a zone east of UTC has a minus."""
    found: Counter[str] = Counter()
    for time in times:
        match = _ZONED.search(time[10:])
        if match is None:
            continue
        if match["hours"] is None or not int(match["hours"] + match["minutes"]):
            found["UTC"] += 1
        elif match["minutes"] == "00":
            found[f"Etc/GMT{'-' if match['side'] == '+' else '+'}{int(match['hours'])}"] += 1
        else:
            found[match[0]] += 1
    return found


def _shape(match: re.Match[str]) -> tuple[object, ...]:
    """What all values of one format have in common."""
    return (
        match[2],
        len(match[1]) == 4,
        len(match[4]) == 4,
        match[5] is None,
        match[7] is None,
        match[8] is None,
        match[9],
    )


def _order(matches: Sequence[re.Match[str]]) -> tuple[list[str], str]:
    """The pattern of the date, or both that are possible, and why."""
    mark = matches[0][2]
    if len(matches[0][1]) == 4:
        day, month = _day_and_month(part for match in matches for part in (match[3], match[4]))
        return [f"yyyy{mark}{month}{mark}{day}"], "year first"
    year = "yyyy" if len(matches[0][4]) == 4 else "yy"
    first = [match[1] for match in matches]
    second = [match[3] for match in matches]
    day, month = _day_and_month([*first, *second])
    day_first = f"{day}{mark}{month}{mark}{year}"
    month_first = f"{month}{mark}{day}{mark}{year}"
    above_first = sum(int(each) > 12 for each in first)
    above_second = sum(int(each) > 12 for each in second)
    rows = len(matches)
    if above_first and above_second:
        return [day_first, month_first], (
            f"of {rows:,} values, the first number is above 12 in {above_first:,}, the second in "
            f"{above_second:,}"
        )
    if above_first:
        return [day_first], f"the first number is above 12 in {above_first:,} of {rows:,} values"
    if above_second:
        return [
            month_first
        ], f"the second number is above 12 in {above_second:,} of {rows:,} values"
    if mark == ".":
        return [day_first], "with dots, the day stands first; no value shows it"
    return [day_first, month_first], f"no number is above 12 in {rows:,} values"


def _day_and_month(parts: Iterable[str]) -> tuple[str, str]:
    """Their letters: `d` takes one digit or two, `dd` two alone."""
    return ("dd", "MM") if all(len(part) == 2 for part in parts) else ("d", "M")


def _digits(letter: str, parts: Iterable[str]) -> str:
    return letter * 2 if all(len(part) == 2 for part in parts) else letter


def _clock(matches: Sequence[re.Match[str]]) -> str:
    """The pattern of the time behind the date."""
    one = matches[0]
    if one[5] is None:
        return ""
    letter = "h" if one[8] else "H"
    half = "" if not one[8] else " a" if one[8][0].isspace() else "a"
    seconds = ":ss" if one[7] else ""
    return f" {_digits(letter, (match[5] for match in matches))}:mm{seconds}{half}{one[9] or ''}"


def disagreements(
    amounts: Sequence[str | None],
    quantities: Sequence[str | None],
    prices: Sequence[str | None],
    numbers: Numbers,
) -> tuple[int, int]:
    """In how many rows quantity × price is not the amount, to the cent, and of how many."""
    differ = rows = 0
    for amount, quantity, price in zip(amounts, quantities, prices, strict=True):
        found = [number_of(each, numbers) for each in (amount, quantity, price)]
        if found[0] is None or found[1] is None or found[2] is None:
            continue
        rows += 1
        differ += abs(found[1] * found[2] - found[0]) > Decimal("0.01")
    return differ, rows


def number_of(text: str | None, numbers: Numbers) -> Decimal | None:
    """A number that is written so."""
    match = _written(text or "")
    if match is None:
        return None
    body = re.sub(r"[\s'’]", "", match["body"])
    if numbers.thousands in (".", ","):
        body = body.replace(numbers.thousands, "")
    try:
        number = Decimal(body.replace(numbers.decimal or ".", "."))
    except InvalidOperation:
        return None
    return -number if _minus_of(match) else number


def minuses_of(values: Iterable[str]) -> Counter[str]:
    """How the numbers below 0 among the values are written: `-30.00`, `50.00-` or `(30.00)`."""
    found: Counter[str] = Counter()
    for value in values:
        match = _written(value)
        if match is not None and _minus_of(match):
            found[_minus_of(match)] += 1
    return found


def _written(text: str) -> re.Match[str] | None:
    """The parts of a number, perhaps with a currency."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or (match["before"] == "(") != (match["last"] == ")"):
        return None
    marks = [mark for mark in (match["left"], match["right"]) if mark]
    return match if all(map(currencies, marks)) else None


def _minus_of(match: re.Match[str]) -> str:
    """How a number below 0 is written; nothing of another."""
    if match["before"] == "(":
        return "(30.00)"
    if match["after"] or match["last"]:
        return "50.00-"
    is_minus = match["between"] or match["before"] not in {None, "+"}
    return "-30.00" if is_minus else ""
