"""The dashboards as Grafana's own packages draw them: `make test-grafana`.

`@grafana/data` and `@grafana/ui` 13.2.3 transform the data, write the values and draw the
panels. The kinds of panel that live in Grafana alone are held to what its sources say, each
named where its rule is tested; they were read in `grafana/grafana`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.grafana_drawn.seen import (
    SHOPS,
    Gallery,
    Seen,
    display_values,
    filled,
    gallery,
    seen,
)
from vitrina.dashboard.expressions import REST
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels.tables import has_few_regions
from vitrina.dashboard.texts import Language, reason, text, value
from vitrina.store import Store

WITH_IMPORTS = tuple(name for name in SHOPS if name != "no import")
NOTHING = "–"
ON_AXIS = "on_axis"
# In pixels; Grafana's own text has 14.
_LEAST_HEADLINE = 20
_DAY = 86_400_000
THEMES = ("light", "dark")
WIDE, PHONE = 1440, 390
# In letters.
_WIDEST_NAME_ON_A_PHONE = 40


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    home = tmp_path_factory.mktemp("drawn")
    found = {}
    for name, shop in SHOPS.items():
        with filled(shop, home / name.replace(" ", "-")) as (clickhouse, store):
            found[name] = seen(clickhouse, store)
    return found


@pytest.fixture(scope="module")
def answers(stores: dict[str, Seen], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return display_values(stores, tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def drawing() -> Iterator[Gallery]:
    with sync_playwright() as playwright, gallery(playwright) as page:
        yield page


# What is written


def written(store: Store, column: str, cell: object, language: Language) -> str:
    """A value as a panel must write it."""
    if cell is None:
        return NOTHING
    unit = PANEL_COLUMNS[column].unit
    if unit == "flag":
        return text("flag.yes" if cell else "flag.no", language)
    if unit == "text":
        return text("page.rest", language) if cell == REST else value(str(cell), language)
    if unit == "money" and store.currency == "EUR":
        return f"€{cell:,.2f}" if language is Language.en else f"{cell:,.2f}\N{NO-BREAK SPACE}€"
    forms = {
        "money": "{:,.2f}",
        "count": "{:,}",
        "quantity": "{:,}",
        "rank": "{:,}",
        "share": "{:.2%}",
    }
    return forms.get(unit, "{}").format(cell)


def assert_written(
    store: Store, shown: list[str], column: str, cells: list[object], language: Language, where: str
) -> None:
    assert len(shown) == len(cells), where
    shown = [each.strip() for each in shown]
    for found, cell in zip(shown, cells, strict=True):
        wanted = written(store, column, cell, language)
        if found != wanted and PANEL_COLUMNS[column].unit == "share" and cell is not None:
            # Grafana rounds the nearest floating-point number; a hair can decide otherwise.
            assert isinstance(cell, Decimal)
            number = Decimal(found.removesuffix("%")) / 100
            assert re.fullmatch(r"-?\d+\.\d\d%", found), (where, found, wanted)
            assert abs(number - cell) <= Decimal("0.000051"), (where, found, wanted)
            continue
        assert found == wanted, where


@pytest.mark.parametrize("store", SHOPS)
def test_no_panel_shows_an_error(stores: dict[str, Seen], store: str) -> None:
    assert stores[store].errors == {}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_a_figure_is_written_as_it_is(
    stores: dict[str, Seen], answers: dict[str, Any], store: str, language: Language
) -> None:
    """`getFieldDisplayValues` chooses the fields by the names that are shown."""
    for panel in stores[store].panels:
        if panel.kind not in (Kind.stat, Kind.gauge):
            continue
        (row,) = stores[store].expected[panel.id]
        shown = {
            each["title"]: each["text"]
            for each in answers[f"{store}/{language}/{panel.id}"]["figures"]
        }
        wanted = panel.columns if panel.kind is Kind.stat else (panel.value,)
        assert list(shown) == [PANEL_COLUMNS[name].words.of(language) for name in wanted], panel.id
        for name, cell in zip(panel.columns, row, strict=True):
            if name in wanted:
                found = shown[PANEL_COLUMNS[name].words.of(language)]
                assert_written(
                    stores[store].store, [found], name, [cell], language, f"{panel.id}.{name}"
                )


@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_the_scale_of_the_gauge_goes_from_the_lowest_to_the_highest_day(
    stores: dict[str, Seen], answers: dict[str, Any], store: str
) -> None:
    """`GaugePanel` takes the ends from the field: public/app/plugins/panel/gauge/GaugePanel.tsx."""
    ((_, lowest, highest),) = stores[store].expected["average_gauge"]
    (figure,) = answers[f"{store}/en/average_gauge"]["figures"]
    assert (figure["min"], figure["max"]) == (float(lowest), float(highest))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_a_column_is_written_as_it_is(
    stores: dict[str, Seen], answers: dict[str, Any], store: str, language: Language
) -> None:
    for panel in stores[store].panels:
        if is_matrix(stores[store], panel) or panel.kind in (Kind.stat, Kind.gauge):
            continue
        (frame,) = answers[f"{store}/{language}/{panel.id}"]["frames"]
        fields = [each for each in frame["fields"] if each["name"] != ON_AXIS]
        for at, (name, field) in enumerate(zip(panel.columns, fields, strict=True)):
            assert field["title"] == PANEL_COLUMNS[name].words.of(language)
            cells = [row[at] for row in stores[store].expected[panel.id]]
            assert_written(
                stores[store].store, field["texts"], name, cells, language, f"{panel.id}.{name}"
            )


@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_money_is_abbreviated_on_an_axis_and_nowhere_else(
    stores: dict[str, Seen], answers: dict[str, Any], store: str
) -> None:
    """An axis has the unit of what is drawn: so a copy is drawn, the same to the cent."""
    for name in ("amount_by_day", "average_by_day", "imports"):
        panel = by_id(stores[store])[name]
        (frame,) = answers[f"{store}/en/{name}"]["frames"]
        fields = {each["name"]: each for each in frame["fields"]}
        exact, drawn = fields[panel.value], fields[ON_AXIS]
        at = panel.columns.index(panel.value)
        cells = [row[at] for row in stores[store].expected[name]]
        assert drawn["values"] == [None if each is None else float(each) for each in cells]
        assert all(re.search(r"\.\d\d$", each.strip()) for each in exact["texts"])
        for each, cell in zip(drawn["texts"], cells, strict=True):
            assert len(each) <= len("999.99 Mil"), (name, each, cell)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_a_grid_holds_every_figure_in_its_cell(
    stores: dict[str, Seen], answers: dict[str, Any], store: str, language: Language
) -> None:
    for panel in stores[store].panels:
        if not is_matrix(stores[store], panel):
            continue
        frames = answers[f"{store}/{language}/{panel.id}"]["frames"]
        drawn = {
            (x, field["title"]): cell
            for frame in frames
            for field in frame["fields"][1:]
            for x, cell in zip(rows_of(stores[store], panel, frame), field["values"], strict=True)
            if cell is not None
        }
        at = {name: place for place, name in enumerate(panel.columns)}
        wanted: dict[tuple[object, str], Any] = {}
        for row in stores[store].expected[panel.id]:
            name = series_name(panel, row[at[panel.series]], language)
            if panel.x == "month":
                wanted[name, f"{row[at[panel.x]]:%Y-%m}"] = row[at[panel.value]]
                continue
            x = milliseconds(row[at[panel.x]])
            wanted[x, name] = row[at[panel.value]]
            if panel.kind is Kind.lines and has_few_regions(stores[store].store.contract):
                single = text("grafana.single_days", language).format(region=name)
                wanted[x, single] = row[at["total_sales_amount"]]
        wanted = {key: float(cell) for key, cell in wanted.items() if cell is not None}
        assert drawn == wanted, panel.id


def rows_of(store: Seen, panel: Panel, frame: dict[str, Any]) -> list[object]:
    """What the rows of a grid stand for: a day's, an import's, or in words."""
    first: dict[str, list[Any]] = frame["fields"][0]
    if panel.x == "month":
        return [*first["texts"]]
    # A cell of a heat map ends at its time: `xMax` in `rowsToCellsHeatmap` of
    # public/app/features/transformers/calculateHeatmap/heatmap.ts, `xAlign` in
    # public/app/plugins/panel/heatmap/utils.ts.
    until = _DAY if store.drawn()[panel.id]["type"] == "heatmap" else 0
    return [each - until for each in first["values"]]


def by_id(store: Seen) -> dict[str, Panel]:
    return {panel.id: panel for panel in store.panels}


def is_matrix(store: Seen, panel: Panel) -> bool:
    steps = store.drawn()[panel.id].get("transformations", [])
    return any(step["id"] == "groupingToMatrix" for step in steps)


def milliseconds(day: Any) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def series_name(panel: Panel, name: object, language: Language) -> str:
    if panel.series == "weekday":
        return text(f"weekday.{name}", language)
    return reason(str(name), language) if panel.series == "reason" else value(str(name), language)


@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_grafana_and_the_page_show_the_same(stores: dict[str, Seen], store: str) -> None:
    assert stores[store].on_page == stores[store].expected


# What is drawn

DRAWN_HERE = ("stat", "timeseries", "trend", "table")
LOOK = """
id => {
    const panel = document.getElementById(`panel-${id}`);
    const texts = [...panel.querySelectorAll('*')]
        .filter(each => [...each.childNodes].some(child => child.data?.trim()))
        .map(each => [each.textContent.trim(), parseFloat(getComputedStyle(each).fontSize)]);
    let ink = 0;
    for (const canvas of panel.querySelectorAll('canvas')) {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue, opacity] = data.slice(at, at + 4);
            // Axes and grids are grey.
            ink += opacity > 60 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40;
        }
    }
    const grid = panel.querySelector('[role=grid], [role=treegrid]');
    const box = panel.getBoundingClientRect();
    const sticksOut = [...panel.querySelectorAll('*')]
        .filter(each => {
            const { right, width } = each.getBoundingClientRect();
            return width !== 0 && right > box.right + 1;
        })
        .map(each => each.textContent.trim());
    const cutHeadings = [...panel.querySelectorAll('[role=columnheader]')]
        .filter(each => {
            // What is cut off on the left is not in `scrollWidth`.
            const text = document.createRange();
            text.selectNodeContents(each);
            const cell = each.getBoundingClientRect();
            return [...text.getClientRects()].some(
                ({ left, right }) => left < cell.left - 1 || right > cell.right + 1
            );
        })
        .map(each => each.textContent.trim());
    return {
        texts, ink, sticksOut, cutHeadings, top: box.top, right: box.right,
        scrolls: Boolean(grid) && grid.scrollHeight > grid.clientHeight + 1,
        scrollsSideways: Boolean(grid) && grid.scrollWidth > grid.clientWidth + 1,
    };
}
"""


@dataclass(frozen=True)
class Look:
    """What is seen of one panel."""

    kind: str
    """Of Grafana's."""
    texts: list[tuple[str, float]]
    """Each text, and its size in pixels."""
    ink: int
    """How many pixels of graphs have a colour."""
    sticksOut: list[str]  # noqa: N815 - of JavaScript
    """The texts of what sticks out on the right."""
    cutHeadings: list[str]  # noqa: N815
    """Headings of columns that are wider than their place."""
    top: float
    right: float
    scrolls: bool
    scrollsSideways: bool  # noqa: N815


