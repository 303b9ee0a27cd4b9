"""Publishing, from the embedded PostgreSQL to the embedded ClickHouse."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledgers import ledger_entry
from tests.mart_rows import BY_DAY, BY_PRODUCT, BY_REGION, BY_REGION_PRODUCT, mart_table
from tests.rows import AS_OF, BATCH
from tests.shown import show
from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.counts import Analyzed
from vitrina.errors import BatchError, ReconciliationError
from vitrina.ledger import ControlTotals
from vitrina.marts import Mart, marts
from vitrina.steps import publish
from vitrina.store import Batch
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse, control_totals
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres, postgres

ATTEMPT = "7d0a3f9c41b2"
WEEK_BEFORE = AS_OF - timedelta(days=7)
REJECTS = {"region_unknown": 2, "sale_id_missing": 1}
FIRST = [
    ("North", 1, "10.50"),
    ("North", 1, "0.01"),
    ("North", 2, "5.00"),
    ("North", 2, "-3.25"),
    ("West", 1, "7.49"),
    ("South", 3, "-0.50"),
]
SECOND = [("East", 9, "9999999999.99"), ("West", 1, "0.01")]

Sales = list[tuple[str, int, str]]


@pytest.fixture
def source(database: str) -> Iterator[Postgres]:
    with postgres(database) as store:
        store.create_tables(SALES)
        yield store


@pytest.fixture
def target(clickhouse_store: ClickHouse) -> ClickHouse:
    return clickhouse_store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), AS_OF)


def sql(dsn: str, statement: str) -> None:
    """What only another hand would do to PostgreSQL."""
    with psycopg.connect(dsn) as connection:
        connection.execute(statement)


def load(store: Postgres, sales: Sales, as_of: date = AS_OF) -> None:
    rows: list[dict[str, Any]] = [
        {
            "sale_id": number,
            "customer_id": 7,
            "product_id": product,
            "quantity": 2,
            "sale_date": as_of - timedelta(days=1),
            "sale_amount": Decimal(amount),
            "region": region,
        }
        for number, (region, product, amount) in enumerate(sales, start=1)
    ]
    sold = [row["sale_amount"] for row in rows if row["sale_amount"] >= 0]
    given_back = [-row["sale_amount"] for row in rows if row["sale_amount"] < 0]
    amount = sum(sold, start=Decimal(0))
    at = datetime.now(UTC).replace(microsecond=0)
    entry = ledger_entry(
        as_of,
        rows_in=len(rows) + 3,
        clean=len(rows),
        rejected=3,
        total_sales_amount=amount,
        started_at=at,
        loaded_at=at,
        attempt=ATTEMPT,
    )
    table = pa.Table.from_pylist(rows, arrow_schema(SALES.fields))
    expected = ControlTotals(
        "spark",
        "sale",
        len(sold),
        2 * len(sold),
        amount,
        len(given_back),
        sum(given_back, Decimal(0)),
    )
    store.replace_sales(Batch(as_of), entry, REJECTS, expected, [table.to_batches()])


def analyze(store: Postgres, sales: Sales, as_of: date = AS_OF) -> None:
    """The marts' keys and totals; what is not summed is as in `mart_table`."""
    tables = {}
    for mart in marts(SALES):
        groups: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
            lambda: {
                "total_sales": 0,
                "total_quantity": 0,
                "total_sales_amount": Decimal(0),
                "total_returns": 0,
                "total_returns_amount": Decimal(0),
                "net_amount": Decimal(0),
            }
        )
        for region, product, amount in sales:
            sale = {
                "region": region,
                "product_id": product,
                "sale_date": as_of - timedelta(days=1),
            }
            group = groups[tuple(sale[name] for name in mart.key)]
            group["net_amount"] += Decimal(amount)
            if Decimal(amount) < 0:
                group["total_returns"] += 1
                group["total_returns_amount"] -= Decimal(amount)
                continue
            group["total_sales"] += 1
            group["total_quantity"] += 2
            group["total_sales_amount"] += Decimal(amount)
        rows = [dict(zip(mart.key, key, strict=True)) | of for key, of in groups.items()]
        tables[mart.name] = mart_table(mart, *rows)
    store.replace_marts(Batch(as_of), tables, ATTEMPT)


def leave(lake: Lake, rows: dict[str, int], attempt: str = ATTEMPT) -> None:
    """What analyze leaves in the lake: how many rows each mart has."""
    with lake.step("analyze", {"step": "clean", "attempt": attempt}) as left:
        left.counts = Analyzed(rows).document()


