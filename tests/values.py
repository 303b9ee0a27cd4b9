"""Any value that a column can hold, for laws."""

from datetime import UTC
from decimal import Context
from decimal import Decimal as Money
from typing import Any

from hypothesis import strategies as st

from vitrina.columns import (
    Amount,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    FreeText,
    Integer,
    Text,
    Timestamp,
)

_EXACT = Context(prec=38)
# What PostgreSQL stores: no zero byte, and no half of a surrogate pair.
_TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5
) | st.sampled_from(["", '"', "'", "\n", "\r\n", ",", "\\N", "\\."])


def any_value(type_: ColumnType, *, nullable: bool = False) -> st.SearchStrategy[Any]:
    """Each value of the type, and None where the column may have it."""
    some = _some(type_)
    return st.none() | some if nullable else some


def _some(type_: ColumnType) -> st.SearchStrategy[Any]:
    match type_:
        case Integer(bits):
            return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        case Decimal(precision, scale) | Amount(precision, scale):
            digits = st.integers(1 - 10**precision, 10**precision - 1)
            return digits.map(lambda number: Money(number).scaleb(-scale, _EXACT))
        case Date():
            return st.dates()
        case Text() | FreeText():
            return _TEXTS
        case Timestamp():
            return st.datetimes(timezones=st.just(UTC)).map(
                lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            )
        case Boolean():
            return st.booleans()
