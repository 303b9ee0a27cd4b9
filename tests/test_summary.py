"""What people read at the end of a run: the right figures, in order, in 80 columns."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from tests.exported import own_store
from tests.ledgers import ledger_entry
from vitrina.counts import (
    Analyzed,
    Cleaned,
    Counts,
    Extracted,
    Generated,
    Loaded,
    Published,
    Validated,
)
from vitrina.errors import BatchError
from vitrina.ledger import ControlTotals
from vitrina.pipeline import STEPS
from vitrina.store import GENERATED
from vitrina.stores.lake import Lake
from vitrina.summary import agrees, reconciliation, render, render_ledger, summarize

AS_OF = date(2026, 11, 24)
SALE = ControlTotals("postgresql", "sale", 10_005_000, 16_656_350, Decimal("561968008.90"))
BY_DAY = ControlTotals("clickhouse", "sales_by_day", 10_005_000, None, Decimal("561968008.90"))
LONGEST = replace(SALE, engine="clickhouse", table="sales_by_region_product")
COUNTS: dict[str, Counts] = {
    "generate": Generated("generated", 42, 1_010, 1_015, 10, 3, 2, 3),
    "validate": Validated(
        rows_in=1_015,
        valid=1_005,
        rejected=10,
        repaired=3,
        reasons={"region_unknown": 4, "quantity_missing": 1, "sale_id_missing": 5},
        repairs={"region_case": 3},
    ),
    "clean": Cleaned(1_005, 1_000, 2, 3, 1_700, Decimal("12345.60")),
    "load": Loaded(1_000, 1_700, Decimal("12345.60")),
    "analyze": Analyzed({"sales_by_region": 4, "sales_by_product": 7}),
    "publish": Published({"sales_by_region": 4, "sales_by_product": 7}),
}
ENTRY = ledger_entry(
    AS_OF,
    rows_in=10_060_000,
    clean=10_005_000,
    rejected=50_000,
    repaired=10_000,
    collapsed=5_000,
    total_sales_amount=Decimal("561968008.90"),
    started_at=datetime(2026, 11, 24, 9, 45, tzinfo=UTC),
    loaded_at=datetime(2026, 11, 24, 9, 46, tzinfo=UTC),
    analyzed_at=datetime(2026, 11, 24, 9, 46, 30, tzinfo=UTC),
    published_at=datetime(2026, 11, 24, 9, 47, tzinfo=UTC),
    is_current=True,
    is_kept=True,
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in which each step has left its counts."""
    lake = Lake(str(tmp_path), AS_OF)
    for name, counts in COUNTS.items():
        with lake.step(name) as left:
            left.counts = counts.document()
    return lake


def printed(what: RenderableType) -> list[str]:
    out = io.StringIO()
    Console(width=80, file=out).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_summary_has_every_step_and_every_reject(lake: Lake) -> None:
    summary = summarize(lake, GENERATED, [SALE])
    assert list(summary.results) == [step.name for step in STEPS]
    assert {name: result.counts for name, result in summary.results.items()} == COUNTS
    shown = summary.document()
    assert {name: step["counts"] for name, step in shown["steps"].items()} == {
        name: counts.document() for name, counts in COUNTS.items()
    }
    assert shown["rejects"] == {
        "sale_id_missing": 5,
        "region_unknown": 4,
        "conflicting_duplicate": 3,
        "quantity_missing": 1,
    }
    assert shown["reconciliation"][0]["total_sales_amount"] == Decimal("561968008.90")


def test_there_is_no_summary_of_a_batch_that_has_not_ended(lake: Lake) -> None:
    lake.forget(["publish"])
    with pytest.raises(BatchError, match="run: vitrina publish --as-of 2026-11-24"):
        summarize(lake, GENERATED, [])


def test_people_read_rows_in_the_order_of_the_steps_and_the_worst_reject_first(lake: Lake) -> None:
    summary = summarize(lake, GENERATED, [SALE])
    seconds = {
        name: replace(result, seconds=place + 0.04)
        for place, (name, result) in enumerate(summary.results.items(), start=1)
    }
    summary = replace(summary, results=seconds)
    lines = printed(render(summary, "bin/vitrina"))
    steps = [line.split() for line in lines if line.split()[:1] and line.split()[0] in COUNTS]
    assert [(line[0], line[1], line[-1]) for line in steps] == [
        ("generate", "1,015", "1.0"),
        ("validate", "1,005", "2.0"),
        ("clean", "1,000", "3.0"),
        ("load", "1,000", "4.0"),
        ("analyze", "11", "5.0"),
        ("publish", "11", "6.0"),
    ]
    notes = [" ".join(line[2:-1]) for line in steps]
    assert notes == [
        "seed 42",
        "10 rejected, 3 repaired",
        "2 copies collapsed, 3 in conflict",
        "sales in PostgreSQL, 12,345.60 in all",
        "rows of marts in PostgreSQL",
        "rows of marts in ClickHouse",
    ]
    assert "21.2" in [line.strip() for line in lines]
    rejects = [line.split() for line in lines if line.split("  ")[0] in summary.rejects]
    assert rejects == [
        ["sale_id_missing", "5"],
        ["region_unknown", "4"],
        ["conflicting_duplicate", "3"],
        ["quantity_missing", "1"],
    ]
    assert '  bin/vitrina sql postgres "SELECT * FROM sales_by_region"' in lines