def prepare(lake: Lake, store: Postgres, sales: Sales, as_of: date = AS_OF) -> None:
    load(store, sales, as_of)
    analyze(store, sales, as_of)
    entry = store.newest_load(as_of)
    assert entry is not None
    rows = {mart.name: store.read_mart(mart, entry.load_id).num_rows for mart in marts(SALES)}
    leave(Lake(lake.batches, as_of), rows)


def shown(store: ClickHouse, mart: Mart, day: date = AS_OF) -> list[tuple[Any, ...]]:
    columns, keys = ", ".join(mart.names), ", ".join(mart.key)
    return store.query(
        f"SELECT {columns} FROM {mart.name} WHERE import_date = '{day}' ORDER BY {keys}"
    )[1]


def held(store: Postgres, mart: Mart) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.read_mart(mart).to_pylist()]


# What is published


def test_every_cell_arrives_under_the_batchs_date(
    lake: Lake, source: Postgres, target: ClickHouse
) -> None:
    prepare(lake, source, FIRST)
    counts = publish.run(lake, source, target, BATCH)
    assert counts.marts == {
        "sales_by_region_product": 4,
        "sales_by_region": 3,
        "sales_by_product": 3,
        "sales_by_day": 3,
    }
    for mart in marts(SALES):
        assert shown(target, mart) == held(source, mart)
    assert lake.result("publish")["counts"] == counts.document()


def test_the_ledger_goes_along(lake: Lake, source: Postgres, target: ClickHouse) -> None:
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    totals = source.control_totals(AS_OF)
    assert (
        ControlTotals("clickhouse", "sales_by_day", 4, None, Decimal("23.00"), 2, Decimal("3.75"))
        in totals
    )
    assert target.query(
        "SELECT engine, table_name, total_sales, total_quantity, total_sales_amount,"
        " total_returns, total_returns_amount"
        f" FROM control_totals WHERE import_date = '{AS_OF}' ORDER BY table_name, engine"
    )[1] == [tuple(vars(each).values()) for each in totals]
    assert dict(target.query("SELECT reason, rejected_rows FROM rejects_by_reason")[1]) == REJECTS
    assert target.query("SELECT source, seed, rows_in, clean, rejected FROM batch")[1] == [
        ("generated", 42, 9, 6, 3)
    ]
    entry = source.current_batch()
    assert entry is not None
    assert entry.published_at is not None


def test_one_moment_marks_all_tables_of_an_import(
    lake: Lake, source: Postgres, target: ClickHouse
) -> None:
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    ((as_of, moment),) = target.imports()
    assert as_of == AS_OF
    for table in [mart.name for mart in marts(SALES)] + ["control_totals", "rejects_by_reason"]:
        assert target.query(f"SELECT DISTINCT imported_at FROM {table}")[1] == [(moment,)]


def test_publishing_twice_doubles_nothing(lake: Lake, source: Postgres, target: ClickHouse) -> None:
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    tables = [mart.name for mart in marts(SALES)]
    tables += ["control_totals", "rejects_by_reason", "batch"]
    contents = [f"SELECT * EXCEPT imported_at FROM {name} ORDER BY ALL" for name in tables]
    before = [target.query(statement) for statement in contents]
    publish.run(lake, source, target, BATCH)
    assert [target.query(statement) for statement in contents] == before
    assert len(target.imports()) == 1


def test_a_rerun_shows_the_new_figures_and_past_imports_stay(
    lake: Lake, source: Postgres, target: ClickHouse, tmp_path: Path
) -> None:
    prepare(lake, source, SECOND, WEEK_BEFORE)
    publish.run(Lake(str(tmp_path / "lake"), WEEK_BEFORE), source, target, Batch(WEEK_BEFORE))
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    past = [shown(target, mart, WEEK_BEFORE) for mart in marts(SALES)]
    prepare(lake, source, SECOND)
    publish.run(lake, source, target, BATCH)
    assert [shown(target, mart, WEEK_BEFORE) for mart in marts(SALES)] == past
    assert [row[:2] for row in shown(target, BY_REGION_PRODUCT)] == [("East", 9), ("West", 1)]
    assert [day for day, _ in target.imports()] == [WEEK_BEFORE, AS_OF]