Looks = Callable[[str, Language, str, int], dict[str, Look]]


@pytest.fixture(scope="module")
def looks(stores: dict[str, Seen], drawing: Gallery) -> Looks:
    """What is seen of a store's panels, in a language, a theme and a width; each is drawn once."""

    @cache
    def seen_of(store: str, language: Language, theme: str, width: int) -> dict[str, Look]:
        drawing.draw(stores[store], language, theme, width)
        drawing.keep(f"{store}-{language}-{theme}-{width}")
        return {
            name: Look(each["type"], **drawing.page.evaluate(LOOK, each["id"]))
            for name, each in stores[store].drawn(language).items()
            if each["type"] in DRAWN_HERE
        }

    return seen_of


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", SHOPS)
def test_every_panel_is_drawn(
    stores: dict[str, Seen],
    drawing: Gallery,
    looks: Looks,
    store: str,
    language: Language,
    theme: str,
) -> None:
    for name, shown in looks(store, language, theme, WIDE).items():
        if store == "no import":
            said = stores[store].drawn(language)[name]["fieldConfig"]["defaults"]["noValue"]
            assert said in [words for words, _ in shown.texts], name
        elif shown.kind in ("timeseries", "trend"):
            assert shown.ink > 200, name
        else:
            assert len(shown.texts) > len(by_id(stores[store])[name].columns), name
    assert drawing.complaints == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_the_figures_are_large_and_in_rows(
    stores: dict[str, Seen], looks: Looks, store: str, language: Language, theme: str
) -> None:
    """`BigValue` sizes a text to its name and value unless the size is fixed."""
    found = by_id(stores[store])
    stats = {
        name: each
        for name, each in looks(store, language, theme, WIDE).items()
        if found[name].kind is Kind.stat
    }
    # Those of a store with returns are too many for one row.
    rows = 1 if has_few_regions(stores[store].store.contract) else 2
    assert len({each.top for each in stats.values()}) == rows
    for name, shown in stats.items():
        words = found[name].title.of(language)
        (_, *sizes) = [size for said, size in shown.texts if said != words]
        assert max(sizes) >= _LEAST_HEADLINE, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_nothing_is_cut_off_or_scrolls(
    looks: Looks, store: str, language: Language, theme: str
) -> None:
    for name, shown in looks(store, language, theme, WIDE).items():
        assert shown.right <= WIDE, name
        assert shown.sticksOut == [], name
        assert not shown.scrolls, name
        assert not shown.scrollsSideways, name
        assert not shown.cutHeadings, name


@pytest.mark.parametrize("store", WITH_IMPORTS)
def test_a_phone_shows_all_but_the_end_of_a_name_that_is_wider(looks: Looks, store: str) -> None:
    """Grafana's legend breaks no name; tables scroll."""
    for name, shown in looks(store, Language.en, "light", PHONE).items():
        assert shown.right <= PHONE, name
        if shown.kind != "table":
            assert all(len(each) > _WIDEST_NAME_ON_A_PHONE for each in shown.sticksOut), name
