"""Days: of dates and times as the store writes them, in the store's zone.

A time that names no zone is of the zone that is declared. One that occurs twice there, when
clocks go back, is the first; one that they skip is read as before they go forward.
"""

import datetime
import functools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import Cells, Read, Reader, bytes_of, ends_of, read_each
from vitrina.exports.numbers import CANONICAL, is_number, number_reader, ranked
from vitrina.exports.patterns import ISO, ISO_DATE, OFFSET, UNIX, expression
from vitrina.exports.source import Numbers
from vitrina.exports.texts import cleaned
from vitrina.rules import RowRule, Rule


class Written(NamedTuple):
    """A date or a time as it was written."""

    moment: datetime.datetime
    """With a zone if one was named."""
    is_date: bool
    """Whether there was no time beside the date."""


class Unreadable(Exception):
    """`rule` says why a text is no day."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self.rule = rule


@functools.lru_cache(maxsize=256)
def day_reader(format_: str, zone: str, store_zone: str, *, typed: bool) -> Reader:
    """Reads the day in `store_zone` of a date or a time, in canonical form.

    `zone` is that of times that name none. What was `typed` in its file is in the form of `iso`,
    or the number of `unix`.
    """
    here, there = ZoneInfo(store_zone), ZoneInfo(zone)
    written = written_reader(format_, typed=typed)

    def read(text: str) -> Read:
        bare, repairs = cleaned(text)
        if not bare:
            return Read(bare)
        try:
            found = written(bare)
            moment = found.moment
            if moment.tzinfo is not None:
                moment = moment.astimezone(here)
            elif zone != store_zone and not found.is_date:
                moment = moment.replace(tzinfo=there).astimezone(here)
        except Unreadable as error:
            return Read(text, error.rule)
        except (OverflowError, ValueError):
            # Another zone's day is beyond the calendar.
            return Read(text, Rule.impossible)
        return Read(moment.date().isoformat(), None, repairs)

    return functools.lru_cache(_CACHED)(read)


@functools.lru_cache(maxsize=256)
def version_reader(format_: str, zone: str, marks: Numbers, *, typed: bool) -> Reader:
    """Reads what says which row is newer, a time or a number, as a text that sorts as it does."""
    written = written_reader(format_, typed=typed)
    numbers = number_reader(CANONICAL if typed else marks, decimals=None)

    def read(text: str) -> Read:
        bare, _ = cleaned(text)
        if not bare:
            return Read(None)
        try:
            moment = written(bare).moment
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
            utc = zoned.astimezone(datetime.UTC).replace(tzinfo=None)
            return Read(utc.isoformat(sep=" ", timespec="microseconds"))
        except (Unreadable, OverflowError, ValueError):
            found = numbers(bare)
            if found.problem or found.text is None or not is_number(found.text):
                return Read(None, RowRule.version_malformed)
            return Read(ranked(found.text))

    return read


def read_versions(cells: Cells, format_: str, zone: str, marks: Numbers, *, typed: bool) -> None:
    """Read a column's versions, as `version_reader` does; times in the form of ISO in columns."""
    found = None
    if format_ == ISO or (typed and format_ != UNIX):
        found = _moments(cells.texts, zone)
    if found is None:
        read_each(cells, version_reader(format_, zone, marks, typed=typed))
    else:
        cells.texts = found


def read_days(cells: Cells, format_: str, zone: str, store_zone: str, *, typed: bool) -> None:
    """Read a column's days, as `day_reader` does, with as little of Python as the column allows."""
    reader = day_reader(format_, zone, store_zone, typed=typed)
    written = ISO if typed and format_ != UNIX else format_
    if written in {ISO, ISO_DATE} and _are_plain(cells.texts):
        return
    if written == UNIX:
        read_each(cells, reader)
        return
    found = _in_columns(cells.texts, written, zone == store_zone, store_zone)
    rest = pc.and_(found.is_null(), cells.texts.is_valid())
    original, cells.texts = cells.texts, found
    if pc.any(rest).as_py():
        cells.texts = pc.coalesce(found, original)
        read_each(cells, reader, np.flatnonzero(rest))


