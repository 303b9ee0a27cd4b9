"""Days: of dates and times as the store writes them, in the store's zone.

A time that names no zone is of the zone that is declared. One that occurs twice there, when
clocks go back, is the first; one that they skip is read as before they go forward.
"""

import datetime
import functools
import re
from collections.abc import Callable
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import Cells, Read, Reader, bytes_of, ends_of, read_each
from vitrina.exports.numbers import CANONICAL, is_number, number_reader, ranked
from vitrina.exports.patterns import ISO, OFFSET, UNIX, date_pattern
from vitrina.exports.store_file import Numbers
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
            utc = zoned.astimezone(datetime.UTC)
            return Read(utc.isoformat(timespec="microseconds"))
        except (Unreadable, OverflowError, ValueError):
            found = numbers(bare)
            if found.problem or found.text is None or not is_number(found.text):
                return Read(None, RowRule.version_malformed)
            return Read(ranked(found.text))

    return read


def read_days(cells: Cells, reader: Reader, format_: str, store_zone: str) -> None:
    """Read a column's days; columns of plain dates, or of times in UTC, take no Python."""
    if format_ in {ISO, _ISO_PATTERN}:
        if _are_plain(cells.texts):
            return
        if format_ == ISO and (days := _of_moments(cells.texts, store_zone)) is not None:
            cells.texts = days
            return
    read_each(cells, reader)


def written_reader(format_: str, *, typed: bool) -> Callable[[str], Written]:
    """Reads dates and times of a format. Raises `Unreadable`."""
    if format_ == UNIX:
        return _unix_or_iso if typed else _unix
    return _iso if typed or format_ == ISO else pattern(format_)


def pattern(text: str) -> Callable[[str], Written]:
    """Reads dates and times of a pattern such as `dd.MM.yyyy HH:mm`.

    Raises:
        ValueError: the pattern has no whole date, or has letters that mean nothing.
    """
    compiled = date_pattern(text)

    def read(written: str) -> Written:
        return _written(compiled.fullmatch(written))

    return read


_CACHED = 1 << 17
"""Texts that a reader remembers from piece to piece."""
_ISO_PATTERN = "yyyy-MM-dd"
_ISO = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    rf"(?:[.,](?P<fraction>[0-9]+))?)?(?: ?(?P<offset>{OFFSET}))?)?"
)
_SECONDS = re.compile(r"(-?[0-9]+)(?:\.[0-9]+)?")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _iso(text: str) -> Written:
    return _written(_ISO.fullmatch(text))


def _unix(text: str) -> Written:
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise Unreadable(Rule.malformed)
    try:
        return Written(_EPOCH + datetime.timedelta(seconds=int(found[1])), is_date=False)
    except OverflowError:
        raise Unreadable(Rule.impossible) from None


def _unix_or_iso(text: str) -> Written:
    found = _ISO.fullmatch(text)
    return _unix(text) if found is None else _written(found)


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
            tzinfo=_zone(parts.get("offset") or parts.get("utc")),
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


def _of_moments(texts: pa.Array, store_zone: str) -> pa.Array | None:
    """The days of times that all name their offset; None if one does not, or is odd."""
    offsets = pc.match_substring_regex(texts, _MOMENT).fill_null(True)
    if not pc.all(offsets).as_py():
        return None
    try:
        moments = texts.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", store_zone))
        return moments.cast(pa.date32()).cast(pa.string())
    except pa.ArrowInvalid:
        return None


# Forms that Arrow reads as the reader above does.
_MOMENT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$"
)
