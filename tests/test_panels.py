"""A panel is one entry, and its query gives the same figures in ClickHouse and in the page."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browsers import launched, opened
from tests.homes import clickhouse_with_tables
from tests.ledgers import ledger_entry
from tests.mart_rows import BY_DAY, BY_REGION_PRODUCT, mart_table
from tests.moments import TODAY, at_the_moment
from vitrina import contract
from vitrina.contract import SALES
from vitrina.dashboard.expressions import share, total, whole
from vitrina.dashboard.grafana import dashboards
from vitrina.dashboard.page import contents, html, snapshot
from vitrina.dashboard.page.files import write
from vitrina.dashboard.page.html import packaged, render
from vitrina.dashboard.page.snapshot import page_plans, read_snapshot
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels import PANELS
from vitrina.dashboard.placeholders import Selection, Variable, literal
from vitrina.dashboard.query import Plans, Query, Table, sql
from vitrina.dashboard.texts import Language, Words
from vitrina.rules import MAX_REJECTED_SHARE, NOTABLE_REJECTED_SHARE
from vitrina.stores.clickhouse.store import ClickHouse

DASHBOARD = Path(html.__file__).parents[1]
DOCS = Path(__file__).parents[1] / "docs"
AS_OF = date(2026, 11, 24)
WEEK_BEFORE = AS_OF - timedelta(days=7)
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ENTRY = ledger_entry(
    AS_OF,
    rows_in=1000,
    clean=2,
    rejected=3,
    total_sales_amount=Decimal("30.50"),
    started_at=AT,
    loaded_at=AT,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouse]:
    with clickhouse_with_tables(tmp_path / "clickhouse") as created:
        yield created


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as started:
        yield started


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


def test_the_documentation_has_every_panel_and_its_question() -> None:
    page = (DOCS / "dashboards.md").read_text(encoding="utf-8")
    assert f"|---|---|---|---|\n{documented(PANELS)}\n\n" in page


def test_a_new_panel_is_one_entry(
    store: ClickHouse, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dashboards, snapshot, contents, html):
        monkeypatch.setattr(module, "PANELS", (*PANELS, UNITS_BY_REGION))
    import_of(store, AS_OF, [{"region": "West", "total_quantity": 7}, {"total_quantity": 12}])
    shown = read_snapshot(store)
    for language in Language:
        title = UNITS_BY_REGION.title.of(language)
        panels = {each["title"]: each for each in dashboards.sales_dashboard(language)["panels"]}
        added = panels[title]
        assert added["type"] == "barchart"
        assert "sum(t.total_quantity)" in added["targets"][0]["rawSql"]
        write(render(shown, SALES, language), tmp_path / f"{language}.html")
        with opened(browser, (tmp_path / f"{language}.html").as_uri()) as seen:
            assert seen.page.inner_text("#units_by_region h3") == title
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
        [Selection(AS_OF), *draw(st.lists(choice, min_size=2, max_size=2))],
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
    entry = replace(ENTRY, as_of=day, rejected=ledger[0], rows_in=ledger[1])
    store.record_batch(entry, AT, [], {"region_unknown": 1, "sale_id_missing": 2})


def in_page(page: Page, plans: Plans, tables: Any, choices: Sequence[Selection]) -> list[Any]:
    """What the page's script gives for every step of the plans, for each choice."""
    given = {
        "steps": plans.steps,
        "tables": tables,
        "units": {name: column.unit for name, column in PANEL_COLUMNS.items()},
        "choices": [[each.regions, each.products] for each in choices],
    }
    written: str = page.evaluate(
        """([script, today, given]) => {
            const read = new Function(`${script}; return { queries, rowsOfTable };`)();
            const { steps, tables, units, choices } = JSON.parse(given);
            const rows = Object.fromEntries(Object.entries(tables).map(
                ([name, table]) => [name, read.rowsOfTable(table, units)]));
            const answers = choices.map(([regions, products]) => {
                const choice = { regions: new Set(regions), products: new Set(products) };
                const rowsOf = read.queries(steps, rows, choice, today);
                return steps.map((_, place) => rowsOf(place));
            });
            return JSON.stringify(answers, (_, value) =>
                typeof value === "bigint" ? String(value) : value);
        }""",
        [packaged("query.js"), TODAY.isoformat(), contents.as_json(given)],
    )
    answers: list[Any] = json.loads(written)
    return answers


def as_in_page(column: str, value: Any) -> Any:
    """A figure of ClickHouse as the page's script has it."""
    unit = PANEL_COLUMNS[column].unit
    if value is None:
        return None
    if unit in ("money", "share", "count"):
        return str(int(value.scaleb(2 if unit == "money" else 6) if unit != "count" else value))
    return value.isoformat() if isinstance(value, date) else value


def compare(store: ClickHouse, page: Page, queries: Sequence[Query], case: Example) -> None:
    plans = page_plans()
    places = [plans.add(query) for query in queries]
    tables = contents.contents(read_snapshot(store), SALES, Language.en, None)["tables"]
    answers = in_page(page, plans, tables, case.choices)
    for choice, answer in zip(case.choices, answers, strict=True):
        for query, place in zip(queries, places, strict=True):
            statement = at_the_moment(literal(sql(query), choice))
            _, rows = store.query(statement)
            expected = [
                {
                    column: as_in_page(column, each)
                    for column, each in zip(query.columns, row, strict=True)
                }
                for row in rows
            ]
            assert answer[place] == expected, (choice, statement)


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
@settings(max_examples=1 + settings().max_examples // 5)
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
