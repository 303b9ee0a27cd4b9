"""What Grafana shows of stores of several sizes: data, display values and pictures.

`seen` asks a real ClickHouse what the panels ask, with the variables as the dashboard opens;
`display_values` lets Grafana's own packages say in Node what is written, and `Gallery` draws
with them in a browser. `scripts/grafana_packages` installs what they need.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Page, Playwright

from tests.browsers import launched
from tests.grafana_frames import Frame, at_first_sight, frame
from tests.grafana_plugin import rendered
from tests.moments import TODAY, at_the_moment
from tests.own_shop import fill_own_shop, own_shop
from tests.panel_figures import Choice, Figures, Row
from tests.shop_marts import Shop, fill
from tests.test_grafana import contents
from vitrina.dashboard.grafana.dashboards import sales_dashboard
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels import panels as panels_of
from vitrina.dashboard.placeholders import Selection, literal
from vitrina.dashboard.texts import Language
from vitrina.errors import StoreError
from vitrina.store import GENERATED, Store
from vitrina.stores.addresses import database
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse

HERE = Path(__file__).parent
BUILT, PICTURES = HERE / "built", HERE / "pictures"

AS_OF = date(2026, 11, 24)
FIRST_DAY = TODAY - timedelta(days=400)

_WEEK = timedelta(days=7)
SHOPS: dict[str, Shop | None] = {
    "no import": Shop(imports=()),
    "one import": Shop(imports=(AS_OF,)),
    "three imports": Shop(imports=(AS_OF - 2 * _WEEK, AS_OF - _WEEK, AS_OF)),
    # Of a store's own, with 38 regions and 4,000 products.
    "a large shop": None,
}


@dataclass(frozen=True)
class Seen:
    """A store as the dashboards ask for it."""

    store: Store
    frames: dict[str, list[Frame]]
    """What each panel's queries answer, by the panel's id."""
    errors: dict[str, str]
    """What went wrong instead, of panels and of variables."""
    expected: dict[str, list[Row]] = field(default_factory=dict)
    """The rows of each panel as DuckDB computes them; none without an import."""
    on_page: dict[str, list[Row]] = field(default_factory=dict)
    """The rows of each panel as the HTML page starts with them."""

    @property
    def panels(self) -> tuple[Panel, ...]:
        return panels_of(self.store.contract)

    def board(self, language: Language = Language.en) -> dict[str, Any]:
        """Its dashboard."""
        return sales_dashboard(self.store, language)

    def drawn(self, language: Language = Language.en) -> dict[str, dict[str, Any]]:
        """The panels of its dashboard that show figures, by the ids that Vitrina gives them."""
        drawn = [panel for panel in self.board(language)["panels"] if panel["type"] != "row"]
        return {panel.id: each for panel, each in zip(self.panels, drawn, strict=True)}


def seen(store: ClickHouse, shop: Store) -> Seen:
    """What the dashboards show of a store when they are opened; they ask alike in each language."""
    found = Seen(shop, {}, {})
    board = found.board()
    view, errors = at_first_sight(store, board["templating"]["list"], FIRST_DAY, TODAY)
    frames = {}
    for name, panel in found.drawn().items():
        try:
            frames[name] = [
                frame(store, at_the_moment(rendered(target["rawSql"], view)), target["refId"])
                for target in panel["targets"]
            ]
        except StoreError as error:
            errors[name] = str(error)
    if not store.imports():
        return replace(found, frames=frames, errors=errors)
    return Seen(shop, frames, errors, *_expected(store, found))


def _expected(store: ClickHouse, shop: Seen) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    choice = Choice(AS_OF, first_day=FIRST_DAY, last_day=TODAY)
    with closing(duckdb.connect()) as tables:
        for name, rows in contents(store, shop.store.contract).items():
            tables.register(name, rows)
        own = shop.store.source is not None
        figures = Figures(tables, TODAY, is_large=own, has_orders=own, has_returns=own)
        expected = {panel.id: figures.of(panel.id, choice) for panel in shop.panels}
    on_page = {
        panel.id: store.query(literal(at_the_moment(panel.sql), Selection(AS_OF)))[1]
        for panel in shop.panels
    }
    return expected, on_page


def needed(name: str) -> Path:
    """A file that `scripts/grafana_packages` builds. Where it is not, a test is left out.

    In CI it fails instead.
    """
    path = BUILT / name
    if path.exists():
        return path
    left_out = "Grafana's packages are not here (scripts/grafana_packages): nothing is drawn"
    if os.environ.get("CI"):
        pytest.fail(left_out)
    pytest.skip(left_out)


def display_values(stores: Mapping[str, Seen], folder: Path) -> dict[str, Any]:
    """What is written in each panel, by `<store>/<language>/<panel>`."""
    program = needed("values.mjs")
    questions = {}
    for language in Language:
        for store, each in stores.items():
            for name, frames in each.frames.items():
                questions[f"{store}/{language}/{name}"] = {
                    "panel": each.drawn(language)[name],
                    "frames": frames,
                    "timeZone": each.board(language)["timezone"],
                    "theme": "light",
                }
    asked, answered = folder / "questions.json", folder / "answers.json"
    asked.write_text(json.dumps(questions))
    subprocess.run(["node", program, asked, answered], check=True, timeout=120)
    answers: dict[str, Any] = json.loads(answered.read_text())
    return answers


@dataclass(frozen=True)
class Gallery:
    """A browser's page in which dashboards are drawn, and what it had to complain of."""

    page: Page
    complaints: list[str]

    def draw(
        self, store: Seen, language: Language = Language.en, theme: str = "light", width: int = 1440
    ) -> None:
        """Draw a dashboard, as high as it is."""
        board = store.board(language)
        ids = {name: panel["id"] for name, panel in store.drawn(language).items()}
        self.page.set_viewport_size({"width": width, "height": 900})
        height = self.page.evaluate(
            "asked => draw(asked)",
            {
                "dashboard": board,
                "frames": {ids[name]: frames for name, frames in store.frames.items()},
                "errors": {ids[name]: error for name, error in store.errors.items() if name in ids},
                "theme": theme,
                "from": f"{FIRST_DAY}T00:00:00Z",
                "to": f"{TODAY}T00:00:00Z",
                "width": width,
            },
        )
        self.page.set_viewport_size({"width": width, "height": int(height)})
        # Tables measure their columns, and graphs their legends, before they are whole.
        self.page.wait_for_timeout(300)

    def keep(self, name: str) -> None:
        """Keep a picture of what is drawn, for people to look at."""
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@contextmanager
def gallery(playwright: Playwright) -> Iterator[Gallery]:
    """A page that draws dashboards."""
    address = needed("page.html").resolve().as_uri()
    browser = launched(playwright, "a Grafana dashboard")
    with closing(browser), browser.new_context() as room:
        page = room.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # Icons are Grafana's own files, and not in its packages.
        page.route("**/*.svg", lambda route: route.fulfill(body="<svg/>"))
        page.goto(address)
        yield Gallery(page, complaints)


@contextmanager
def filled(shop: Shop | None, folder: Path) -> Iterator[tuple[ClickHouse, Store]]:
    """A ClickHouse that holds a shop's imports, and the store that the dashboards are made for."""
    folder.mkdir()
    with embedded_clickhouse(folder / "clickhouse") as dsn:
        if shop is not None:
            with clickhouse(dsn) as store:
                fill(store, shop)
                yield store, GENERATED
            return
        own = own_shop(folder)
        with clickhouse(dsn, database=database(own)) as store:
            fill_own_shop(store, own, 600)
            yield store, own