_PUBLISH_FOR_EVER = """
import sys
from pathlib import Path
from tests.rows import AS_OF, BATCH
from tests.shown import show
from vitrina.steps import publish
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import clickhouse
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import postgres
dsn, folder, lake = sys.argv[1:]
with (
    postgres(dsn) as source,
    embedded_clickhouse(Path(folder)) as address,
    clickhouse(address) as target,
):
    while True:
        publish.run(Lake(lake, AS_OF), source, target, BATCH)
        print("published", flush=True)
"""


@pytest.mark.parametrize("moment", [0.02, 0.1])
def test_after_a_kill_an_import_that_is_listed_is_whole_and_a_rerun_is_right(
    *, lake: Lake, source: Postgres, database: str, tmp_path: Path, moment: float
) -> None:
    prepare(lake, source, FIRST)
    folder = tmp_path / "clickhouse"
    program = [sys.executable, "-c", _PUBLISH_FOR_EVER, database, str(folder)]
    with subprocess.Popen(
        [*program, str(tmp_path / "lake")], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "published\n"
        time.sleep(moment)
        killed.kill()
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as target:
        if target.imports():
            for mart in marts(SALES):
                assert shown(target, mart) == held(source, mart)
        prepare(lake, source, SECOND)
        publish.run(lake, source, target, BATCH)
        for mart in marts(SALES):
            assert shown(target, mart) == held(source, mart)
        assert "staging" not in str(target.query("SHOW TABLES")[1])


_AMOUNT = st.integers(1, 10**12 - 1).map(lambda cents: str(Decimal(f"{cents}e-2")))


# Each example replaces the batch before it.
@settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sales=st.lists(
        st.tuples(st.sampled_from(SALES.regions), st.integers(1, 2**31 - 1), _AMOUNT), min_size=1
    )
)
def test_any_amounts_survive_the_journey(
    lake: Lake, source: Postgres, target: ClickHouse, sales: Sales
) -> None:
    prepare(lake, source, sales)
    publish.run(lake, source, target, BATCH)
    amount = sum((Decimal(amount) for *_, amount in sales), start=Decimal(0))
    for mart in marts(SALES):
        assert shown(target, mart) == held(source, mart)
        assert control_totals(mart, target.sums(mart, AS_OF)).total_sales_amount == amount


@pytest.mark.parametrize("figure", ["0.00", "-0.01", "-99999999999999999999.99"])
def test_figures_at_the_limits_of_their_type_are_read_exactly(
    lake: Lake, source: Postgres, database: str, figure: str
) -> None:
    prepare(lake, source, FIRST)
    show(source, BATCH)
    sql(database, f"UPDATE vitrina.sales_by_day SET moving_average_7_days = {figure}")
    rows = source.read_mart(BY_DAY)
    assert publish.sums(BY_DAY, rows)["moving_average_7_days"] == 3 * Decimal(figure)


# What is refused


@pytest.mark.parametrize("loaded", [None, WEEK_BEFORE])
def test_another_batch_is_not_published(
    lake: Lake, source: Postgres, target: ClickHouse, loaded: date | None
) -> None:
    if loaded is not None:
        prepare(lake, source, FIRST, loaded)
    leave(lake, {})
    with pytest.raises(BatchError, match=r"no sales of batch 2026-11-24; .*vitrina load"):
        publish.run(lake, source, target, BATCH)
    assert target.imports() == []
    assert lake.read_document("publish", "step.json") is None


def test_marts_of_an_earlier_load_are_not_published(
    lake: Lake, source: Postgres, target: ClickHouse
) -> None:
    prepare(lake, source, FIRST)
    load(source, SECOND)
    with pytest.raises(BatchError, match="has not been analyzed since it was loaded"):
        publish.run(lake, source, target, BATCH)
    assert target.imports() == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            "UPDATE vitrina.sales_by_region SET total_sales_amount = 7.50 WHERE region = 'West'",
            ("sales_by_region", "total_sales_amount", Decimal("23.00"), Decimal("23.01")),
        ),
        (
            "UPDATE vitrina.sales_by_product SET total_quantity = total_quantity + 1",
            ("sales_by_product", "total_quantity", 8, 11),
        ),
        (
            "DELETE FROM vitrina.sales_by_region_product WHERE region = 'West'",
            ("sales_by_region_product", "total_sales", 4, 3),
        ),
        (
            "UPDATE vitrina.sales_by_region SET total_returns = 0 WHERE region = 'South'",
            ("sales_by_region", "total_returns", 2, 1),
        ),
        (
            "DELETE FROM vitrina.sales_by_day WHERE region = 'South'",
            ("sales_by_day", "total_returns", 2, 1),
        ),
    ],
)
def test_a_mart_that_was_changed_since_its_totals_were_taken_is_not_shown(
    *,
    lake: Lake,
    source: Postgres,
    target: ClickHouse,
    database: str,
    change: str,
    difference: tuple[str, str, Decimal, Decimal],
) -> None:
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    before = [shown(target, each) for each in marts(SALES)], target.imports()
    sql(database, change)
    with pytest.raises(ReconciliationError) as caught:
        publish.run(lake, source, target, BATCH)
    error = caught.value
    assert (error.mart, error.measure, error.expected, error.actual) == difference
    assert "analyze has {2}, PostgreSQL has {3}".format(*difference) in str(error)
    assert "ClickHouse still shows what it showed before; run: vitrina analyze" in str(error)
    assert ([shown(target, each) for each in marts(SALES)], target.imports()) == before


