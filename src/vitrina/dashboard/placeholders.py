"""The blanks in a panel's SQL, and what fills them in for Grafana and for one selection.

`{{import_date}}` is a date; `{{region}}`, `{{product}}` and `{{days}}` are conditions on the
columns `region`, `product_id` and `sale_date`.
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


_BLANK = re.compile(r"\{\{(\w+)\}\}")


def variables_in(sql: str) -> frozenset[Variable]:
    """The variables that a panel's SQL follows."""
    return frozenset(Variable(name) for name in _BLANK.findall(sql))


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
    """The SQL as a template; Grafana's ClickHouse plugin fills in the rest.

    `singlequote` escapes a quote in a value, which the plugin's own quoting does not.

    >>> grafana("{{region}}")
    '$__conditionalAll(region IN (${region:singlequote}), $region)'
    """
    templates = {
        # What is no date means the newest import, whenever that is asked. Before the first one
        # it is NULL, which no row equals.
        Variable.import_date: "coalesce(toDate32OrNull(${import_date:singlequote}),"
        " (SELECT maxOrNull(import_date) FROM batch))",
        Variable.region: "$__conditionalAll(region IN (${region:singlequote}), $region)",
        # Quoted numbers are numbers to ClickHouse where the column is one.
        Variable.product: "$__conditionalAll(product_id IN (${product:singlequote}), $product)",
        Variable.days: "$__dateFilter(sale_date)",
    }
    return _fill(sql, templates.__getitem__)


def _fill(sql: str, value: Callable[[Variable], str]) -> str:
    return _BLANK.sub(lambda blank: value(Variable(blank[1])), sql)


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(values)})" if values else "true"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
