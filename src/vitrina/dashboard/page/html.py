"""The page: one file with figures, charts and what draws them, that needs nothing else.

`page/` holds what is the same in every page: its frame, its style and its script. The script
computes what the filters change, exactly as the panels' SQL does.
"""

import json
import os
import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import Any

from vitrina.columns import Decimal
from vitrina.contract import Contract
from vitrina.dashboard.page.figures import Figures
from vitrina.dashboard.panels import PANELS, SECTIONS, UNITS, Kind, Panel
from vitrina.dashboard.texts import TEXTS, Language, reason, text, value
from vitrina.errors import SettingsError

# Their colours need a key.
_KEYED = (Kind.pareto, Kind.heat_map)
_CENTS = 2
_SCRIPTS = ("words.js", "figures.js", "charts.js", "page.js")


def render(
    figures: Figures, contract: Contract, language: Language, *, version: str | None = None
) -> str:
    """The page of an import. One with a version asks whoever serves it for a newer one.

    Raises:
        SettingsError: what draws the charts is not installed, or amounts have parts of a cent.
    """
    _require_whole_cents(contract)
    parts = {
        "language": language.value,
        "style": _style(),
        "panels": _panels(language),
        "licence": _packaged("licence.txt"),
        "vega": _vega(),
        "data": _json(_data(figures, contract, language, version)),
        "script": "\n".join(_packaged(name) for name in _SCRIPTS),
    }

    def filled(slot: re.Match[str]) -> str:
        return parts[slot[1]] if slot[1] in parts else escape(text(slot[1], language))

    # In one go, so that nothing in a figure is taken for a slot.
    return re.sub(r"<!--([\w.]+)-->", filled, _packaged("page.html"))


def _require_whole_cents(contract: Contract) -> None:
    """The page computes in whole cents, and would cut off the rest without a word."""
    amount = contract["sale_amount"].type
    if isinstance(amount, Decimal) and amount.scale > _CENTS:
        raise SettingsError(
            f"contract: sale_amount has {amount.scale} decimals, and the page shows {_CENTS}; "
            "look at the marts in Grafana or with vitrina sql"
        )


def write(page: str, file: Path) -> None:
    """Put the page in place of the file; whoever opens it sees the old one or the new one.

    Raises:
        SettingsError: the file cannot be written.
    """
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"the page cannot be written to {file}: {error}") from error


def _panels(language: Language) -> str:
    """The panels' frames in their order; the page's script fills them."""
    return "\n".join(
        f'<section class="{section}" aria-labelledby="section-{section}">'
        f'<h2 id="section-{section}">{escape(text(f"section.{section}", language))}</h2>'
        '<div class="panels">'
        + "\n".join(_frame(panel, language) for panel in PANELS if panel.section == section)
        + "</div></section>"
        for section in SECTIONS
    )


def _frame(panel: Panel, language: Language) -> str:
    title = escape(text(panel.title, language))
    table = (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{panel.id}-title"></div>'
    )
    match panel.kind:
        case Kind.stat:
            body = '<p class="figure"></p><p class="beside"></p>'
        case Kind.gauge:
            body = '<p class="figure"></p><div class="gauge"></div>'
        case Kind.table:
            body = f'<p class="empty" hidden></p>{table}'
        case _:
            heard = escape(text(f"{panel.id}.chart", language))
            keys = '<p class="keys"></p>' if panel.kind in _KEYED else ""
            body = (
                f"{keys}"
                f'<div class="chart" role="img" aria-label="{title}. {heard}">'
                # Vega gives what it draws into a role and names of its own.
                '<div class="drawing" aria-hidden="true"></div></div>'
                '<p class="empty" hidden></p>'
                f"<details><summary>{escape(text('page.table', language))}"
                f'<span class="unseen">: {title}</span></summary>{table}</details>'
            )
    return (
        f'<article id="{panel.id}" class="panel {panel.kind}" aria-labelledby="{panel.id}-title">'
        f'<h3 id="{panel.id}-title">{title}</h3>'
        f'<p class="question">{escape(text(panel.question, language))}</p>'
        f'<p class="scope" hidden></p>{body}</article>'
    )