def first_time(texts: pa.Array) -> int | None:
    """The first row with a time in the form of ISO; a midnight without a zone is a mere date."""
    is_time = pc.and_not(
        pc.match_substring_regex(texts, _ISO_TIME), pc.match_substring_regex(texts, _ISO_MIDNIGHT)
    )
    row = pc.index(is_time, value=True).as_py()
    return row if row >= 0 else None


def written_reader(format_: str, *, typed: bool) -> Callable[[str], Written]:
    """Reads dates and times of a format. Raises `Unreadable`."""
    compiled = re.compile(expression(ISO if typed or format_ == UNIX else format_))

    def read(text: str) -> Written:
        if format_ == UNIX and not (typed and compiled.fullmatch(text)):
            return _unix(text)
        return _written(compiled.fullmatch(text))

    return read


_CACHED = 1 << 17
"""Texts that a reader remembers from piece to piece."""
_ISO_TIME = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"
_ISO_MIDNIGHT = r"^\s*[0-9-]{10}[T ]00:00(:00([.,]0+)?)?\s*$"
_SECONDS = re.compile(r"(-?[0-9]+)(?:\.[0-9]+)?")
# Arrow knows no summer time after 2037, and Python does. Years before 1970 are Python's, too.
_KNOWN_YEARS = "^(19[7-9][0-9]|20[0-2][0-9]|203[0-6])-"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _unix(text: str) -> Written:
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise Unreadable(Rule.malformed)
    try:
        return Written(_EPOCH + datetime.timedelta(seconds=int(found[1])), is_date=False)
    except OverflowError:
        raise Unreadable(Rule.impossible) from None


def _written(found: re.Match[str] | None) -> Written:
    if found is None:
        raise Unreadable(Rule.malformed)
    parts = found.groupdict()
    short = parts.get("short_year")
    year = int(parts["year"]) if short is None else 2000 + int(short)
    hour = parts.get("hour")
    try:
        moment = datetime.datetime(
            year,
            int(parts["month"]),
            int(parts["day"]),
            _hour(parts["hour12"], parts["half"]) if "hour12" in parts else int(hour or 0),
            int(parts.get("minute") or 0),
            int(parts.get("second") or 0),
            int((parts.get("fraction") or "").ljust(6, "0")[:6]),
            tzinfo=_zone(parts.get("offset")),
        )
    except ValueError:
        raise Unreadable(Rule.impossible) from None
    return Written(moment, is_date=hour is None and "hour12" not in parts)


def _hour(hour: str, half: str) -> int:
    if not 1 <= int(hour) <= 12:
        raise ValueError(hour)
    return int(hour) % 12 + (12 if half[0] in "pP" else 0)


def _zone(offset: str | None) -> datetime.tzinfo | None:
    if offset is None:
        return None
    if not offset.startswith(("+", "-")):
        return datetime.UTC
    hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
    if minutes > 59:
        raise ValueError(offset)
    ahead = datetime.timedelta(hours=hours, minutes=minutes)
    return datetime.timezone(-ahead if offset.startswith("-") else ahead)


def _are_plain(texts: pa.Array) -> bool:
    """Whether all have the form of 2026-11-24, by a look at their bytes, or are empty."""
    data = bytes_of(texts)
    if not len(data):
        return True
    if data.min() < ord("-") or data.max() > ord("9"):
        return False
    lengths = np.diff(ends_of(texts))
    if not ((lengths == 10) | (lengths == 0)).all():
        return False
    written = data.reshape(-1, 10)
    has_dashes = (written[:, 4] == ord("-")).all() and (written[:, 7] == ord("-")).all()
    return bool(has_dashes and np.count_nonzero(data >= ord("0")) == 8 * len(written))


