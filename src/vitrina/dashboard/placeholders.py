"""The blanks in a panel's SQL, and what fills them in for Grafana and for one selection.

`{{import_date}}` is a date; `{{region}}`, `{{product}}` and `{{days}}` are conditions on the
columns `region`, `product_id` and `sale_date`. `{{zone}}` is the store's time zone, which nobody
chooses.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from vitrina import ledger
from vitrina.contract import TIME_ZONE
from vitrina.marts import marts
from vitrina.store import Store


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
    products: tuple[int | str, ...] = ()


_BLANK = re.compile(r"\{\{(\w+)\}\}")
_ZONE = "zone"


def variables_in(sql: str) -> frozenset[Variable]:
    """The variables that a panel's SQL follows."""
    return frozenset(Variable(name) for name in _BLANK.findall(sql) if name != _ZONE)


def literal(sql: str, selection: Selection, zone: str = TIME_ZONE) -> str:
    """The SQL for one selection in the store's time zone, ready to run.

    >>> chosen = Selection(date(2026, 11, 24), ("North", "West"))
    >>> literal("import_date = {{import_date}} AND {{region}} AND {{product}}", chosen)
    "import_date = toDate32('2026-11-24') AND region IN ('North', 'West') AND true"
    """
    values = {
        Variable.import_date: f"toDate32('{selection.import_date.isoformat()}')",
        Variable.region: _one_of("region", [_quoted(name) for name in selection.regions]),
        Variable.product: _one_of("product_id", [_value(each) for each in selection.products]),
        Variable.days: "true",
        _ZONE: zone,
    }
    return _fill(sql, values.__getitem__)


def grafana(sql: str, store: Store) -> str:
    """The SQL as a template; Grafana's ClickHouse plugin fills in the rest.

    `singlequote` escapes a quote in a value, which the plugin's own quoting does not.

    >>> from vitrina.store import GENERATED
    >>> grafana("SELECT 1 FROM batch WHERE {{region}}", GENERATED)
    'SELECT 1 FROM batch WHERE $__conditionalAll(region IN (${region:singlequote}), $region)'
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
        _ZONE: store.time_zone,
    }
    return _in_database(_fill(sql, templates.__getitem__), store)


def _in_database(sql: str, store: Store) -> str:
    """The data source has the generated shop's database; other tables are named with theirs."""
    if store.source is None:
        return sql
    tables = "|".join([*(mart.name for mart in marts(store.contract)), *ledger.NAMES])
    return re.sub(rf"\b(FROM|JOIN) ({tables})\b", rf"\1 store_{store.name}.\2", sql)


def _fill(sql: str, value: Callable[[str], str]) -> str:
    return _BLANK.sub(lambda blank: value(blank[1]), sql)


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(values)})" if values else "true"


def _value(product: int | str) -> str:
    return str(product) if isinstance(product, int) else _quoted(product)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
