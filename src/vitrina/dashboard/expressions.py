"""What a query computes: functions of one row's columns, and figures of many rows.

Each has one form in ClickHouse's SQL, here, and one in the page, in `page/query.js`; a test
compares them over generated rows. Sums and ranks are of columns that are never NULL, but `least`,
`most` and `total_or_null` pass over NULL; a function of NULL is NULL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

# Functions of the columns of one row


@dataclass(frozen=True)
class Call:
    """A function, by its name in `_FUNCTIONS` and in `query.js`, of columns or whole numbers."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Band:
    """The first of the bands whose percent of the whole the part is below, else the last."""

    part: "Expression"
    whole: "Expression"
    percents: tuple[tuple[str, int], ...]
    last: str


Expression: TypeAlias = str | int | Call | Band
"""A column by its name, a whole number, or a function of either."""


REST = "…"
"""Stands for what is not among the largest; no store has a region of this name."""

# ClickHouse averages decimals as floats, and its division of them can overflow silently.
# So money, which has four decimals at most, is divided as whole ten-thousandths, doubled, so
# that adding the divisor before a division that cuts off rounds half up. What is divided by 0,
# or by less, is NULL.
_FUNCTIONS = {
    "average": (
        "toDecimal128(intDiv(2 * toInt128({0} * 10000) + 100 * {1}, nullIf(200 * {1}, 0)), 0)"
        " * toDecimal128('0.01', 2)"
    ),
    "share": (
        "toDecimal128(intDiv(2000000 * toInt128({0} * 10000) + toInt128({1} * 10000),"
        " nullIf(2 * toInt128({1} * 10000), 0)), 0) * toDecimal128('0.000001', 6)"
    ),
    "change": (
        "toDecimal128(if({0} < {1}, -1, 1) * intDiv("
        "2000000 * toInt128(abs({0} - {1}) * 10000) + toInt128({2} * 10000),"
        " nullIf(2 * toInt128({2} * 10000) * ({2} > 0), 0)), 0) * toDecimal128('0.000001', 6)"
    ),
    "minus": "({0} - {1})",
    "times": "(toInt128({0}) * {1})",
    "month": "toDate32(toStartOfMonth({0}))",
    "weekday": "toDayOfWeek({0})",
    "age": "dateDiff('day', {0}, toDate32(now('{{{{zone}}}}')))",
    "size": "abs({0})",
    "positive": "{0} > 0",
    "known": "isNotNull({0})",
    "equal": "{0} = {1}",
    "at_most": "{0} <= {1}",
    "largest": f"if({{1}} <= {{2}}, {{0}}, '{REST}')",
}


def average(amount: Expression, count: Expression) -> Call:
    """An amount over a count, half up to the cent."""
    return Call("average", (amount, count))


def share(part: Expression, whole: Expression) -> Call:
    """How much of the whole the part is, neither negative: of 1, half up to six decimals."""
    return Call("share", (part, whole))


def change(now: Expression, before: Expression) -> Call:
    """How far `now` is above `before`: of 1, half away from zero to six decimals.

    Both are of one unit; the change from 0, or from less, is NULL.
    """
    return Call("change", (now, before, before))


def part_of_change(now: Expression, before: Expression, whole: Expression) -> Call:
    """What a part adds to the change of a whole that was `whole` before: so all parts make it up.

    Of 1, half away from zero to six decimals; of a whole of 0, NULL.
    """
    return Call("change", (now, before, whole))


def minus(one: Expression, other: Expression) -> Call:
    return Call("minus", (one, other))


def times(count: Expression, other: Expression) -> Call:
    """The product of two counts, exact beyond 64 bits."""
    return Call("times", (count, other))


def month(day: Expression) -> Call:
    """The first day of the day's month."""
    return Call("month", (day,))


def weekday(day: Expression) -> Call:
    """From 1, Monday, to 7."""
    return Call("weekday", (day,))


def age(day: Expression) -> Call:
    """How many days ago that was, where the store is."""
    return Call("age", (day,))


def size(number: Expression) -> Call:
    """The number without its sign."""
    return Call("size", (number,))


def positive(number: Expression) -> Call:
    return Call("positive", (number,))


def known(value: Expression) -> Call:
    """Whether the value is not NULL."""
    return Call("known", (value,))