def _in_columns(texts: pa.Array, format_: str, is_of_store: bool, store_zone: str) -> pa.Array:
    """The days of most texts: those that are possible, and of the store's zone or name theirs.

    Null for the rest. What is found here is what `day_reader` finds.
    """
    parts = pc.extract_regex(texts, pattern=f"^(?:{expression(format_, possible=True)})$")
    names = {parts.type.field(place).name for place in range(parts.type.num_fields)}
    part = {name: pc.struct_field(parts, name) for name in names}
    year = (
        part["year"]
        if "year" in part
        else pc.binary_join_element_wise("20", part["short_year"], "")
    )
    days = pc.binary_join_element_wise(year, _two(part["month"]), _two(part["day"]), "-")
    days = pc.if_else(_is_possible(days), days, pa.scalar(None, pa.string()))
    if not {"hour", "hour12"} & names:
        return days
    has_time = pc.not_equal(part["hour"], "") if "hour" in part else pa.scalar(value=True)
    has_offset = pc.not_equal(part["offset"], "") if "offset" in part else pa.scalar(value=False)
    if not is_of_store:
        days = pc.if_else(
            pc.and_(has_time, pc.invert(has_offset)), pa.scalar(None, pa.string()), days
        )
    if "offset" not in part or not pc.any(has_offset).as_py():
        return days
    if "hour" not in part:
        return pc.if_else(has_offset, pa.scalar(None, pa.string()), days)
    zoned = pc.and_(has_offset, days.is_valid()).fill_null(False)
    moments = [days, _two(part["hour"]), part["minute"], part["offset"]]
    in_zone = _in_zone([pc.filter(each, zoned) for each in moments], store_zone)
    days = pc.if_else(has_offset, pa.scalar(None, pa.string()), days)
    return pc.replace_with_mask(days, zoned, in_zone)


def _moments(texts: pa.Array, zone: str) -> pa.Array | None:
    """Times as they sort; None unless all are possible and in one form, with an offset or not."""
    form = f"^{expression(ISO, possible=True)}$"
    offsets = pc.match_substring_regex(texts, f"({OFFSET})$")
    if not pc.all(pc.match_substring_regex(texts, form)).as_py():
        return None
    try:
        if pc.all(offsets).as_py():
            moments = texts.cast(pa.timestamp("us", "UTC"))
        else:
            # Times that the clock skips, or shows twice, are read one by one.
            local = texts.cast(pa.timestamp("us"))
            moments = pc.assume_timezone(local, zone, ambiguous="raise", nonexistent="raise")
        found = moments.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")).cast(pa.string())
        return found if pc.all(pc.match_substring_regex(found, _KNOWN_YEARS)).as_py() else None
    except pa.ArrowInvalid:
        return None


def _two(digits: pa.Array) -> pa.Array:
    return pc.ascii_lpad(digits, width=2, padding="0")


def _is_possible(days: pa.Array) -> pa.Array:
    """Whether the calendar has the days, each looked at once."""
    encoded = days.dictionary_encode()
    known = pa.array([_is_day(day) for day in encoded.dictionary.to_pylist()], pa.bool_())
    return known.take(encoded.indices)


def _is_day(day: str) -> bool:
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _in_zone(parts: Sequence[pa.Array], store_zone: str) -> pa.Array:
    """The days in the store's zone of days, hours, minutes and offsets. Seconds decide no day."""
    days, hours, minutes, offsets = parts
    offsets = pc.replace_substring_regex(offsets, pattern="UTC|GMT", replacement="Z")
    times = pc.binary_join_element_wise(hours, minutes, ":")
    moments = pc.binary_join_element_wise(days, "T", times, offsets, "")
    try:
        local = moments.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", store_zone))
        found = local.cast(pa.date32()).cast(pa.string())
        return pc.if_else(pc.match_substring_regex(found, _KNOWN_YEARS), found, None)
    except pa.ArrowInvalid:
        # An offset of no zone, or no time zones where Arrow looks for them: not here.
        return pa.nulls(len(days), pa.string())
