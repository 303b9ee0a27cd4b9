"""The HTML page: in a browser, on paper, for a screen reader, and served."""

import http.client
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.answers import answer
from tests.browsers import Opened, drawn, launched, opened
from tests.commands import Ended, call
from tests.grafana_files import PANELS
from tests.ledgers import ledger_entry
from tests.rows import AS_OF
from tests.shop_marts import Shop, fill
from vitrina.contract import SALES
from vitrina.dashboard.alerts import ALERT_RULES
from vitrina.dashboard.page.contents import as_json
from vitrina.dashboard.page.files import write
from vitrina.dashboard.page.html import packaged, render
from vitrina.dashboard.page.serve import serving
from vitrina.dashboard.page.snapshot import Snapshot, read_snapshot
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.placeholders import Selection, Variable, literal
from vitrina.dashboard.texts import TEXTS, Language, reason, text, value
from vitrina.errors import BatchError, SettingsError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.settings import Settings
from vitrina.store import GENERATED
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse

WEEK_BEFORE = AS_OF - timedelta(days=7)
PANEL = {panel.id: panel for panel in PANELS}
DRAWN = [panel for panel in PANELS if panel.kind not in (Kind.stat, Kind.gauge, Kind.table)]
LANGUAGES = list(Language)
EVIL = "</script><img src=x onerror=alert(1)>'\"${1}<!--data-->"
# The choices of `choices`.
EVERYTHING, REGION, BOTH, PRODUCTS, NOTHING = range(5)

Row = tuple[Any, ...]
Answers = dict[str, list[Row]]
"""The rows of each panel, by its id."""


@dataclass(frozen=True)
class Published:
    """Two imports, and what ClickHouse answers to the panels' own SQL."""

    home: Path
    snapshot: Snapshot
    first_alone: Snapshot
    """One import, of which no row was rejected."""
    thirty: Snapshot
    answers: Mapping[Selection, Answers]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    home = tmp_path_factory.mktemp("dashboard")
    with embedded_clickhouse(home / "clickhouse") as dsn, clickhouse(dsn) as store:
        # So few sales of so many products that some region has not sold some of them.
        fill(store, Shop(imports=(WEEK_BEFORE, AS_OF), products=400, sales_a_day=10))
        snapshot = read_snapshot(store, SALES)
        answers = {choice: ask(store, choice) for choice in choices(store)}
        first_alone, thirty = other_ledgers(store)
    # The tests that follow find both imports and no other.
    with embedded_clickhouse(home / "clickhouse") as dsn, clickhouse(dsn) as store:
        for day, _ in store.imports():
            if day not in (WEEK_BEFORE, AS_OF):
                store.withdraw(day)
    return Published(home, snapshot, first_alone, thirty, answers)


def other_ledgers(store: ClickHouse) -> tuple[Snapshot, Snapshot]:
    """One import without rejects; then thirty with, the marts being those of the newest."""
    moment = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
    entry = ledger_entry()
    totals = [
        ControlTotals(engine, "sale", 7, 9, entry.total_sales_amount)
        for engine in ("spark", "postgresql")
    ]
    store.record_batch(replace(entry, as_of=WEEK_BEFORE), moment, totals, {})
    store.withdraw(WEEK_BEFORE)
    store.record_batch(replace(entry, rejected=0), moment, totals, {})
    rejects = {"quantity_above_maximum": 40, "region_unknown": 7}
    alone = read_snapshot(store, SALES)
    for week in range(30):
        day = AS_OF - timedelta(weeks=week)
        amount = entry.total_sales_amount + 100 * week
        listed = replace(entry, as_of=day, total_sales_amount=amount)
        store.record_batch(listed, moment, totals, {name: n + week for name, n in rejects.items()})
    return alone, read_snapshot(store, SALES)


def choices(store: ClickHouse) -> list[Selection]:
    """Everything; regions; a product; both; and a product that a region has not sold."""
    best, unsold = store.query(
        "SELECT argMax(product_id, total_sales), argMaxIf(product_id, total_sales, product_id NOT"
        f" IN (SELECT product_id FROM sales_by_region_product WHERE import_date = '{AS_OF}'"
        " AND region = 'West'))"
        f" FROM sales_by_product WHERE import_date = '{AS_OF}'"
    )[1][0]
    return [
        Selection(AS_OF),
        Selection(AS_OF, ("West",)),
        Selection(AS_OF, ("North", "South"), (best,)),
        Selection(AS_OF, (), (best, unsold)),
        Selection(AS_OF, ("West",), (unsold,)),
    ]


