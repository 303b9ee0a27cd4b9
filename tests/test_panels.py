"""A panel is one entry, and its query gives the same figures in ClickHouse and in the page."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, sync_playwright

from tests.answers import answer
from tests.browsers import drawn, launched, opened
from tests.grafana_files import PANEL_IDS, PANELS
from tests.homes import clickhouse_with_tables
from tests.ledgers import TWO_SALES
from tests.mart_rows import BY_DAY, BY_REGION_PRODUCT, mart_table
from tests.moments import TODAY, at_the_moment
from tests.own_shop import ODD_PRODUCTS, ODD_REGIONS, fill_own_shop, own_shop
from tests.panel_figures import Choice, Figures
from tests.test_grafana import contents as tables_of
from vitrina import contract
from vitrina.contract import SALES
from vitrina.dashboard.currencies import sign, written_decimals
from vitrina.dashboard.expressions import share, total, whole
from vitrina.dashboard.grafana import dashboards
from vitrina.dashboard.page import contents, html, snapshot
from vitrina.dashboard.page.files import write
from vitrina.dashboard.page.html import packaged, render
from vitrina.dashboard.page.snapshot import page_plans, read_snapshot
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels import panels
from vitrina.dashboard.placeholders import Selection, Variable, literal
from vitrina.dashboard.query import Plans, Query, Table, sql
from vitrina.dashboard.texts import Language, Words
from vitrina.rules import MAX_REJECTED_SHARE, NOTABLE_REJECTED_SHARE
from vitrina.store import GENERATED, Store
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse

DASHBOARD = Path(html.__file__).parents[1]
DOCS = Path(__file__).parents[1] / "docs"
AS_OF = date(2026, 11, 24)
WEEK_BEFORE = AS_OF - timedelta(days=7)
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouse]:
    with clickhouse_with_tables(tmp_path / "clickhouse") as created:
        yield created


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as started:
        yield started


# A store's own: many regions, texts for ids, returns, orders


@dataclass(frozen=True)
class Own:
    """Two imports of it, and what ClickHouse and DuckDB say of them."""

    store: Store
    snapshot: snapshot.Snapshot
    answers: dict[Selection, dict[Query, list[tuple[Any, ...]]]]
    """Of each choice, the rows of each panel's query, and of its key."""
    expected: dict[Selection, dict[str, list[tuple[Any, ...]]]]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return panels(self.store.contract)

    @property
    def queries(self) -> list[Query]:
        return [each for panel in self.panels for each in (panel.query, panel.key) if each]


