"""The moment at which tests let ClickHouse answer what depends on the time."""

import re
from datetime import date

# An hour and a half after midnight in Moscow: still the day before in UTC.
_NOW = "toDateTime('2026-11-26 01:30:00', 'Europe/Moscow')"
TODAY = date(2026, 11, 26)


def at_the_moment(sql: str) -> str:
    """The query as it is asked early on `TODAY`."""
    return re.sub(r"now\([^)]*\)", _NOW, sql)
