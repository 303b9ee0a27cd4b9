"""The blanks in a panel's SQL, and how each of its readers fills them in.

`{{import_date}}` is a date; `{{region}}`, `{{product}}` and `{{days}}` are conditions on the
columns `region`, `product_id` and `sale_date`. `{{average(amount, sales)}}` and its like are
shorthands for exact arithmetic and come out the same for every reader.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Variable(StrEnum):
    """What a reader of the dashboard can choose."""

    import_date = "import_date"
    """One batch; the latest unless chosen."""
    region = "region"
    """Any number of regions; all of them unless chosen."""
    product = "product"
    """Any number of products; all of them unless chosen."""
    days = "days"
    """A range of days: Grafana's own time range. The whole batch elsewhere."""


@dataclass(frozen=True)
class Selection:
    """One choice of the variables; an empty tuple stands for all."""

    import_date: date
    regions: tuple[str, ...] = ()
    products: tuple[int, ...] = ()


# ClickHouse averages decimals as floats, and its division of them can overflow silently.
# So money is divided as whole hundredths, doubled, so that adding the divisor before a
# division that cuts off rounds half up. What is divided by 0 is NULL.
_SHORTHANDS = {
    # An amount over a count, to the cent.
    "average": (
        "toDecimal128(intDiv(2 * toInt128({0} * 100) + {1}, nullIf(2 * {1}, 0)), 0)"
        " * toDecimal128('0.01', 2)"
    ),
    # How much of {1} is {0}, neither negative: of 1, to six decimals.
    "share": (
        "toDecimal128(intDiv(2000000 * toInt128({0} * 100) + toInt128({1} * 100),"
        " nullIf(2 * toInt128({1} * 100), 0)), 0) * toDecimal128('0.000001', 6)"
    ),
    # How far {0} is above {1}, which is not negative: of 1, half away from zero to six decimals.
    "change": (
        "toDecimal128(if({0} < {1}, -1, 1) * intDiv("
        "2000000 * toInt128(abs({0} - {1}) * 100) + toInt128({1} * 100),"
        " nullIf(2 * toInt128({1} * 100), 0)), 0) * toDecimal128('0.000001', 6)"
    ),
}

_BLANK = re.compile(r"\{\{(\w+)(?:\((.*?)\))?\}\}")


def variables_in(sql: str) -> frozenset[Variable]:
    """The variables that a panel's SQL follows."""
    return frozenset(Variable(name) for name, _ in _BLANK.findall(sql) if name in set(Variable))


def literal(sql: str, selection: Selection) -> str:
    """The SQL for one selection, ready to run.

    >>> chosen = Selection(date(2026, 11, 24), ("North", "West"))
    >>> literal("import_date = {{import_date}} AND {{region}} AND {{product}}", chosen)
    "import_date = toDate32('2026-11-24') AND region IN ('North', 'West') AND true"
    """
    values = {
        Variable.import_date: f"toDate32('{selection.import_date.isoformat()}')",
        Variable.region: _one_of("region", [_quoted(name) for name in selection.regions]),
        Variable.product: _one_of("product_id", [str(int(each)) for each in selection.products]),
        Variable.days: "true",
    }
    return _fill(sql, values.__getitem__)


def grafana(sql: str) -> str:
    """The SQL as a template for Grafana's ClickHouse plugin, which fills in the rest.

    `singlequote` escapes a quote in a value, which the plugin's own quoting does not.

    >>> grafana("{{region}}")
    '$__conditionalAll(region IN (${region:singlequote}), $region)'
    """
    templates = {
        Variable.import_date: "toDate32(${import_date:singlequote})",
        Variable.region: "$__conditionalAll(region IN (${region:singlequote}), $region)",
        # Quoted numbers are numbers to ClickHouse where the column is one.
        Variable.product: "$__conditionalAll(product_id IN (${product:singlequote}), $product)",
        Variable.days: "$__dateFilter(sale_date)",
    }
    return _fill(sql, templates.__getitem__)


def _fill(sql: str, value: Callable[[Variable], str]) -> str:
    def filled(blank: re.Match[str]) -> str:
        name, arguments = blank.groups()
        if arguments is None:
            return value(Variable(name))
        return _SHORTHANDS[name].format(*(each.strip() for each in arguments.split(",")))

    return _BLANK.sub(filled, sql)


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(values)})" if values else "true"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
