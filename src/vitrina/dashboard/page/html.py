"""The page: one file with figures, charts and what draws them, that needs nothing else.

Beside this module is what is the same in every page: its frame, its style and its script. The
script runs the panels' queries for what the filters choose (`query.js`).
"""

import re
from functools import cache
from html import escape
from importlib import import_module, resources
from types import ModuleType
from typing import Any

from vitrina.dashboard.page.contents import as_json, contents, regions
from vitrina.dashboard.page.snapshot import Snapshot
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panels import panels, sections
from vitrina.dashboard.panels.tables import has_few_regions
from vitrina.dashboard.texts import Language, text, value
from vitrina.errors import SettingsError
from vitrina.store import Store

# Their colours need a key.
_KEYED = (Kind.pareto, Kind.heat_map)
_WITHOUT_CHART = (Kind.stat, Kind.gauge, Kind.table)
SCRIPTS = ("words.js", "query.js", "charts.js", "page.js")
"""The page's script, in the order in which its parts need each other."""


def render(
    snapshot: Snapshot, store: Store, language: Language, *, version: str | None = None
) -> str:
    """The page of an import. A page with a version asks whoever serves it for a newer one.

    Raises:
        SettingsError: what draws the charts is not installed.
    """
    shown = panels(store.contract)
    spoken = tuple(value(each, language) for each in regions(snapshot, store))
    rest = None if has_few_regions(store.contract) else text("page.rest", language)
    data = contents(snapshot, store, language, version)
    data["charts"] = _charts(shown, language, spoken, rest, len(snapshot.imports))
    parts = {
        "language": language.value,
        "title": escape(text("page.title", language).format(title=store.title)),
        "style": _style(),
        "panels": _panels(shown, language),
        "licence": packaged("licence.txt"),
        "vega": _vega(),
        "data": as_json(data),
        "script": "\n".join(packaged(name) for name in SCRIPTS),
    }

    def filled(slot: re.Match[str]) -> str:
        return parts[slot[1]] if slot[1] in parts else escape(text(slot[1], language))

    # In one go, so that nothing in a figure is taken for a slot.
    return re.sub(r"<!--([\w.]+)-->", filled, packaged("page.html"))


def packaged(name: str) -> str:
    """A file of the page, as it comes with this package."""
    return resources.files("vitrina.dashboard.page").joinpath(name).read_text("utf-8")


def _panels(shown: tuple[Panel, ...], language: Language) -> str:
    """The panels' frames in their order; the page's script fills them."""
    return "\n".join(
        f'<section class="{section}" aria-labelledby="section-{section}">'
        f'<h2 id="section-{section}">{escape(text(f"section.{section}", language))}</h2>'
        '<div class="panels">'
        + "\n".join(_frame(panel, language) for panel in shown if panel.section == section)
        + "</div></section>"
        for section in sections(shown)
    )


def _frame(panel: Panel, language: Language) -> str:
    title = escape(panel.title.of(language))
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
            heard = escape(panel.picture.of(language)) if panel.picture else ""
            keys = '<p class="keys"></p>' if panel.kind in _KEYED else ""
            body = (
                f"{keys}"
                f'<div class="chart" role="img" aria-label="{title}. {heard}">'
                # Vega gives what it draws roles and names of its own.
                '<div class="drawing" aria-hidden="true"></div></div>'
                '<p class="empty" hidden></p>'
                f"<details><summary>{escape(text('page.table', language))}"
                f'<span class="unseen">: {title}</span></summary>{table}</details>'
            )
    return (
        f'<article id="{panel.id}" class="panel {panel.kind}" '
        f'style="--width: {panel.size.on_page}" aria-labelledby="{panel.id}-title">'
        f'<h3 id="{panel.id}-title">{title}</h3>'
        f'<p class="question">{escape(panel.question.of(language))}</p>'
        f'<p class="scope" hidden></p>{body}</article>'
    )


@cache
def _charts(
    shown: tuple[Panel, ...],
    language: Language,
    spoken_regions: tuple[str, ...],
    rest: str | None,
    imports: int,
) -> dict[str, Any]:
    drawings = _drawings()
    scene = drawings.Scene(language, spoken_regions, rest, imports)
    return {
        panel.id: drawings.compiled(panel, scene)
        for panel in shown
        if panel.kind not in _WITHOUT_CHART
    }


@cache
def _vega() -> str:
    script: str = _drawings().vega_script()
    return script


def _drawings() -> ModuleType:
    # Late: the libraries are needed for a page alone.
    try:
        return import_module("vitrina.dashboard.page.drawings")
    except ImportError as error:
        raise SettingsError(
            f"the page needs {error.name}, which is not installed; "
            "run: pip install 'vitrina[dashboard]'"
        ) from error


def _style() -> str:
    """The dark theme holds where the reader chose it, or the system did and the reader nothing."""
    dark = packaged("dark.css")
    return packaged("page.css").replace(
        "/*dark*/",
        f"@media screen {{ :root[data-theme=dark] {{\n{dark}}} }}\n"
        "@media screen and (prefers-color-scheme: dark) { "
        f":root:not([data-theme=light], [data-theme=dark]) {{\n{dark}}} }}",
    )