def _data(
    figures: Figures, contract: Contract, language: Language, version: str | None
) -> dict[str, Any]:
    """All that the page's script needs; what it computes itself is not in it."""
    regions = _regions(figures, contract)
    spoken = tuple(value(each, language) for each in regions)
    return {
        "language": language,
        "version": version,
        "import_date": figures.import_date,
        "regions": regions,
        "labels": _labels(figures, language),
        "words": {key: text(key, language) for key in TEXTS},
        "units": UNITS,
        "panels": [
            {
                "id": panel.id,
                "kind": panel.kind,
                "columns": panel.columns,
                "value": panel.value,
                "follows": sorted(panel.variables),
                "thresholds": [[each.value, each.level] for each in panel.thresholds],
            }
            for panel in PANELS
        ],
        "tables": {
            name: {column: _plain(column, values) for column, values in table.items()}
            for name, table in figures.tables.items()
        },
        "charts": _charts(language, spoken, len(figures.imports)),
    }


def _regions(figures: Figures, contract: Contract) -> list[str]:
    """The regions that have a row, those of the contract in its order."""
    found = {
        region for name in ("days", "cells") for region in figures.tables[name].get("region", ())
    }
    known = [region for region in contract.regions if region in found]
    return known + sorted(found.difference(known))


def _labels(figures: Figures, language: Language) -> dict[str, str]:
    """The texts in the figures, as people read them."""
    return {
        name: _SPOKEN[column](name, language)
        for table in figures.tables.values()
        for column in _SPOKEN.keys() & table.keys()
        for name in table[column]
    }


_SPOKEN = {"region": value, "engine": value, "table_name": value, "reason": reason}


def _plain(column: str, values: Sequence[Any]) -> list[Any]:
    """A column as JSON can carry it: money and shares as whole numbers, exactly.

    Money is text, since JavaScript reads no whole number above 2^53 exactly.

    >>> from decimal import Decimal
    >>> _plain("total_sales_amount", [Decimal("12.50"), None]), _plain("share", [Decimal("0.5")])
    (['1250', None], [500000])
    """
    match UNITS.get(column):
        case "money":
            return [None if each is None else str(int(each.scaleb(_CENTS))) for each in values]
        case "share":
            return [None if each is None else int(each.scaleb(6)) for each in values]
    return list(values)


def _json(data: dict[str, Any]) -> str:
    """JSON that can stand in a `<script>`."""
    written = json.dumps(
        data, ensure_ascii=False, separators=(",", ":"), default=lambda each: each.isoformat()
    )
    return written.replace("<", "\\u003c")


@cache
def _charts(language: Language, regions: tuple[str, ...], imports: int) -> dict[str, Any]:
    charts = _drawing()
    scene = charts.Scene(language, regions, imports)
    return {
        panel.id: charts.compiled(panel, scene) for panel in PANELS if panel.id in charts.CHARTS
    }


@cache
def _vega() -> str:
    script: str = _drawing().vega_script()
    return script


def _drawing() -> ModuleType:
    # Late: without the libraries, whoever asks for no page is not bothered.
    try:
        return import_module("vitrina.dashboard.page.charts")
    except ImportError as error:
        raise SettingsError(
            f"the page needs {error.name}, which is not installed; "
            "run: pip install 'vitrina[dashboard]'"
        ) from error


def _style() -> str:
    """The dark theme holds where the reader chose it, or the system did and the reader nothing."""
    dark = _packaged("dark.css")
    return _packaged("page.css").replace(
        "/*dark*/",
        f"@media screen {{ :root[data-theme=dark] {{\n{dark}}} }}\n"
        "@media screen and (prefers-color-scheme: dark) { "
        f":root:not([data-theme=light], [data-theme=dark]) {{\n{dark}}} }}",
    )


def _packaged(name: str) -> str:
    return resources.files("vitrina.dashboard").joinpath("page", name).read_text("utf-8")
