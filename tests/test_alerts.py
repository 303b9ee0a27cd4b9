"""The alerts: each query on both sides of its edge, as the rule in Grafana's file has it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.grafana_files import rules
from tests.grafana_plugin import View, rendered
from tests.homes import clickhouse_with_tables
from tests.ledgers import ledger_entry
from tests.mart_rows import BY_PRODUCT, mart_table
from vitrina.contract import SALES
from vitrina.dashboard.alerts import ALERT_RULES
from vitrina.ledger import ControlTotals
from vitrina.marts import Mart, marts
from vitrina.rules import NOTABLE_REJECTED_SHARE
from vitrina.stores.clickhouse.store import ClickHouse

AS_OF = date(2026, 11, 24)
WEEK_BEFORE = AS_OF - timedelta(days=7)
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

# What every mart of an import adds up to.
AMOUNT, RETURNED = Decimal("30.50"), Decimal("7.25")
TOTALS = [
    ControlTotals("spark", "sale", 2, 5, AMOUNT, 3, RETURNED),
    ControlTotals("postgresql", "sale", 2, 5, AMOUNT, 3, RETURNED),
    *(
        ControlTotals(
            engine,
            mart.name,
            2,
            5 if "total_quantity" in mart.totals else None,
            AMOUNT,
            3,
            RETURNED,
        )
        for mart in marts(SALES)
        for engine in ("postgresql", "clickhouse")
    ),
]
ENTRY = ledger_entry(
    AS_OF,
    rows_in=1000,
    # Two sales and three returns.
    clean=5,
    rejected=0,
    total_sales_amount=AMOUNT,
    started_at=AT,
    loaded_at=AT,
)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ClickHouse]:
    with clickhouse_with_tables(tmp_path / "clickhouse") as store:
        yield store


@pytest.fixture
def store(empty: ClickHouse) -> ClickHouse:
    """Two imports in which everything agrees."""
    for day in (WEEK_BEFORE, AS_OF):
        for mart in marts(SALES):
            show(empty, mart, day)
        list_import(empty, day)
    return empty


def show(store: ClickHouse, mart: Mart, day: date = AS_OF, **changes: Any) -> None:
    """Two rows that add up to `TOTALS`, unless the first is changed."""
    first = {
        "total_sales": 1,
        "total_quantity": 3,
        "total_sales_amount": Decimal("30.25"),
        "total_returns": 1,
        "total_returns_amount": Decimal(7),
    }
    second = {
        "total_sales": 1,
        "total_quantity": 2,
        "total_sales_amount": Decimal("0.25"),
        "total_returns": 2,
        "total_returns_amount": Decimal("0.25"),
    }
    store.stage(mart, day, AT, mart_table(mart, first | changes, second))
    store.replace_import(mart, day)


def list_import(
    store: ClickHouse, day: date, totals: list[ControlTotals] = TOTALS, **changes: Any
) -> None:
    store.record_batch(replace(ENTRY, as_of=day, **changes), AT, totals, {})


def fires(store: ClickHouse, uid: str, now: str = "now()") -> bool:
    """Whether the rule's query, as it stands in the file, passes the rule's threshold."""
    query, threshold = rules()[uid]["data"]
    assert threshold["model"]["expression"] == query["refId"]
    assert rules()[uid]["condition"] == threshold["refId"]
    (condition,) = threshold["model"]["conditions"]
    assert condition["evaluator"] == {"type": "gt", "params": [0]}
    sql = rendered(query["model"]["rawSql"], View())
    # One row of one number, or Grafana cannot judge it.
    _, ((count,),) = store.query(sql.replace("now()", now))
    assert type(count) is int
    return count > 0


# Late


@pytest.mark.parametrize(
    ("newest", "due"),
    [
        # Imported on a Tuesday: the next is due a week later.
        (date(2026, 11, 24), date(2026, 12, 1)),
        # By hand on another day: still on the next Tuesday.
        (date(2026, 11, 23), date(2026, 11, 24)),
        (date(2026, 11, 25), date(2026, 12, 1)),
        (date(2026, 11, 28), date(2026, 12, 1)),
        (date(2026, 11, 29), date(2026, 12, 1)),
    ],
)
def test_an_import_is_late_a_day_after_it_was_due(
    empty: ClickHouse, newest: date, due: date
) -> None:
    list_import(empty, newest - timedelta(days=70))
    list_import(empty, newest)
    day_after = due + timedelta(days=1)
    in_moscow = f"toDateTime('{day_after} 12:45:{{}}', 'Europe/Moscow')"
    assert not fires(empty, "vitrina-import-late", in_moscow.format("00"))
    assert fires(empty, "vitrina-import-late", in_moscow.format("01"))
    # Whatever the clock of the server shows.
    in_tokyo = f"toTimeZone(toDateTime('{day_after} 09:45:{{}}', 'UTC'), 'Asia/Tokyo')"
    assert not fires(empty, "vitrina-import-late", in_tokyo.format("00"))
    assert fires(empty, "vitrina-import-late", in_tokyo.format("01"))


def test_the_age_of_the_last_import_is_taken_now(empty: ClickHouse) -> None:
    list_import(empty, datetime.now(UTC).date() - timedelta(days=16))
    assert fires(empty, "vitrina-import-late")
    list_import(empty, datetime.now(UTC).date())
    assert not fires(empty, "vitrina-import-late")


# Rejected


@pytest.mark.parametrize(("rejected", "rows_in"), [(30, 1000), (30_000, 1_000_000)])
def test_a_rejected_share_above_the_threshold_fires(
    empty: ClickHouse, rejected: int, rows_in: int
) -> None:
    assert Decimal("0.03") == NOTABLE_REJECTED_SHARE
    list_import(empty, WEEK_BEFORE, rejected=900)
    list_import(empty, AS_OF, rejected=rejected, rows_in=rows_in)
    assert not fires(empty, "vitrina-rejected-share")
    list_import(empty, AS_OF, rejected=rejected + 1, rows_in=rows_in)
    assert fires(empty, "vitrina-rejected-share")
    list_import(empty, AS_OF + timedelta(days=7), rows_in=0)
    assert not fires(empty, "vitrina-rejected-share")


# Not reconciled


def test_totals_that_agree_do_not_fire(store: ClickHouse) -> None:
    assert not fires(store, "vitrina-not-reconciled")


@pytest.mark.parametrize("day", [AS_OF, WEEK_BEFORE])
def test_a_control_total_that_differs_fires(store: ClickHouse, day: date) -> None:
    for wrong in (
        {"total_sales": 3},
        {"total_quantity": 6},
        {"total_sales_amount": Decimal("30.51")},
        {"total_returns": 2},
        {"total_returns_amount": Decimal("7.24")},
    ):
        # The last that has all of them.
        totals = [
            replace(each, **wrong) if each.table == "sales_by_product" else each for each in TOTALS
        ]
        list_import(store, day, totals)
        assert fires(store, "vitrina-not-reconciled"), wrong
        list_import(store, day)
        assert not fires(store, "vitrina-not-reconciled")


def test_a_ledger_that_differs_fires(store: ClickHouse) -> None:
    list_import(store, AS_OF, clean=3)
    assert fires(store, "vitrina-not-reconciled")
    list_import(store, AS_OF, total_sales_amount=Decimal("30.49"))
    assert fires(store, "vitrina-not-reconciled")


def test_a_mart_that_no_longer_adds_up_fires(store: ClickHouse) -> None:
    for mart in marts(SALES):
        for name, figure in (
            ("total_sales", 2),
            ("total_quantity", 2),
            ("total_sales_amount", Decimal("30.24")),
            ("total_returns", 2),
            ("total_returns_amount", Decimal("7.01")),
        ):
            if name in mart.totals:
                show(store, mart, AS_OF, **{name: figure})
                assert fires(store, "vitrina-not-reconciled"), (mart.name, name)
        show(store, mart)
        assert not fires(store, "vitrina-not-reconciled")


def test_an_import_that_is_being_replaced_does_not_fire(store: ClickHouse) -> None:
    store.withdraw(AS_OF)
    show(store, BY_PRODUCT, total_sales=9)
    assert not fires(store, "vitrina-not-reconciled")


# All of them


def test_an_empty_database_is_late_and_nothing_else(empty: ClickHouse) -> None:
    assert {uid: fires(empty, uid) for uid in rules()} == {
        "vitrina-import-late": True,
        "vitrina-rejected-share": False,
        "vitrina-not-reconciled": False,
    }


def test_every_alert_says_what_to_do_in_both_languages() -> None:
    for alert, rule in zip(ALERT_RULES, rules().values(), strict=True):
        assert rule["title"] == alert.title.en
        said = rule["annotations"]
        assert said["summary"] != said["summary_ru"]
        assert "{count}" not in said["summary"] + said["summary_ru"]
        # A count always comes, so that none is a fault.
        assert (rule["noDataState"], rule["execErrState"]) == ("Alerting", "Error")
