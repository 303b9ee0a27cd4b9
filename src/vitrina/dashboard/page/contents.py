"""What the page's script is given: words, columns, panels, plans and the tables they run on."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from vitrina.dashboard.currencies import sign, written_decimals
from vitrina.dashboard.expressions import REST
from vitrina.dashboard.page.snapshot import Snapshot, page_plans
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS, Unit, decimals
from vitrina.dashboard.panels import panels
from vitrina.dashboard.panels.products import BEST_PRODUCTS
from vitrina.dashboard.panels.tables import LARGEST, SALES_BY_DAY, SALES_BY_REGION_PRODUCT
from vitrina.dashboard.query import Plans
from vitrina.dashboard.texts import TEXTS, Language, reason, text, value
from vitrina.store import Store

_EXACT: tuple[Unit, ...] = ("money", "quantity", "share")


def contents(
    snapshot: Snapshot, store: Store, language: Language, version: str | None
) -> dict[str, Any]:
    """All that the page's script needs, as JSON has it, but for its charts."""
    plans = page_plans(store.contract)
    days = snapshot.tables[SALES_BY_DAY.key].get("sale_date", [])
    digits = {unit: decimals(unit, store.contract) for unit in _EXACT}
    return {
        "language": language,
        "version": version,
        "time_zone": store.time_zone,
        "currency": store.currency,
        "has_sign": sign(store.currency) != store.currency,
        "decimals": digits,
        "money_decimals": written_decimals(store.currency, digits["money"]),
        "import_date": snapshot.import_date,
        "first_day": min(days, default=None),
        "last_day": max(days, default=None),
        "regions": regions(snapshot, store),
        "largest": LARGEST,
        "labels": _labels(snapshot, language),
        "words": {key: text(key, language) for key in TEXTS},
        "columns": {
            name: {"unit": column.unit, "name": column.words.of(language)}
            for name, column in PANEL_COLUMNS.items()
        },
        "panels": [_panel(panel, plans, language) for panel in panels(store.contract)],
        "best_products": plans.add(BEST_PRODUCTS),
        "steps": plans.steps,
        "tables": {
            name: {column: _plain(column, values, digits) for column, values in rows.items()}
            for name, rows in snapshot.tables.items()
        },
    }


def regions(snapshot: Snapshot, store: Store) -> list[str]:
    """The regions that have a row: few in the order of the contract, else the largest first."""
    found = _found(snapshot, "region")
    known = store.contract.regions
    if 0 < len(known) <= LARGEST:
        return [each for each in known if each in found] + sorted(found.difference(known))
    sold = snapshot.tables[SALES_BY_REGION_PRODUCT.key]
    amounts = dict.fromkeys(found, 0)
    for region, amount in zip(
        sold.get("region", ()), sold.get("total_sales_amount", ()), strict=True
    ):
        amounts[region] += amount
    return sorted(found, key=lambda region: (-amounts[region], region))


def as_json(data: dict[str, Any]) -> str:
    """JSON that can stand in a `<script>`."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=date.isoformat)
    return written.replace("<", "\\u003c")


def _panel(panel: Panel, plans: Plans, language: Language) -> dict[str, Any]:
    empty = panel.empty.of(language) if panel.empty else text("page.no_sales", language)
    return {
        "id": panel.id,
        "kind": panel.kind,
        "title": panel.title.of(language),
        "columns": panel.columns,
        "value": panel.value,
        "x": panel.x,
        "series": panel.series,
        "empty": empty,
        "follows": sorted(panel.variables),
        "thresholds": panel.thresholds,
        "rows": plans.add(panel.query),
        "key": None if panel.key is None else plans.add(panel.key),
    }


_SPOKEN = {"region": value, "engine": value, "table_name": value, "reason": reason}


def _labels(snapshot: Snapshot, language: Language) -> dict[str, dict[str, str]]:
    """The texts of the tables, as people read them, by their columns."""
    labels = {
        column: {name: words(name, language) for name in sorted(_found(snapshot, column))}
        for column, words in _SPOKEN.items()
    }
    labels["region"][REST] = text("page.rest", language)
    return labels | {"leader": labels["region"]}


def _found(snapshot: Snapshot, column: str) -> set[str]:
    return {each for rows in snapshot.tables.values() for each in rows.get(column, ())}


def _plain(column: str, values: Sequence[Any], digits: Mapping[Unit, int]) -> Any:
    """A column as JSON can carry it: money, quantities and shares as whole numbers, exactly.

    Money is text, since JavaScript reads no whole number above 2^53 exactly. Of a text that
    repeats, the values are there once, and each row has the place of its own.

    >>> from decimal import Decimal
    >>> digits = {"money": 2, "share": 6, "quantity": 0}
    >>> _plain("total_sales_amount", [Decimal("12.50"), None], digits)
    ['1250', None]
    >>> _plain("share", [Decimal("0.5")], digits)
    [500000]
    >>> _plain("region", ["West", "East", "West"], digits)
    {'values': ['East', 'West'], 'places': [1, 0, 1]}
    """
    unit = PANEL_COLUMNS[column].unit
    if unit in digits:
        whole = [None if each is None else _whole(each, digits[unit]) for each in values]
        return whole if unit == "share" else [None if each is None else str(each) for each in whole]
    if unit == "text" or (unit == "id" and values and isinstance(values[0], str)):
        distinct = sorted(set(values))
        places = {each: place for place, each in enumerate(distinct)}
        return {"values": distinct, "places": [places[each] for each in values]}
    return list(values)


def _whole(number: Decimal | int, digits: int) -> int:
    return int(Decimal(number).scaleb(digits))