def equal(one: Expression, other: Expression) -> Call:
    """Whether two whole numbers are the same."""
    return Call("equal", (one, other))


def at_most(one: Expression, other: Expression) -> Call:
    return Call("at_most", (one, other))


def largest(name: Expression, place: Expression, count: int) -> Call:
    """The name of one of the first `count` places, and `REST` for all that come after them."""
    return Call("largest", (name, place, count))


def band(part: Expression, whole: Expression, percents: Mapping[str, int], last: str) -> Band:
    return Band(part, whole, tuple(percents.items()), last)


# What is computed over many rows


@dataclass(frozen=True)
class Over:
    """A figure of many rows: those of a group, or those of a window."""

    function: str
    of: Expression = 0


AGGREGATES = {
    "sum": "sum({0})",
    "sum_or_null": "sumOrNull({0})",
    "least": "minOrNull({0})",
    "most": "maxOrNull({0})",
    "count": "count()",
}
WINDOWS = {
    "rank": "row_number() OVER ({1})",
    "place": "dense_rank() OVER ({1})",
    "running": "sum({0}) OVER ({1} ROWS UNBOUNDED PRECEDING)",
    "whole": "sum({0}) OVER ({1})",
    "highest": "max({0}) OVER ({1})",
    "next": "lead(toNullable({0})) OVER ({1})",
}


def total(of: Expression) -> Over:
    """The sum; 0 of no rows."""
    return Over("sum", of)


def total_or_null(of: Expression) -> Over:
    """The sum of the values that are not NULL; NULL if there are none."""
    return Over("sum_or_null", of)


def least(of: Expression) -> Over:
    """The smallest value that is not NULL, if there is any."""
    return Over("least", of)


def most(of: Expression) -> Over:
    """The largest value that is not NULL, if there is any."""
    return Over("most", of)


def count() -> Over:
    return Over("count")


def rank() -> Over:
    """The row's place in the window, from 1."""
    return Over("rank")


def place() -> Over:
    """As `rank`, but rows that are alike in what orders the window share their place."""
    return Over("place")


def running(of: Expression) -> Over:
    """The sum of the row and all before it in the window."""
    return Over("running", of)


def whole(of: Expression) -> Over:
    """The sum of the window."""
    return Over("whole", of)


def highest(of: Expression) -> Over:
    """The largest value of the window."""
    return Over("highest", of)


def following(of: Expression) -> Over:
    """The value in the next row of the window, NULL in the last."""
    return Over("next", of)


# SQL and plans


def column(name: str) -> str:
    return f"t.{name}"


def expression_sql(expression: Expression) -> str:
    """In ClickHouse's SQL, where the rows come from `t`.

    >>> expression_sql(minus("running", "total_sales_amount"))
    '(t.running - t.total_sales_amount)'
    """
    match expression:
        case str():
            return column(expression)
        case int():
            return str(expression)
        case Call(function, arguments):
            return _FUNCTIONS[function].format(*(expression_sql(each) for each in arguments))
        case Band(part, all_, percents, last):
            below = ", ".join(
                f"{expression_sql(part)} * 100 < {expression_sql(all_)} * {percent}, '{name}'"
                for name, percent in percents
            )
            return f"multiIf({below}, '{last}')"


def expression_plan(expression: Expression) -> Any:
    """As JSON for `query.js`: a function is a list of its name and its arguments.

    >>> expression_plan(minus("running", "total_sales_amount"))
    ['minus', 'running', 'total_sales_amount']
    """
    match expression:
        case Call(function, arguments):
            return [function, *(expression_plan(each) for each in arguments)]
        case Band(part, all_, percents, last):
            options = {"percents": percents, "last": last}
            return ["band", expression_plan(part), expression_plan(all_), options]
    return expression


def over_sql(forms: Mapping[str, str], figure: Over, window: str = "") -> str:
    """A figure of many rows in SQL; `forms` are `AGGREGATES` or `WINDOWS`."""
    return forms[figure.function].format(expression_sql(figure.of), window)


def over_plan(figures: Iterable[tuple[str, Over]]) -> list[Any]:
    """As JSON: the name of each figure, its function and what that is of."""
    return [[name, figure.function, expression_plan(figure.of)] for name, figure in figures]
