"""How a store writes dates and times: what its file may say, without what reads them."""

import re

ISO, UNIX = "iso", "unix"


def date_pattern(text: str) -> re.Pattern[str]:
    """What a date or a time of a pattern such as `dd.MM.yyyy HH:mm` looks like.

    Raises:
        ValueError: the pattern has no whole date, or has letters that mean nothing.
    """
    expression, groups = "", []
    for found in _PARTS.finditer(text):
        part = found[0]
        known = _KNOWN.get(part)
        if known is not None:
            field, form = known
            if field in groups:
                raise ValueError(f"{text!r} has {part} beside another part that says the same")
            groups.append(field)
            expression += f"(?P<{field}>{form})"
        elif part.startswith("'"):
            expression += re.escape(part[1:-1].replace("''", "'") or "'")
        elif part in _UTC:
            groups.append("utc")
            expression += f"(?P<utc>{part})"
        elif part.isascii() and part.isalpha() and part != "T":
            raise ValueError(
                f"{text!r}: {part} means nothing; known are {' '.join(_KNOWN)}, and letters in '…'"
            )
        else:
            expression += re.escape(part)
    if not {"day", "month"} <= set(groups) or len({"year", "short_year"} & set(groups)) != 1:
        raise ValueError(f"{text!r} has not a day, a month and a year, each once: dd.MM.yyyy")
    if ("hour12" in groups) != ("half" in groups):
        raise ValueError(f"{text!r}: hh and a go together")
    if "hour12" in groups and "hour" in groups:
        raise ValueError(f"{text!r} has HH and hh")
    return re.compile(expression, re.DOTALL)


def has_times(format_: str) -> bool:
    """Whether every text of a format is a time; those of `iso` may be dates as well."""
    if format_ == UNIX:
        return True
    return format_ != ISO and bool({"hour", "hour12"} & date_pattern(format_).groupindex.keys())


_UTC = ("UTC", "GMT")
OFFSET = r"Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?"
_KNOWN = {
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
    "a": ("half", r"(?i:[ap]\.?m\.?)"),
    "XXX": ("offset", OFFSET),
    "Z": ("offset", OFFSET),
}
_PARTS = re.compile(r"UTC|GMT|'[^']*'|([a-zA-Z])\1*|.", re.DOTALL)