def ask(store: ClickHouse, choice: Selection) -> Answers:
    return {panel.id: answer(store, literal(panel.sql, choice))[1] for panel in PANELS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as started:
        yield started


@pytest.fixture(scope="module")
def pages(published: Published, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of the pages, as files."""
    folder = tmp_path_factory.mktemp("pages")
    contents = {
        "en": render(published.snapshot, GENERATED, Language.en),
        "ru": render(published.snapshot, GENERATED, Language.ru),
        "alone": render(named(published.first_alone, EVIL), GENERATED, Language.en),
        "thirty": render(published.thirty, GENERATED, Language.ru),
    }
    for name, page in contents.items():
        write(page, folder / f"{name}.html")
    return {name: (folder / f"{name}.html").as_uri() for name in contents}


@pytest.fixture(scope="module")
def english(pages: dict[str, str], browser: Browser) -> Iterator[Opened]:
    """The English page, for tests that leave it as it was."""
    with opened(browser, pages["en"]) as seen:
        yield seen


@pytest.fixture(scope="module")
def russian(pages: dict[str, str], browser: Browser) -> Iterator[Opened]:
    """The Russian page on a telephone, likewise."""
    screen = {"width": 360, "height": 844}
    with opened(browser, pages["ru"], viewport=screen, has_touch=True) as seen:
        yield seen


@pytest.fixture(scope="module")
def alone(pages: dict[str, str], browser: Browser) -> Iterator[Opened]:
    """The page of one import, in the dark, soon after midnight in Moscow, for a reader in UTC."""
    night = datetime.combine(AS_OF, time(21, 30), UTC)
    dark = {"color_scheme": "dark", "timezone_id": "UTC"}
    with opened(browser, pages["alone"], at=night, **dark) as seen:
        yield seen


@pytest.fixture(scope="module")
def thirty(pages: dict[str, str], browser: Browser) -> Iterator[Opened]:
    with opened(browser, pages["thirty"], viewport={"width": 390, "height": 900}) as seen:
        yield seen


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Page:
    return browser.new_page()


def named(snapshot: Snapshot, name: str) -> Snapshot:
    """A snapshot whose region West has this name."""
    tables = {
        table: {
            column: [name if each == "West" else each for each in values]
            for column, values in columns.items()
        }
        for table, columns in snapshot.tables.items()
    }
    return replace(snapshot, tables=tables)


def chosen(choice: Selection) -> str:
    """What the page's address says of a choice."""
    parts = [f"region={each}" for each in choice.regions]
    return "#" + "&".join(parts + [f"product={each}" for each in choice.products])


# Snapshot in words, as the English page writes them


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"]
_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def day_said(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_UNIT_SAID: dict[str, Callable[[Any], str]] = {
    "money": "{:,.2f}".format,
    "share": lambda share: f"{(share * 100).quantize(Decimal('0.01'), ROUND_HALF_UP):,}%",
    "count": "{:,}".format,
    "quantity": "{:,}".format,
    "rank": "{:,}".format,
    "days": "{:,}".format,
    "id": str,
    "date": day_said,
    "day": lambda day: f"{_WEEKDAYS[day.weekday()]}, {day_said(day)}",
    "month": lambda day: f"{_MONTHS[day.month - 1]} {day.year}",
    "weekday": lambda number: _WEEKDAYS[number - 1],
    "flag": lambda flag: "yes" if flag else "no",
    "text": lambda name: value(name, Language.en),
}


def said(column: str, figure: Any) -> str:
    """A figure as the English page writes it."""
    if figure is None:
        return "–"
    if column == "reason":
        return reason(figure, Language.en)
    unit = PANEL_COLUMNS[column].unit
    words = _UNIT_SAID[unit](figure)
    return words.replace("-", "−") if unit in ("money", "share") else words


def cells(page: Page, panel: Panel) -> list[list[str]]:
    """What the table of a panel says, opened where it is folded away."""
    found: list[list[str]] = page.evaluate(
        """async (id) => {
            const article = document.getElementById(id);
            const folded = article.querySelector("details");
            if (folded && !folded.open) {
                const shown = new Promise((done) => folded.addEventListener("toggle", done));
                folded.open = true;
                await shown;
            }
            return [...article.querySelectorAll("tbody tr")].map(
                (row) => [...row.cells].map((cell) => cell.textContent));
        }""",
        panel.id,
    )
    return found


def figure(page: Page, panel: str) -> str:
    return page.inner_text(f"#{panel} .figure")


# The page as it is


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_panel_is_drawn_from_one_file_and_without_a_complaint(
    published: Published,
    english: Opened,
    russian: Opened,
    language: Language,
    record_property: Any,
) -> None:
    seen = {Language.en: english, Language.ru: russian}[language]
    assert seen.complaints == []
    record_property("milliseconds_until_drawn", seen.milliseconds)
    print(f"\n{language}: drawn after {seen.milliseconds:.0f} ms")
    # The bound is that of a machine with much else to do.
    assert seen.milliseconds < 10_000
    page = seen.page
    assert page.get_attribute("html", "lang") == language
    for panel in PANELS:
        title = page.inner_text(f"#{panel.id} h3")
        assert title == panel.title.of(language)
        assert page.inner_text(f"#{panel.id} .question") == panel.question.of(language)
    for panel in DRAWN:
        marks = page.locator(f"#{panel.id} .chart svg .mark-group path").count()
        assert marks > 3, panel.id
        assert page.is_hidden(f"#{panel.id} .empty")
    for panel in PANELS:
        if panel.kind in (Kind.stat, Kind.gauge):
            assert re.search(r"\d", figure(page, panel.id)), panel.id
        elif panel.kind is Kind.table:
            rows = published.answers[Selection(AS_OF)][panel.id]
            assert page.locator(f"#{panel.id} tbody tr").count() == len(rows) > 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_small(published: Published, language: Language) -> None:
    size = len(render(published.snapshot, GENERATED, language).encode())
    print(f"\n{language}: {size / 1e6:.2f} MB")
    assert size < 6_000_000


@pytest.fixture
def following(english: Opened) -> Iterator[Page]:
    """The English page, which goes back to everything afterwards, its tables folded."""
    yield english.page
    english.page.mouse.move(0, 0)
    fold(english.page)
    go_to(english.page, Selection(AS_OF))
    assert english.complaints == []


def fold(page: Page) -> None:
    page.evaluate("for (const table of document.querySelectorAll('details')) table.open = false")


def go_to(page: Page, choice: Selection) -> None:
    """Follow a link to a choice, from another one."""
    page.evaluate(
        """(address) => new Promise((done) => {
            if (location.hash === address) return done();
            addEventListener("hashchange", done, { once: true });
            location.hash = address;
        })""",
        chosen(choice).removesuffix("#"),
    )
    drawn(page)


@pytest.mark.parametrize("number", [EVERYTHING, BOTH])
def test_every_figure_is_what_clickhouse_answers(
    published: Published, following: Page, number: int
) -> None:
    choice = list(published.answers)[number]
    go_to(following, choice)
    assert_every_figure_is_right(following, published.answers[choice])


def assert_every_figure_is_right(page: Page, answers: Answers) -> None:
    """Compare all that the English page shows with what ClickHouse answers; opens every table."""
    for panel in PANELS:
        rows = answers[panel.id]
        if panel.id == "import_age":
            # The day of the test may end between the two.
            assert said("import_date", rows[0][1]) in page.inner_text("#import_age")
        elif panel.kind in (Kind.stat, Kind.gauge):
            ((shown, *beside),) = rows
            assert figure(page, panel.id) == said(panel.value, shown), panel.id
            words = page.inner_text(f"#{panel.id}")
            for column, each in zip(panel.columns[1:], beside, strict=True):
                if column != "change" and each is not None:
                    assert said(column, each) in words, panel.id
                elif each is not None:
                    assert change_said(each) in words, panel.id
        else:
            expected = [
                [said(column, each) for column, each in zip(panel.columns, row, strict=True)]
                for row in rows
            ]
            assert cells(page, panel) == expected, panel.id


def change_said(change: Decimal) -> str:
    if not change:
        return "unchanged"
    way = "up by" if change > 0 else "down by"
    rounded = said("share", abs(change))
    return f"{way} less than 0.01%" if rounded == "0.00%" else f"{way} {rounded}"


def test_the_choices_differ_and_one_of_them_has_no_sales(published: Published) -> None:
    amounts = [answer["total_sales_amount"][0][0] for answer in published.answers.values()]
    assert len(set(amounts)) == 5
    assert amounts[-1] == 0


# Filters


def test_a_region_can_be_chosen_with_the_keyboard_and_all_panels_follow(
    published: Published, following: Page
) -> None:
    page = following
    whole, west = (list(published.answers)[number] for number in (EVERYTHING, REGION))
    charts = {panel.id: page.inner_html(f"#{panel.id} .chart") for panel in DRAWN}
    box = page.get_by_label("West", exact=True)
    box.focus()
    page.keyboard.press("Space")
    drawn(page)
    assert box.is_checked()
    assert page.evaluate("document.activeElement.value") == "West"
    assert "region=West" in page.url
    assert page.inner_text("#shown") == "Shown: West"
    for panel in PANELS:
        follows = Variable.region in panel.variables
        if panel.kind in (Kind.stat, Kind.gauge):
            before, after = (published.answers[each][panel.id] for each in (whole, west))
            assert (before != after) == follows, panel.id
        elif panel in DRAWN:
            changed = page.inner_html(f"#{panel.id} .chart") != charts[panel.id]
            assert changed == follows, panel.id
    assert_every_figure_is_right(page, published.answers[west])
    page.click("#reset")
    drawn(page)
    assert not box.is_checked()
    assert figure(page, "total_sales") == said(
        "total_sales", published.answers[whole]["total_sales"][0][0]
    )


def test_a_product_is_chosen_by_its_number_and_a_wrong_one_is_refused(
    published: Published, english: Opened, following: Page
) -> None:
    choice = list(published.answers)[PRODUCTS]
    page = following
    for product in choice.products:
        page.fill("#product", str(product))
        page.keyboard.press("Enter")
        drawn(page)
    assert_every_figure_is_right(page, published.answers[choice])
    # What has no products says that it shows all of them.
    assert page.inner_text("#amount_by_day .scope") == "for all products"
    assert page.is_hidden("#sales_by_region .scope")
    page.fill("#product", "987654321")
    page.keyboard.press("Enter")
    assert page.inner_text("#product-error") == "No such product: 987654321"
    assert page.get_attribute("#product", "aria-invalid") == "true"
    remove = f"Remove product {choice.products[0]}"
    page.get_by_role("button", name=remove, exact=True).click()
    drawn(page)
    assert page.locator("#chosen li").count() == 1
    assert page.evaluate("document.activeElement.id") == "product"
    page.reload()
    drawn(page)
    english.complaints.remove(f"asked for {page.url.partition('#')[0]}")
    assert page.locator("#chosen li").count() == 1
    # The first key leads past what comes before the panels.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_product_of_the_table_is_a_button_that_keeps_the_focus(following: Page) -> None:
    page = following
    button = page.locator("#top_products tbody button").first
    product = button.inner_text()
    button.focus()
    page.keyboard.press("Enter")
    drawn(page)
    assert page.evaluate("document.activeElement.dataset.product") == product
    assert page.get_attribute(f"[data-product='{product}']", "aria-pressed") == "true"
    assert page.locator("#top_products tbody tr").count() == 1


def test_a_value_shows_under_the_pointer_and_a_bar_chooses_its_region(
    published: Published, following: Page
) -> None:
    page = following
    rows = published.answers[Selection(AS_OF)]["sales_by_region"]
    bar = page.locator("#sales_by_region .mark-rect path").first
    bar.hover()
    assert said("total_sales_amount", rows[0][2]) in page.inner_text("#tip")
    bar.click()
    drawn(page)
    assert page.inner_text("#shown") == f"Shown: {rows[0][0]}"
    assert page.is_hidden("#tip")
    page.locator("#amount_by_day_region .chart svg").hover()
    assert rows[0][0] in page.inner_text("#tip")


def test_a_tap_shows_a_value_too(russian: Opened) -> None:
    page = russian.page
    page.locator("#amount_by_day .chart svg").tap()
    assert re.search(r"\d,\d\d", page.inner_text("#tip"))
    page.locator("h1").tap()
    assert page.is_hidden("#tip")


# For every reader


@pytest.mark.parametrize("name", ["english", "russian", "alone"])
def test_axe_finds_nothing_serious(request: pytest.FixtureRequest, name: str) -> None:
    page = request.getfixturevalue(name).page
    cells(page, PANEL["weekday_month"])
    violations = Axe().run(page).response["violations"]
    fold(page)
    serious = [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_every_chart_says_what_it_shows(russian: Opened) -> None:
    for panel in DRAWN:
        chart = russian.page.locator(f"#{panel.id} .chart")
        assert chart.get_attribute("role") == "img"
        assert panel.picture is not None
        assert panel.picture.ru in (chart.get_attribute("aria-label") or "")


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on a screen of another width, to which its charts adapt."""
    name, width = request.param
    page: Page = request.getfixturevalue(name).page
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size({"width": width, "height": before["height"]})
    page.wait_for_function(
        """() => [...document.querySelectorAll(".drawing:has(svg)")].every((each) =>
            Math.abs(each.clientWidth - each.querySelector("svg").clientWidth) < 2)"""
    )
    yield page
    page.set_viewport_size(before)


@pytest.mark.parametrize(
    "screen", [("russian", 360), ("english", 390), ("thirty", 820)], ids=str, indirect=True
)
def test_nothing_is_wider_than_the_screen(screen: Page) -> None:
    assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
    charts: list[list[float]] = screen.evaluate(
        "[...document.querySelectorAll('.chart')].map((each) =>"
        " [each.scrollWidth, each.clientWidth])"
    )
    assert all(inner <= outer for inner, outer in charts)


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


@pytest.fixture
def dark(alone: Opened) -> Iterator[Page]:
    """The page of one import, which goes back to everything, on a dark screen, afterwards."""
    yield alone.page
    alone.page.emulate_media(media="screen", color_scheme="dark")
    fold(alone.page)
    go_to(alone.page, Selection(AS_OF))
    assert alone.complaints == []


def test_the_theme_is_the_systems_until_the_reader_chooses_one(alone: Opened, dark: Page) -> None:
    light_color, dark_color = "rgb(244, 245, 247)", "rgb(18, 21, 27)"
    page = dark
    assert background(page) == dark_color
    page.emulate_media(color_scheme="light")
    assert background(page) == light_color
    page.get_by_label("Theme").select_option("dark")
    assert background(page) == dark_color
    page.emulate_media(color_scheme="dark")
    page.get_by_label("Theme").select_option("light")
    assert background(page) == light_color
    page.reload()
    assert background(page) == light_color
    alone.complaints.remove(f"asked for {page.url.partition('#')[0]}")
    page.get_by_label("Theme").select_option("auto")
    drawn(page)


def test_on_paper_it_is_light_and_says_what_was_chosen(dark: Page) -> None:
    page = dark
    before = page.viewport_size
    assert before is not None
    page.get_by_label("North", exact=True).check()
    drawn(page)
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    assert page.is_hidden("#regions")
    assert page.is_hidden("#theme")
    assert page.inner_text("#shown") == "Shown: North"
    assert page.is_visible("#pareto .chart svg")
    page.set_viewport_size({"width": 718, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.set_viewport_size(before)


def test_the_age_is_counted_in_days_of_moscow(alone: Opened) -> None:
    """It is still the day before in UTC."""
    assert figure(alone.page, "import_age") == "1 day"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.en, ["1 day", "2 days", "5 days", "21 days"]),
        (Language.ru, ["1 день", "2 дня", "5 дней", "21 день"]),
    ],
)
def test_days_are_counted_in_the_words_of_the_language(
    blank: Page, language: Language, said: list[str]
) -> None:
    given = {
        "language": language,
        "decimals": {"money": 2},
        "money_decimals": 2,
        "words": {key: text(key, language) for key in TEXTS if key.startswith("unit.days.")},
    }
    blank.set_content(f'<script type="application/json" id="data">{as_json(given)}</script>')
    counted = f"(() => {{ {packaged('words.js')}; return [1, 2, 5, 21].map(countedDays); }})()"
    assert blank.evaluate(counted) == said


# Few imports and many, and strange ones


def test_one_import_without_rejects_says_so(alone: Opened) -> None:
    page = alone.page
    assert page.inner_text("#rejects_by_reason .empty") == "No row was rejected."
    assert page.is_hidden("#rejects_by_reason .chart")
    for panel in ("total_sales", "total_sales_amount", "average_sale_amount", "rejected_share"):
        assert "no previous import to compare with" in page.inner_text(f"#{panel} .beside")
    assert figure(page, "rejected_share") == "0.00%"
    assert page.locator("#imports .mark-rect path").count() == 1
    assert alone.complaints == []


def test_no_sales_for_a_choice_is_said_and_not_drawn(published: Published, following: Page) -> None:
    page = following
    choice = list(published.answers)[NOTHING]
    go_to(page, choice)
    assert_every_figure_is_right(page, published.answers[choice])
    assert page.inner_text("#sales_by_region .empty") == text("page.no_sales", Language.en)
    assert page.is_hidden("#sales_by_region .chart")
    assert figure(page, "average_sale_amount") == "–"
    page.click("#reset")
    drawn(page)
    assert page.is_visible("#sales_by_region .chart svg")


@pytest.mark.parametrize("screen", [("thirty", 390), ("thirty", 1440)], ids=str, indirect=True)
def test_thirty_imports_are_told_apart(thirty: Opened, screen: Page) -> None:
    assert screen.locator("#imports .mark-rect path").count() == 30
    for panel in DRAWN:
        boxes: list[dict[str, float]] = screen.evaluate(
            """(id) => [...document.querySelectorAll(
                `#${id} .role-axis-label text`)]
                .filter((each) => getComputedStyle(each).opacity !== "0")
                .map((each) => each.getBoundingClientRect().toJSON())""",
            panel.id,
        )
        assert len(boxes) > 2
        assert [
            (one, other)
            for at, one in enumerate(boxes)
            for other in boxes[at + 1 :]
            if overlap(one, other)
        ] == [], panel.id
    assert thirty.complaints == []


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["left"] < other["right"]
        and other["left"] < one["right"]
        # Lines of text have some air above and below.
        and one["top"] + 3 < other["bottom"]
        and other["top"] + 3 < one["bottom"]
    )


def test_a_name_is_text_whatever_is_in_it(dark: Page) -> None:
    box = dark.get_by_label(EVIL, exact=True)
    box.check()
    drawn(dark)
    assert dark.inner_text("#shown") == f"Shown: {EVIL}"
    assert cells(dark, PANEL["sales_by_region"])[0][0] == EVIL
    assert dark.locator("img").count() == 0


def test_without_an_import_the_next_step_is_named(tmp_path: Path) -> None:
    with embedded_clickhouse(tmp_path / "clickhouse") as dsn, clickhouse(dsn) as store:
        with pytest.raises(BatchError, match="run: vitrina run"):
            read_snapshot(store, SALES)
        store.create_tables(SALES)
        with pytest.raises(BatchError, match="run: vitrina run"):
            read_snapshot(store, SALES)


# Written


def vitrina(home: Path, *arguments: str) -> Ended:
    return call(home, "dashboard", *arguments, environment={"VITRINA_HOME": str(home)})


def test_the_command_writes_the_page_and_prints_where(published: Published) -> None:
    english = vitrina(published.home)
    assert (english.code, english.out) == (0, f"{published.home / 'dashboard.html'}\n")
    russian = vitrina(published.home, "--lang", "ru", "--json").json
    assert russian == {
        "file": str(published.home / "dashboard.ru.html"),
        "import_date": AS_OF.isoformat(),
        "language": "ru",
    }
    for name, language in (("dashboard.html", "en"), ("dashboard.ru.html", "ru")):
        page = (published.home / name).read_text(encoding="utf-8")
        assert page.startswith(f'<!doctype html>\n<html lang="{language}">')
    assert not list(published.home.glob(".dashboard*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "ClickHouse has no import to show yet; run: vitrina run"),
        (("--serve",), "ClickHouse has no import to show yet; run: vitrina run"),
        (("--serve", "--out", "x.html"), "--serve writes no file; leave out --serve or --out"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    ended = vitrina(tmp_path, *arguments)
    assert (ended.code, ended.out, ended.err) == (1, "", f"error: {message}\n")


def test_a_page_takes_the_place_of_an_earlier_one_and_of_nothing_else(
    published: Published, tmp_path: Path
) -> None:
    page = render(published.first_alone, GENERATED, Language.en)
    file = tmp_path / "new folder" / "page.html"
    write(page, file)
    # As version 0.1.0 wrote it, without a mark.
    file.write_text(page.replace('<meta name="generator" content="Vitrina">\n', ""))
    write(page, file)
    assert file.read_text() == page
    for other in ("notes", "<!doctype html><p>of somebody else"):
        file.write_text(other)
        with pytest.raises(SettingsError, match="was not written by this command, so it stays"):
            write(page, file)
        assert file.read_text() == other
    assert [each.name for each in file.parent.iterdir()] == ["page.html"]


# Served


def fetched(port: int, path: str = "/", **headers: str) -> tuple[int, str]:
    """The status of an answer and what it says."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_a_served_page_renews_itself_when_a_batch_lands(
    published: Published, browser: Browser
) -> None:
    settings = Settings(home=published.home)
    folder = published.home / "clickhouse"
    with (
        serving(settings, GENERATED, Language.en, 0, every=0.1) as server,
        opened(browser, server.url + "#region=West") as seen,
    ):
        assert server.url.startswith("http://127.0.0.1:")
        with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
            entry = landed(store)
            # While a batch has the store, whoever looks gets what there is.
            assert said("import_date", entry.as_of) not in fetched(server.server_port)[1]
        seen.page.wait_for_function(
            "(text) => document.getElementById('import_age').innerText.includes(text)",
            arg=said("import_date", entry.as_of),
            timeout=15_000,
        )
        drawn(seen.page)
        assert seen.page.inner_text("#shown") == "Shown: West"
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
        store.withdraw(entry.as_of)


def landed(store: ClickHouse) -> LedgerEntry:
    """The batch of the week after: its ledger row, which comes last."""
    moment = datetime(2026, 12, 1, 12, 50, tzinfo=UTC)
    entry = ledger_entry(AS_OF + timedelta(weeks=1), total_sales_amount=Decimal("99.50"))
    store.record_batch(entry, moment, [], {})
    return entry


def test_only_the_page_is_served_and_only_to_this_machine(published: Published) -> None:
    with serving(Settings(home=published.home), GENERATED, Language.ru, 0) as server:
        port = server.server_port
        status, page = fetched(port)
        assert status == 200
        assert page.startswith('<!doctype html>\n<html lang="ru">')
        status, version = fetched(port, "/version")
        assert status == 200
        assert f'"version":"{version}"' in page
        assert fetched(port, "/etc/passwd")[0] == 404
        assert fetched(port, Host="evil.example:80")[0] == 421
        with socket.socket() as elsewhere:
            assert elsewhere.connect_ex(("127.0.0.2", port)) != 0
        with (
            pytest.raises(SettingsError, match=f"port {port} cannot be used: .*--port"),
            serving(Settings(home=published.home), GENERATED, Language.en, port),
        ):
            pass
    with socket.socket() as afterwards:
        assert afterwards.connect_ex(("127.0.0.1", port)) != 0


# Words


def test_every_word_is_there_in_both_languages() -> None:
    words = [*TEXTS.values(), *(column.words for column in PANEL_COLUMNS.values())]
    for panel in PANELS:
        words += [panel.title, panel.question, *filter(None, (panel.picture, panel.empty))]
    for rule in ALERT_RULES:
        words += [rule.title, rule.summary]
    for english, russian in words:
        assert english
        assert russian, english
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", russian), english


def test_every_word_of_the_page_is_in_use_and_every_word_in_use_is_there() -> None:
    source = Path(__file__).parents[1] / "src" / "vitrina" / "dashboard"
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("page", "grafana")
        for path in sorted((source / folder).glob("*.*"))
    )
    # `page.${key}` and the like put these together.
    composed = {
        *(f"page.change_{way}{much}" for way in ("up", "down") for much in ("", "_little")),
        "page.change_none",
        "page.not_by_region",
        "page.not_by_product",
    }
    named = set(re.findall(r"(?<![\w.])page\.[a-z_]+(?=[\"'`]|-->)", code)) | composed
    known = {key for key in TEXTS if key.startswith("page.")}
    assert named - {"page.html", "page.css", "page.js"} == known
