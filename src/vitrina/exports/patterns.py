"""Patterns of dates and times, such as `dd.MM.yyyy HH:mm`, as regular expressions.

The expressions mean the same to Python and to RE2, which Arrow has. Their groups are named `year`
or `short_year`, `month`, `day`, `hour` or `hour12` with `half`, `minute`, `second`, `fraction`,
and `offset`.
"""

import functools
import re

ISO, UNIX = "iso", "unix"
"""Formats that are no patterns."""

ISO_DATE = "yyyy-MM-dd"


@functools.lru_cache(maxsize=256)
def expression(format_: str, *, possible: bool = False) -> str:
    """The regular expression of a pattern, or of `iso`.

    `possible` lets no times match that no clock shows, such as 24:00.

    Raises:
        ValueError: the pattern has no whole date, or has letters that mean nothing.
    """
    if format_ == ISO:
        return _ISO.format(**{name: _group(name, possible) for name in _ISO_PARTS})
    found, groups = "", set[str]()
    for match in _PARTS.finditer(format_):
        part = match[0]
        if part in _TOKENS:
            group = _TOKENS[part][0]
            if group in groups:
                raise ValueError(f"{format_!r}: {part} and another part say the same")
            groups.add(group)
            found += _group(part, possible)
        elif part.startswith("'") and len(part) > 1:
            found += re.escape(part[1:-1] or "'")
        elif part.isascii() and part.isalpha() and part != "T":
            known = " ".join(_TOKENS)
            raise ValueError(f"{format_!r}: {part} means nothing; known are {known}, and '…'")
        else:
            found += re.escape(part)
    _refuse_gaps(format_, groups)
    return found


OFFSET = "Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?"
_TOKENS = {
    "yyyy": ("year", "[0-9]{4}"),
    "yy": ("short_year", "[0-9]{2}"),
    "MM": ("month", "[0-9]{2}"),
    "M": ("month", "[0-9]{1,2}"),
    "dd": ("day", "[0-9]{2}"),
    "d": ("day", "[0-9]{1,2}"),
    "HH": ("hour", "[0-9]{2}"),
    "H": ("hour", "[0-9]{1,2}"),
    "hh": ("hour12", "[0-9]{2}"),
    "h": ("hour12", "[0-9]{1,2}"),
    "mm": ("minute", "[0-9]{2}"),
    "ss": ("second", "[0-9]{2}"),
    "SSS": ("fraction", "[0-9]{1,9}"),
    "a": ("half", r"[aApP]\.?[mM]\.?"),
    "XXX": ("offset", OFFSET),
    "Z": ("offset", OFFSET),
    "UTC": ("offset", "UTC"),
    "GMT": ("offset", "GMT"),
}
_POSSIBLE = {
    "HH": "[01][0-9]|2[0-3]",
    "H": "[01]?[0-9]|2[0-3]",
    "hh": "0[1-9]|1[0-2]",
    "h": "0?[1-9]|1[0-2]",
    "mm": "[0-5][0-9]",
    "ss": "[0-5][0-9]",
}
_PARTS = re.compile(r"UTC|GMT|'[^']*'|([a-zA-Z])\1*|.", re.DOTALL)
_ISO = "{yyyy}-{MM}-{dd}(?:[T ]{HH}:{mm}(?::{ss}(?:[.,]{SSS})?)?(?: ?{Z})?)?"
_ISO_PARTS = ("yyyy", "MM", "dd", "HH", "mm", "ss", "SSS", "Z")


def _group(token: str, possible: bool) -> str:
    name, form = _TOKENS[token]
    return f"(?P<{name}>{_POSSIBLE.get(token, form) if possible else form})"


def _refuse_gaps(format_: str, groups: set[str]) -> None:
    if not {"day", "month"} <= groups or len({"year", "short_year"} & groups) != 1:
        raise ValueError(f"{format_!r} has not a day, a month and a year, each once: dd.MM.yyyy")
    if ("hour12" in groups) != ("half" in groups):
        raise ValueError(f"{format_!r}: hh and a go together")
    if {"hour12", "hour"} <= groups:
        raise ValueError(f"{format_!r} has HH and hh")
    if {"minute", "second", "offset"} & groups and not {"hour12", "hour"} & groups:
        raise ValueError(f"{format_!r} has no hours; mm are minutes, MM is the month")
