"""A further field, mart, panel and step, as `docs/extending.md` shows them, go all the way.

Each test runs the page's own code. `test_new_step.py` and `test_panels.py` add a step and a panel
to the whole package.
"""

import datetime
import runpy
import sys
from decimal import Decimal
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import vitrina.marts
from tests.pages import ROOT, blocks
from tests.rows import shop
from vitrina import pipeline
from vitrina.contract import SALES, Contract
from vitrina.dashboard.placeholders import Selection, literal
from vitrina.generator.recipe import Dirt, Recipe
from vitrina.marts import Mart
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.settings import Settings
from vitrina.steps import analyze

PAGE = ROOT / "docs" / "extending.md"
AS_OF = datetime.date(2026, 11, 24)
ROWS = 1500
# So much dirt that every reason occurs.
RECIPE = Recipe(ROWS, dirt=Dirt(Decimal("0.08"), Decimal("0.02"), Decimal("0.02")))


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, max_rejected_share=Decimal("0.2"))


def shown(section: str) -> dict[str, Any]:
    """What the page's code for this section defines."""
    found: dict[str, Any] = {"__name__": "extending"}
    for _, text in blocks(PAGE, "python", below=section):
        exec(text, found)  # noqa: S102
    return found


def test_a_field_is_generated_checked_and_loaded(home: Settings, engines: Opened) -> None:
    (contract,) = [each for each in shown("A field").values() if type(each) is Contract][-1:]
    (field,) = [each for each in contract.fields if each not in SALES.fields]
    with Run(home, AS_OF, RECIPE, shop(contract), opened=engines) as run:
        for step in STEPS:
            run.step(step)
        query = f"SELECT {field.name}, count(*) FROM sale GROUP BY 1"
        sales: dict[str, int] = dict(run.postgres.query(query)[1])
        report = run.lake.read_document("validate", "report.json")
    assert sales.keys() == {*field.allowed}
    assert sum(sales.values()) > 0.8 * ROWS
    assert report is not None
    assert {f"{field.name}_missing", f"{field.name}_unknown"} <= report["reasons"].keys()


def test_a_mart_is_computed_reconciled_and_published(
    home: Settings, engines: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, declared = shown("A mart"), vitrina.marts.marts
    known = {mart.name for mart in declared(SALES)}
    (mart,) = [e for e in found.values() if isinstance(e, Mart) and e.name not in known]
    (compute,) = [
        each
        for each in found.values()
        if isinstance(each, FunctionType) and each.__module__ == "extending"
    ]

    def more(contract: Contract) -> tuple[Mart, ...]:
        return (*declared(contract), mart)

    # As if the declaration had one entry more, whoever has imported it.
    for module in [each for name, each in sys.modules.items() if name.startswith("vitrina")]:
        if getattr(module, "marts", None) is declared:
            monkeypatch.setattr(module, "marts", more)
    monkeypatch.setitem(vars(analyze)["_COMPUTED_BY"], mart.name, compute)

    query = f"SELECT {', '.join(mart.names)} FROM {mart.name} ORDER BY 1"
    with Run(home, AS_OF, RECIPE, opened=engines) as run:
        for step in STEPS:
            run.step(step)
        in_postgres, in_clickhouse = run.postgres.query(query), run.clickhouse.query(query)
        (total,) = run.postgres.query("SELECT count(*), sum(sale_amount) FROM sale")[1]
        reconciled = {each.table: each for each in run.postgres.control_totals(AS_OF)}
    assert in_postgres[1]
    assert [tuple(map(str, row)) for row in in_clickhouse[1]] == [
        tuple(map(str, row)) for row in in_postgres[1]
    ]
    totals = reconciled[mart.name]
    assert (totals.total_sales, totals.total_sales_amount) == total

    # Assets and lineage follow the list of steps, which is made anew here.
    leaves = [step.leaves for step in runpy.run_path(pipeline.__file__)["STEPS"]]
    written = {(place.store, place.name) for places in leaves for place in places}
    assert {("postgresql", mart.name), ("clickhouse", mart.name)} <= written


def test_a_panel_shows_what_its_query_says_and_a_step_runs_after_the_others_and_is_told_of(
    home: Settings, engines: Opened
) -> None:
    panel, step = shown("A panel")["panel"], shown("A step")["step"]
    with Run(home, AS_OF, RECIPE, opened=engines) as run:
        for each in STEPS:
            run.step(each)
        names, rows = run.clickhouse.query(literal(panel.sql, Selection(AS_OF)))
        _, expected = run.postgres.query(
            "SELECT product_id, total_sales, total_sales_amount, average_sale_amount "
            "FROM sales_by_product ORDER BY average_sale_amount DESC, product_id LIMIT 10"
        )
        run.steps = (*run.steps, step)
        counts = run.step(step)
        (customers,) = run.postgres.query("SELECT count(DISTINCT customer_id) FROM sale")[1]
        assert run.lake.result(step.name)["counts"] == {"customers": counts.rows_left}
    assert tuple(names) == panel.columns
    assert [tuple(map(str, row)) for row in rows] == [tuple(map(str, row)) for row in expected]
    assert customers == (counts.rows_left,)
    assert counts.note == "customers who bought something"
