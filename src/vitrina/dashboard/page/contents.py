"""What the page's script is given: words, columns, panels, plans and the tables they run on."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from vitrina.contract import TIME_ZONE, Contract
from vitrina.dashboard.page.snapshot import Snapshot, page_plans
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels import PANELS
from vitrina.dashboard.panels.products import BEST_PRODUCTS
from vitrina.dashboard.panels.tables import SALES_BY_DAY
from vitrina.dashboard.query import Plans
from vitrina.dashboard.texts import TEXTS, Language, reason, text, value

CENTS = 2
"""The decimals of money in the page, which computes in whole cents."""

_MILLIONTHS = 6


def contents(
    snapshot: Snapshot, contract: Contract, language: Language, version: str | None
) -> dict[str, Any]:
    """All that the page's script needs, as JSON has it, but for its charts."""
    plans = page_plans()
    days = snapshot.tables[SALES_BY_DAY.key].get("sale_date", [])
    return {
        "language": language,
        "version": version,
        "time_zone": TIME_ZONE,
        "import_date": snapshot.import_date,
        "first_day": min(days, default=None),
        "last_day": max(days, default=None),
        "regions": regions(snapshot, contract),
        "labels": _labels(snapshot, language),
        "words": {key: text(key, language) for key in TEXTS},
        "columns": {
            name: {"unit": column.unit, "name": column.words.of(language)}
            for name, column in PANEL_COLUMNS.items()
        },
        "panels": [_panel(panel, plans, language) for panel in PANELS],
        "best_products": plans.add(BEST_PRODUCTS),
        "steps": plans.steps,
        "tables": {
            name: {column: _plain(column, values) for column, values in rows.items()}
            for name, rows in snapshot.tables.items()
        },
    }


def regions(snapshot: Snapshot, contract: Contract) -> list[str]:
    """The regions that have a row, those of the contract in its order."""
    found = _found(snapshot, "region")
    known = [region for region in contract.regions if region in found]
    return known + sorted(found.difference(known))


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


def _labels(snapshot: Snapshot, language: Language) -> dict[str, str]:
    """The texts of the tables, as people read them."""
    return {
        name: words(name, language)
        for column, words in _SPOKEN.items()
        for name in sorted(_found(snapshot, column))
    }


def _found(snapshot: Snapshot, column: str) -> set[str]:
    return {each for rows in snapshot.tables.values() for each in rows.get(column, ())}


def _plain(column: str, values: Sequence[Any]) -> Any:
    """A column as JSON can carry it: money and shares as whole numbers, exactly.

    Money is text, since JavaScript reads no whole number above 2^53 exactly. Of a text that
    repeats, the values are there once, and each row has the place of its own.

    >>> from decimal import Decimal
    >>> _plain("total_sales_amount", [Decimal("12.50"), None]), _plain("share", [Decimal("0.5")])
    (['1250', None], [500000])
    >>> _plain("region", ["West", "East", "West"])
    {'values': ['East', 'West'], 'places': [1, 0, 1]}
    """
    match PANEL_COLUMNS[column].unit:
        case "money":
            return [None if each is None else str(int(each.scaleb(CENTS))) for each in values]
        case "share":
            return [None if each is None else int(each.scaleb(_MILLIONTHS)) for each in values]
        case "text":
            distinct = sorted(set(values))
            places = {each: place for place, each in enumerate(distinct)}
            return {"values": distinct, "places": [places[each] for each in values]}
    return list(values)