@pytest.mark.parametrize("rows", [{"sales_by_region": 2}, {"sales_by_region": 4}, {}])
def test_marts_that_have_not_the_rows_that_analyze_counted_are_not_shown(
    lake: Lake, source: Postgres, target: ClickHouse, rows: dict[str, int]
) -> None:
    prepare(lake, source, FIRST)
    counted = lake.result("analyze")["counts"]
    del counted["sales_by_region"]
    leave(lake, counted | rows)
    again = r"run: vitrina analyze --as-of 2026-11-24$"
    with pytest.raises(ReconciliationError, match=again) as refused:
        publish.run(lake, source, target, BATCH)
    assert (refused.value.mart, refused.value.measure) == ("sales_by_region", "rows")
    assert (refused.value.expected, refused.value.actual) == (rows.get("sales_by_region"), 3)
    assert target.imports() == []


def test_marts_of_another_attempt_than_the_lakes_are_not_shown(
    lake: Lake, source: Postgres, target: ClickHouse
) -> None:
    prepare(lake, source, FIRST)
    leave(lake, lake.result("analyze")["counts"], "0c41d27b90ee")
    with pytest.raises(
        BatchError,
        match=f"PostgreSQL holds attempt {ATTEMPT} of the feed, and analyze was made from "
        "0c41d27b90ee; .*run: vitrina load --as-of 2026-11-24$",
    ):
        publish.run(lake, source, target, BATCH)
    assert target.imports() == []


@pytest.mark.parametrize(
    ("column", "value", "expected", "actual"),
    [
        ("share", Decimal("0.250001"), Decimal("0.500000"), Decimal("0.500001")),
        ("sales_rank", 2, 2, 3),
    ],
)
def test_a_column_without_control_totals_is_compared_too(
    column: str, value: Decimal | int, expected: Decimal, actual: Decimal
) -> None:
    right = publish.sums(BY_REGION, mart_table(BY_REGION, {}, {}))
    wrong = publish.sums(BY_REGION, mart_table(BY_REGION, {}, {column: value}))
    with pytest.raises(ReconciliationError) as caught:
        publish.reconcile(
            BY_REGION, ("PostgreSQL", right), ("ClickHouse", wrong), "nothing changed"
        )
    assert caught.value.measure == column
    assert (caught.value.expected, caught.value.actual) == (expected, actual)


def test_rows_lost_in_the_swap_are_noticed(
    lake: Lake, source: Postgres, target: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(lake, source, FIRST)
    publish.run(lake, source, target, BATCH)
    stage = target.stage

    def stage_over(mart: Mart, day: date, at: datetime, rows: pa.Table) -> None:
        # Somebody stages under the same name between the comparison and the swap.
        stage(mart, day, at, rows)
        if mart == BY_DAY:
            stage(BY_PRODUCT, day, at, source.read_mart(BY_PRODUCT).slice(1))

    monkeypatch.setattr(target, "stage", stage_over)
    with pytest.raises(
        ReconciliationError, match="ClickHouse no longer lists this import"
    ) as caught:
        publish.run(lake, source, target, BATCH)
    assert (caught.value.mart, caught.value.measure) == ("sales_by_product", "rows")
    assert target.imports() == []


def test_sums_of_no_rows_are_zero() -> None:
    assert publish.sums(BY_REGION, mart_table(BY_REGION)) == {
        "rows": 0,
        "total_sales": 0,
        "total_quantity": 0,
        "total_sales_amount": 0,
        "total_returns": 0,
        "total_returns_amount": 0,
        "net_amount": 0,
        "average_sale_amount": 0,
        "share": 0,
        "sales_rank": 0,
    }