def test_every_row_of_a_stores_files_is_shown_under_its_fate(tmp_path: Path) -> None:
    store, lake = own_store(), Lake(str(tmp_path), AS_OF)
    counts: dict[str, Counts] = {
        **{name: counted for name, counted in COUNTS.items() if name != "generate"},
        "extract": Extracted("a.csv", 1, 1_234, 1_230, refunds=1, added_up=5),
        "validate": Validated(
            1_230, 1_000, 200, 0, {"not_json": 200}, {}, 30, {"cancelled": 20, "[fee]": 10}
        ),
        "clean": Cleaned(1_000, 700, 100, 0, 700, Decimal(7), superseded=200),
    }
    for name, counted in counts.items():
        with lake.step(name) as left:
            left.counts = counted.document()
    summary = summarize(lake, store, [])
    lines = printed(render(summary, "vitrina"))
    start = lines.index("Rows in, by fate")
    shown = [line.rsplit(maxsplit=1) for line in lines[start : start + 14] if line[-1:].isdigit()]
    assert [(name.strip(), rows) for name, rows in shown][:7] == [
        ("clean", "700"),
        ("rejected", "200"),
        ("set aside", "30"),
        ("cancelled", "20"),
        ("[fee]", "10"),
        ("collapsed", "105"),
        ("superseded", "200"),
    ]
    assert (shown[7][0].strip(), shown[7][1]) == ("rows in", "1,235")
    assert summary.document()["fates"] == {
        "rows_in": 1_235,
        "clean": 700,
        "rejected": 200,
        "set_aside": 30,
        "collapsed": 105,
        "superseded": 200,
    }


def test_figures_agree_only_to_the_cent_and_what_a_table_lacks_is_not_compared() -> None:
    assert agrees(SALE, [SALE, BY_DAY])
    for wrong in (
        replace(BY_DAY, total_sales_amount=Decimal("561968008.89")),
        replace(BY_DAY, total_sales=10_004_999),
        replace(BY_DAY, total_quantity=16_656_351),
    ):
        assert not agrees(SALE, [SALE, wrong])
        assert "NO" in " ".join(printed(reconciliation("2026-11-24", [SALE, wrong]))).split()
    assert "NO" not in " ".join(printed(reconciliation("2026-11-24", [SALE, BY_DAY]))).split()


def test_ten_million_sales_fit_into_eighty_columns() -> None:
    lines = printed(reconciliation("2026-11-24", [LONGEST, SALE, BY_DAY]))
    rows = [line.split()[:-1] for line in lines if line.startswith("sale")]
    assert rows == [
        ["sale", "postgresql", "10,005,000", "16,656,350", "561,968,008.90"],
        ["sales_by_day", "clickhouse", "10,005,000", "561,968,008.90"],
        [LONGEST.table, "clickhouse", "10,005,000", "16,656,350", "561,968,008.90"],
    ]
    (entry,) = [line for line in printed(render_ledger([(ENTRY, [])])) if line.startswith("2026")]
    assert entry.split() == [
        *("2026-11-24", "10,005,000", "561,968,008.90", "50,000"),
        *("2026-11-24", "09:47", "✓"),
    ]


def test_the_ledger_says_which_batch_postgresql_shows_and_which_it_keeps() -> None:
    others = [
        replace(ENTRY, as_of=date(2026, 12, 1), is_current=False, published_at=None),
        ENTRY,
        replace(ENTRY, as_of=date(2026, 11, 17), is_current=False),
        replace(ENTRY, as_of=date(2026, 11, 10), is_current=False, is_kept=False),
    ]
    said = "PostgreSQL shows batch 2026-11-24; it also has 2026-12-01 (not published), 2026-11-17."
    assert said in " ".join(printed(render_ledger([(each, []) for each in others])))
    none = printed(render_ledger([(replace(ENTRY, is_current=False, is_kept=False), [])]))
    assert "PostgreSQL shows no batch." in none


def test_the_ledger_details_the_newest_batch_and_those_that_do_not_reconcile() -> None:
    wrong = [SALE, replace(BY_DAY, total_sales=1)]
    entries = [
        (replace(ENTRY, as_of=date(2026, 11, day)), totals)
        for day, totals in ((24, [SALE]), (17, [SALE, BY_DAY]), (10, wrong))
    ]
    lines = printed(render_ledger(entries))
    details = [line for line in lines if line.startswith("Reconciliation of")]
    assert details == [
        "Reconciliation of 2026-11-24 (generated, seed 42)",
        "Reconciliation of 2026-11-10 (generated, seed 42)",
    ]
    marks = [line.split()[-1] for line in lines if line.startswith("2026-11-")]
    assert marks == ["✓", "✓", "NO"]