OWN_CHOICES = (
    Selection(AS_OF),
    Selection(AS_OF, (*ODD_REGIONS, "Kreis 1", "Kreis 2", "Kreis 3", "Kreis 4")),
    Selection(AS_OF, ("Château d'Oex", 'Halle "Süd"'), ODD_PRODUCTS),
    Selection(AS_OF, (), ("SKU-00001", "no such product")),
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    shop = own_shop(folder)
    with (
        embedded_clickhouse(folder / "clickhouse") as dsn,
        clickhouse(dsn, database="store_kontor") as opened_,
        closing(duckdb.connect()) as database,
    ):
        fill_own_shop(opened_, shop, 8)
        for name, rows in tables_of(opened_, shop.contract).items():
            database.register(name, rows)
        figures = Figures(database, TODAY, is_large=True, has_orders=True, has_returns=True)
        found = Own(shop, read_snapshot(opened_, shop.contract), {}, {})
        for choice in OWN_CHOICES:
            found.answers[choice] = {
                query: answer(opened_, at_the_moment(literal(sql(query), choice, shop.time_zone)))[
                    1
                ]
                for query in found.queries
            }
            asked = Choice(choice.import_date, choice.regions, choice.products)
            found.expected[choice] = {
                panel.id: figures.of(panel.id, asked) for panel in found.panels
            }
    return found


def test_a_store_with_returns_and_orders_shows_them_and_another_none(own: Own) -> None:
    returns = {"total_returns_amount", "net_amount", "returned_products", "returns_by_region"}
    assert {panel.id for panel in own.panels} - {*PANEL_IDS} == returns
    (average,) = (panel for panel in own.panels if panel.id == "average_sale_amount")
    assert average.value == "average_order_amount"


@pytest.mark.parametrize("choice", OWN_CHOICES, ids=["all", "regions", "both", "products"])
def test_clickhouse_answers_for_such_a_store_what_duckdb_computes(
    own: Own, choice: Selection
) -> None:
    for panel in own.panels:
        assert own.answers[choice][panel.query] == own.expected[choice][panel.id], panel.id


def test_the_page_computes_for_such_a_store_what_clickhouse_answers(own: Own, blank: Page) -> None:
    plans = page_plans(own.store.contract)
    places = [plans.add(query) for query in own.queries]
    tables = contents.contents(own.snapshot, own.store, Language.en, None)["tables"]
    answers = in_page(blank, plans, tables, OWN_CHOICES, places)
    for choice, computed in zip(OWN_CHOICES, answers, strict=True):
        for query, found in zip(own.queries, computed, strict=True):
            rows = own.answers[choice][query]
            assert found == in_page_s_terms(query, rows), (choice, sql(query))


def test_a_large_store_has_its_largest_regions_and_the_rest(own: Own) -> None:
    """38 regions are too many to tell apart; nothing of their amount is left out of the bars."""
    shown = own.expected[OWN_CHOICES[0]]
    bars = shown["sales_by_region"]
    assert len(bars) == 9
    assert bars[-1][0] == "…"
    assert sum(row[2] for row in bars) == shown["total_sales_amount"][0][0]
    assert len({row[1] for row in shown["amount_by_day_region"]}) == 8
    assert len({row[1] for row in shown["day_region"]}) == 12
    changes = shown["region_change"]
    assert len(changes) == 9
    assert sum(row[1] for row in changes) == shown["last_days"][0][1]


def test_the_page_of_such_a_store_carries_its_name_its_currency_and_its_texts(
    own: Own, browser: Browser, tmp_path: Path
) -> None:
    write(render(own.snapshot, own.store, Language.en), tmp_path / "page.html")
    (amount, *_), (net, *_) = (
        own.expected[OWN_CHOICES[0]][name][0] for name in ("total_sales_amount", "net_amount")
    )
    with opened(browser, (tmp_path / "page.html").as_uri()) as seen:
        page = seen.page
        assert page.inner_text("h1") == 'Kontor "Ö" & <Söhne>: sales' == page.title()
        assert page.inner_text("#total_sales_amount .figure") == f"€{amount:,.2f}"
        assert page.inner_text("#net_amount .figure") == f"€{net:,.2f}"
        assert page.locator("#regions > label").count() == 8
        assert page.inner_text("#more-regions summary") == "30 more"
        # A search finds any of the products, the best of them first.
        page.fill("#product", "sku-0399")
        offered = page.eval_on_selector_all("#product-list option", "all => all.map(o => o.value)")
        assert offered
        assert all(each.startswith("SKU-0399") for each in offered)
        for product in ("00123", 'o\'neill "xl"', ODD_PRODUCTS[0]):
            page.fill("#product", product)
            page.keyboard.press("Enter")
            drawn(page)
        chosen = page.locator("#chosen li").all_inner_texts()
        assert chosen == ["00123 ×", 'O\'Neill "XL" ×', f"{ODD_PRODUCTS[0]} ×"]
        page.reload()
        drawn(page)
        assert page.locator("#chosen li").count() == 3
        assert {
            row.split("\t")[1] for row in page.locator("#top_products tbody tr").all_inner_texts()
        } == {"00123", 'O\'Neill "XL"', ODD_PRODUCTS[0]}
        assert seen.complaints == [f"asked for {page.url.partition('#')[0]}"]


@pytest.mark.parametrize(
    ("language", "currency", "written"),
    [
        (Language.en, "EUR", "€1,234,567.05"),
        (Language.ru, "EUR", "1 234 567,05 €"),
        (Language.en, "RUB", "₽1,234,567.05"),
        (Language.ru, "RUB", "1 234 567,05 ₽"),
        (Language.en, "CHF", "CHF 1,234,567.05"),
        (Language.en, "JPY", "¥1,234,567"),
        (Language.ru, None, "1 234 567,05"),
    ],
)
def test_an_amount_has_the_currency_where_the_language_puts_it(
    blank: Page, language: Language, currency: str | None, written: str
) -> None:
    given = {
        "language": language,
        "currency": currency,
        "has_sign": currency is not None and sign(currency) != currency,
        "decimals": {"money": 2},
        "money_decimals": written_decimals(currency, 2),
    }
    blank.set_content(
        f'<script type="application/json" id="data">{contents.as_json(given)}</script>'
    )
    said = blank.evaluate(
        f"(() => {{ {packaged('words.js')}; return [money(123456705n), money(-450n)]; }})()"
    )
    assert said[0].replace("\N{NO-BREAK SPACE}", " ") == written
    assert said[1].startswith("−")
    assert ("5" if currency == "JPY" else "4") in said[1]


# One entry


UNITS_BY_REGION = Panel(
    id="units_by_region",
    section="products",
    kind=Kind.bars,
    title=Words("Units by region", "Штуки по регионам"),
    question=Words("Where are the most units sold?", "Где продано больше всего штук?"),
    picture=Words("A bar for each region", "Полоса на регион"),
    query=Table("sales_by_region_product", ("region", "total_quantity", "total_sales_amount"))
    .chosen(Variable.region, Variable.product)
    .group("region", total_quantity=total("total_quantity"), amount=total("total_sales_amount"))
    .window(whole=whole("amount"))
    .derive(share=share("amount", "whole"))
    .select("region", "total_quantity", "share")
    .order("-total_quantity", "region"),
    value="total_quantity",
    x="region",
    size=Size(10, 9, on_page=4),
)


def documented(panels: Sequence[Panel]) -> str:
    """The rows of the table in `docs/dashboards.md`."""
    return "\n".join(
        f"| {panel.title.en} | {panel.question.en} | {panel.kind.replace('_', ' ')} "
        f"| {', '.join(sorted(panel.variables)) or '–'} |"
        for panel in panels
    )


def test_the_documentation_has_every_panel_and_its_question(own: Own) -> None:
    page = (DOCS / "dashboards.md").read_text(encoding="utf-8")
    of_returns = [panel for panel in own.panels if panel.id not in PANEL_IDS]
    for shown in (PANELS, of_returns):
        assert f"|---|---|---|---|\n{documented(shown)}\n\n" in page


def test_a_new_panel_is_one_entry(
    store: ClickHouse, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dashboards, snapshot, contents, html):
        monkeypatch.setattr(module, "panels", lambda _: (*PANELS, UNITS_BY_REGION))
    import_of(store, AS_OF, [{"region": "West", "total_quantity": 7}, {"total_quantity": 12}])
    for language in Language:
        title = UNITS_BY_REGION.title.of(language)
        board = dashboards.sales_dashboard(GENERATED, language)
        added = {each["title"]: each for each in board["panels"]}[title]
        assert added["type"] == "barchart"
        assert "sum(t.total_quantity)" in added["targets"][0]["rawSql"]
    write(render(read_snapshot(store, SALES), GENERATED, Language.ru), tmp_path / "page.html")
    with opened(browser, (tmp_path / "page.html").as_uri()) as seen:
        assert seen.page.inner_text("#units_by_region h3") == UNITS_BY_REGION.title.ru
        seen.page.click("#units_by_region summary")
        shown_rows = seen.page.locator("#units_by_region tbody tr")
        shown_rows.first.wait_for()  # the table is made once it is open
        cells = shown_rows.all_inner_texts()
        assert [each.split("\t")[1] for each in cells] == ["12", "7"]
        assert seen.complaints == []
    expected = "| Units by region | Where are the most units sold? | bars | import_date, product,"
    assert expected in documented([UNITS_BY_REGION])


def test_the_panel_warns_of_rejected_rows_by_the_bounds_of_the_rules() -> None:
    (panel,) = (each for each in PANELS if each.id == "rejected_share")
    bounds = [0, float(NOTABLE_REJECTED_SHARE), float(MAX_REJECTED_SHARE)]
    assert [each.value for each in panel.thresholds] == bounds


@pytest.mark.parametrize("path", sorted(DASHBOARD.rglob("*.py")), ids=lambda path: path.name)
def test_what_draws_holds_no_sql(path: Path) -> None:
    if path.parent.name in ("page", "grafana"):
        texts = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [each for each in texts if re.search(r"\b(SELECT|FROM|WHERE|GROUP BY)\b", each)]


def test_the_time_zone_is_that_of_the_contract() -> None:
    for path in DASHBOARD.rglob("*.*"):
        if path.suffix in (".py", ".js", ".html"):
            assert contract.TIME_ZONE not in path.read_text(), path.name


# One query, twice


@dataclass(frozen=True)
class Example:
    """What was imported, and what a reader chooses."""

    sales: Mapping[date, list[dict[str, Any]]]
    days: list[dict[str, Any]]
    ledger: Mapping[date, tuple[int, int]]
    """Rejected rows and rows in the feed."""
    choices: list[Selection]


# The last two are the other way round in UTF-16 than in UTF-8.
REGIONS = ("North", "O'Neill's", "Öl", "～", "\U0001f600")
AMOUNTS = st.integers(0, 10**14).map(lambda cents: Decimal(cents).scaleb(-2))
# Equal amounts are ranked by what comes after them.
FEW = st.sampled_from([Decimal("0.00"), Decimal("0.01"), Decimal("12.50"), Decimal("1000000.07")])


@st.composite
def examples(draw: st.DrawFn) -> Example:
    def sold(amounts: st.SearchStrategy[Decimal], *, least_rows: int) -> list[dict[str, Any]]:
        rows = st.fixed_dictionaries(
            {
                "region": st.sampled_from(REGIONS),
                "product_id": st.integers(1, 6),
                "total_sales": st.integers(1, 10**6),
                "total_quantity": st.integers(1, 10**7),
                "total_sales_amount": amounts,
            }
        )
        key = lambda row: (row["region"], row["product_id"])  # noqa: E731
        return draw(st.lists(rows, min_size=least_rows, max_size=15, unique_by=key))

    day_rows = st.fixed_dictionaries(
        {
            "sale_date": st.dates(date(2026, 1, 27), date(2026, 3, 2)),
            "region": st.sampled_from(REGIONS),
            "total_sales": st.integers(0, 9),
            "total_sales_amount": FEW | AMOUNTS,
            "moving_average_7_days": st.none() | FEW,
        }
    )
    day_key = lambda row: (row["sale_date"], row["region"])  # noqa: E731
    sales = {AS_OF: sold(FEW | AMOUNTS, least_rows=4)}
    if draw(st.booleans()):
        sales[WEEK_BEFORE] = sold(AMOUNTS, least_rows=0)
    ledger = st.tuples(st.integers(0, 10**12), st.integers(0, 10**12))
    choice = st.builds(
        Selection,
        st.just(AS_OF),
        st.lists(st.sampled_from(REGIONS), max_size=3, unique=True).map(tuple),
        st.lists(st.integers(1, 7), max_size=3, unique=True).map(tuple),
    )
    return Example(
        sales,
        draw(st.lists(day_rows, min_size=8, max_size=30, unique_by=day_key)),
        {day: draw(ledger) for day in sales},
        [Selection(AS_OF), draw(choice)],
    )


def import_of(
    store: ClickHouse,
    day: date,
    sales: list[dict[str, Any]],
    days: Sequence[dict[str, Any]] = (),
    ledger: tuple[int, int] = (3, 1000),
) -> None:
    for mart, rows in ((BY_REGION_PRODUCT, sales), (BY_DAY, days)):
        store.stage(mart, day, AT, mart_table(mart, *rows))
        store.replace_import(mart, day)
    entry = replace(TWO_SALES, as_of=day, rejected=ledger[0], rows_in=ledger[1])
    store.record_batch(entry, AT, [], {"region_unknown": 1, "sale_id_missing": 2})


def in_page(
    page: Page, plans: Plans, tables: Any, choices: Sequence[Selection], places: Sequence[int]
) -> list[list[Any]]:
    """What the page's script gives for these steps of the plans, for each choice."""
    given = {
        "steps": plans.steps,
        "tables": tables,
        "units": {name: column.unit for name, column in PANEL_COLUMNS.items()},
        "choices": [[each.regions, each.products] for each in choices],
        "places": places,
    }
    written: str = page.evaluate(
        """([script, today, given]) => {
            const read = new Function(`${script}; return { queries, rowsOfTable };`)();
            const { steps, tables, units, choices, places } = JSON.parse(given);
            const rows = Object.fromEntries(Object.entries(tables).map(
                ([name, table]) => [name, read.rowsOfTable(table, units)]));
            const answers = choices.map(([regions, products]) => {
                const choice = { regions: new Set(regions), products: new Set(products) };
                const rowsOf = read.queries(steps, rows, choice, today, 1n);
                return places.map((place) => rowsOf(place));
            });
            return JSON.stringify(answers, (_, value) =>
                typeof value === "bigint" ? String(value) : value);
        }""",
        [packaged("query.js"), TODAY.isoformat(), contents.as_json(given)],
    )
    answers: list[list[Any]] = json.loads(written)
    return answers


def as_in_page(column: str, value: Any) -> Any:
    """A figure of ClickHouse as the page's script has it."""
    unit = PANEL_COLUMNS[column].unit
    if value is None:
        return None
    if unit in ("money", "share"):
        return str(int(value.scaleb(2 if unit == "money" else 6)))
    if unit in ("count", "quantity"):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def in_page_s_terms(query: Query, rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [
        {column: as_in_page(column, each) for column, each in zip(query.columns, row, strict=True)}
        for row in rows
    ]


def compare(store: ClickHouse, page: Page, queries: Sequence[Query], case: Example) -> None:
    plans = page_plans(SALES)
    places = [plans.add(query) for query in queries]
    tables = contents.contents(read_snapshot(store, SALES), GENERATED, Language.en, None)["tables"]
    answers = in_page(page, plans, tables, case.choices, places)
    for choice, computed in zip(case.choices, answers, strict=True):
        for query, found in zip(queries, computed, strict=True):
            statement = at_the_moment(literal(sql(query), choice))
            _, rows = answer(store, statement)
            assert found == in_page_s_terms(query, rows), (choice, statement)


def on_the_edge() -> Example:
    """Classes, roundings and places that are decided by a hair."""
    amounts = {1: "80.00", 2: "15.00", 3: "2.50", 4: "2.50"}
    sales = [
        {"product_id": product, "total_sales": 2000, "total_sales_amount": Decimal(amount)}
        for product, amount in amounts.items()
    ]
    days = [
        {
            "sale_date": date(2026, 2, 28),
            "region": region,
            "total_sales": 2,
            "total_sales_amount": Decimal("0.01"),
            "moving_average_7_days": average,
        }
        for region, average in (("North", Decimal(5)), ("Öl", Decimal(5)), ("～", Decimal(0)))
    ]
    return Example(
        {AS_OF: sales, WEEK_BEFORE: sales[:1]},
        days,
        {AS_OF: (1, 2_000_000), WEEK_BEFORE: (0, 0)},
        [Selection(AS_OF), Selection(AS_OF, ("North",), (3,)), Selection(AS_OF, ("～",))],
    )


# An example is many rows, three choices and every query: a few of them go a long way.
@settings(max_examples=settings().max_examples // 12)
@example(case=on_the_edge())
@given(case=examples())
def test_the_page_computes_what_clickhouse_answers(
    store_for_all: ClickHouse, blank: Page, case: Example
) -> None:
    store_for_all.withdraw(WEEK_BEFORE)
    for day, sales in case.sales.items():
        import_of(store_for_all, day, sales, case.days, case.ledger[day])
    queries = [each for panel in PANELS for each in (panel.query, panel.key) if each is not None]
    compare(store_for_all, blank, queries, case)


@pytest.fixture(scope="module")
def store_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with clickhouse_with_tables(tmp_path_factory.mktemp("panels")) as created:
        yield created


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Page:
    return browser.new_page()
