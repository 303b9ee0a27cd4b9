"""A shop with returns, orders, text ids, weights and any regions: its marts, beside another shop's.

They are compared with DuckDB's, cell by cell, in each store.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyspark.sql import SparkSession

from tests.batches import collect
from tests.lakes import analyze_lake, clean_lake, clean_sales, right_marts
from tests.ledgers import ledger_entry
from tests.own_shops import KIOSK, PRODUCTS, REGIONS, ROWS, WEEK, numbered, sold
from tests.recomputation import MARTS, Table, differences, recompute_marts
from tests.rows import AS_OF, BATCH, sales
from tests.shown import show
from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.errors import ReconciliationError, StoreError, StoreUnavailable
from vitrina.marts import marts
from vitrina.steps import analyze, load, publish
from vitrina.steps.analyze import mart_rows
from vitrina.stores.addresses import database as database_of
from vitrina.stores.addresses import schema
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.postgres import session
from vitrina.stores.postgres.ledger import begin
from vitrina.stores.postgres.staging import create_staging
from vitrina.stores.postgres.store import Postgres, postgres

D = Decimal
SCHEMA = arrow_schema(KIOSK.contract.fields)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(numbered(rows), SCHEMA)


def by_rules(rows: pa.Table) -> dict[str, Table]:
    return recompute_marts(rows, AS_OF, KIOSK.contract, ())


def mart(spark: SparkSession, name: str, rows: list[dict[str, Any]]) -> dict[Any, Any]:
    """A mart's rows, by its key."""
    frames = mart_rows(sales(spark, numbered(rows), KIOSK.contract), WEEK)
    found, frame = next((each, frame) for each, frame in frames.items() if each.name == name)
    return {tuple(row[k] for k in found.key): row for row in frame.collect()}


# An example is five queries over many rows, so a few of them go a long way.
@settings(max_examples=1 + settings().max_examples // 5)
@given(rows=ROWS)
def test_every_cell_is_as_the_rules_say(spark: SparkSession, rows: list[dict[str, Any]]) -> None:
    frames = mart_rows(sales(spark, numbered(rows), KIOSK.contract), WEEK)
    expected = by_rules(table(rows))
    for each, frame in frames.items():
        assert differences(each.name, expected[each.name], collect(frame), "Spark") == []


def test_a_return_counts_beside_the_sales_and_not_among_them(spark: SparkSession) -> None:
    rows = [
        sold("A", "10.00", order_id="R1"),
        sold("B", "5.01", order_id="R1"),
        sold("A", "0.00", order_id="R2"),
        sold("A", "-4.00", order_id="R3", quantity=D("-0.250")),
    ]
    (row,) = mart(spark, "sales_by_region", rows).values()
    assert (row.total_sales, row.total_quantity, row.total_sales_amount) == (
        3,
        D("1.5"),
        D("15.01"),
    )
    assert (row.total_returns, row.total_returns_amount, row.net_amount) == (1, D("4"), D("11.01"))
    assert (row.total_orders, row.average_order_amount) == (2, D("7.51")), "7.505 is rounded up"
    assert row.average_sale_amount == D("5.00")


def test_a_group_of_returns_alone_is_last_and_has_no_average(spark: SparkSession) -> None:
    rows = [sold("A", "-7.00"), sold("B", "0.00"), sold("C", "1.00"), sold("A", "-1.00", "Zug")]
    found = mart(spark, "sales_by_region_product", rows)
    assert {key: (row.sales_rank, row.share, row.running_share) for key, row in found.items()} == {
        ("Basel", "C"): (1, 1, 1),
        ("Basel", "B"): (2, 0, 1),
        ("Basel", "A"): (3, 0, 1),
        ("Zug", "A"): (1, 0, 0),
    }
    of_returns = found["Basel", "A"]
    assert (of_returns.total_sales, of_returns.total_orders, of_returns.net_amount) == (0, 0, -7)
    assert (of_returns.average_sale_amount, of_returns.average_order_amount) == (None, None)
    assert of_returns.abc_class == "C"
    by_region = mart(spark, "sales_by_region", rows)
    assert [by_region[name,].sales_rank for name in ("Basel", "Zug")] == [1, 2]


def test_of_equal_amounts_the_smaller_id_by_its_bytes_is_first(spark: SparkSession) -> None:
    found = mart(spark, "sales_by_product", [sold(each, "3.00") for each in PRODUCTS])
    ranked = sorted(found.values(), key=lambda row: row.sales_rank)
    assert [row.product_id for row in ranked] == sorted(PRODUCTS, key=str.encode)


def test_days_are_of_the_regions_that_occur(spark: SparkSession) -> None:
    found = mart(spark, "sales_by_day", [sold("A", "3.00", "Zug"), sold("A", "-3.00", "Basel")])
    assert len(found) == 2 * 70
    assert {region for _, region in found} == {"Zug", "Basel"}
    quiet = found[AS_OF - datetime.timedelta(2), "Zug"]
    assert (quiet.total_sales, quiet.total_returns, quiet.total_orders, quiet.net_amount) == (
        0,
        0,
        0,
        0,
    )


# In the stores, beside the generated shop


MANY = [
    sold(
        PRODUCTS[place % len(PRODUCTS)],
        str(D(place % 7 - 2) * D("1.25")),
        REGIONS[place % 3],
        order_id=f"R{place // 3}",
        sale_date=AS_OF - datetime.timedelta(1 + place % 70),
        customer_id=None if place % 5 else "",
        quantity=D(place % 4) / 8,
    )
    for place in range(500)
]


@pytest.fixture
def kiosk(database: str) -> Iterator[Postgres]:
    with postgres(database, schema(KIOSK)) as store:
        yield store


@pytest.fixture
def kiosk_shown(clickhouse_dsn: str) -> Iterator[ClickHouse]:
    with clickhouse(clickhouse_dsn, database=database_of(KIOSK)) as store:
        yield store


def query_all(store: Postgres | ClickHouse, name: str) -> Table:
    rest = " EXCEPT (import_date, imported_at)" if isinstance(store, ClickHouse) else ""
    return Table.of(*store.query(f"SELECT *{rest} FROM {name}"))


@pytest.mark.parametrize("monthly_above", [None, 100])
def test_two_shops_live_side_by_side(
    *,
    spark: SparkSession,
    database: str,
    kiosk: Postgres,
    kiosk_shown: ClickHouse,
    clickhouse_dsn: str,
    tmp_path: Path,
    monthly_above: int | None,
) -> None:
    lake, of_vitrina = clean_lake(tmp_path / "kiosk", WEEK, table(MANY)), clean_sales(BATCH, 100)
    with postgres(database) as first, clickhouse(clickhouse_dsn) as first_shown:
        first_lake = clean_lake(tmp_path / "vitrina", BATCH, of_vitrina)
        load.run(first_lake, first, BATCH)
        first_marts = right_marts(BATCH, of_vitrina)
        first.replace_marts(BATCH, first_marts)
        analyze_lake(first_lake, first_marts)
        publish.run(first_lake, first, first_shown, BATCH)
        before = [query_all(each, name) for each in (first, first_shown) for name in MARTS]

        load.run(lake, kiosk, WEEK, monthly_above=monthly_above)
        analyze.run(spark, lake, kiosk, WEEK)
        publish.run(lake, kiosk, kiosk_shown, WEEK)
        assert [query_all(each, name) for each in (first, first_shown) for name in MARTS] == before
        assert first.query("SELECT count(*) FROM sale")[1] == [(100,)]
        assert [entry.source for entry in first.ledger()] == ["generated"]
    expected = by_rules(table(MANY))
    for name in MARTS:
        for store in (kiosk, kiosk_shown):
            assert differences(name, expected[name], query_all(store, name), str(store)) == []
    assert kiosk.query("SELECT count(*), count(customer_id), count(cashier) FROM sale")[1] == [
        (500, 100, 0)
    ]
    assert [entry.source for entry in kiosk.ledger()] == ["sales.csv"]
    returned = [row["sale_amount"] for row in MANY if row["sale_amount"] < 0]
    for totals in kiosk.control_totals(AS_OF):
        assert totals.total_sales == 500 - len(returned)
        assert totals.total_returns == len(returned)
        assert totals.total_returns_amount == -sum(returned)
        quantity = sum(row["quantity"] for row in MANY if row["sale_amount"] >= 0)
        assert totals.total_quantity in (None, quantity)
    assert {(each.engine, each.table) for each in kiosk.control_totals(AS_OF)} == {
        ("spark", "sale"),
        ("postgresql", "sale"),
        *((engine, name) for name in MARTS for engine in ("postgresql", "clickhouse")),
    }


def test_one_text_id_in_two_months_is_not_loaded(kiosk: Postgres, tmp_path: Path) -> None:
    rows = numbered([sold("A", "1.00"), sold("A", "2.00", sale_date=datetime.date(2026, 10, 5))])
    rows[1]["sale_id"] = rows[0]["sale_id"]
    lake = clean_lake(tmp_path, WEEK, pa.Table.from_pylist(rows, SCHEMA))
    with pytest.raises(
        StoreError, match="sale_id L-1 is sold on 2026-10-05 and again on 2026-11-23"
    ):
        load.run(lake, kiosk, WEEK, monthly_above=1)


def test_rows_are_read_in_the_order_of_their_keys_bytes(kiosk: Postgres, tmp_path: Path) -> None:
    rows = table([sold(product, "1.00", region) for product in PRODUCTS for region in REGIONS])
    load.run(clean_lake(tmp_path, WEEK, rows), kiosk, WEEK)
    kiosk.replace_marts(WEEK, right_marts(WEEK, rows))
    show(kiosk, WEEK)
    declared = marts(KIOSK.contract)[0]
    keys = kiosk.read_mart(declared).select(declared.key).to_pylist()
    found = [tuple(key.values()) for key in keys]
    assert found == sorted(found, key=lambda key: [text.encode() for text in key])
    assert len(found) == len(PRODUCTS) * len(REGIONS)
    assert kiosk.query("SELECT max(sale_id), min(product_id) FROM sale")[1] == [
        (max(rows["sale_id"].to_pylist()), "10")
    ]


@pytest.mark.parametrize(
    ("measure", "name"),
    [
        ("total_sales", "sales_by_region"),
        ("total_quantity", "sales_by_product"),
        ("total_sales_amount", "sales_by_day"),
        ("total_returns", "sales_by_region_product"),
        ("total_returns_amount", "sales_by_day"),
        ("net_amount", "sales_by_region"),
        ("total_orders", "sales_by_product"),
    ],
)
@pytest.mark.parametrize("more", [1, -1])
def test_a_figure_that_sql_does_not_find_leaves_the_marts_as_they_were(
    *, kiosk: Postgres, tmp_path: Path, measure: str, name: str, more: int
) -> None:
    rows = table(MANY)
    load.run(clean_lake(tmp_path, WEEK, rows), kiosk, WEEK)
    new = right_marts(WEEK, rows)
    kiosk.replace_marts(WEEK, new)
    show(kiosk, WEEK)
    before = query_all(kiosk, name)
    place = new[name].schema.get_field_index(measure)
    figures = new[name][measure].to_pylist()
    figures[-1] += more
    column = new[name].schema.field(measure)
    wrong = new[name].set_column(place, column, pa.array(figures, column.type))
    with pytest.raises(ReconciliationError) as caught:
        kiosk.replace_marts(WEEK, new | {name: wrong})
    assert (caught.value.mart, caught.value.measure) == (name, measure)
    assert caught.value.actual == figures[-1]
    assert query_all(kiosk, name) == before


def test_tables_of_another_contract_are_refused_with_their_schema(database: str) -> None:
    with postgres(database, schema(KIOSK)) as store:
        store.create_tables(SALES)
        with pytest.raises(
            StoreError,
            match=r"^store_kiosk\.sale_by_load: column sale_id is bigint NOT NULL there, and the "
            r"contract needs it text NOT NULL; .*ALTER TABLE store_kiosk\.sale_by_load RENAME TO",
        ):
            store.create_tables(KIOSK.contract)


def test_imports_of_another_contract_are_refused_with_their_database(
    kiosk_shown: ClickHouse,
) -> None:
    kiosk_shown.create_tables(SALES)
    with pytest.raises(
        StoreError,
        match=r"^ClickHouse store_kiosk\.sales_by_\w+\.\w+ is .*, expected .*; rename or drop "
        r"sales_by_\w+ in the database store_kiosk$",
    ):
        kiosk_shown.create_tables(KIOSK.contract)


def test_text_ids_are_compared_by_their_bytes(kiosk: Postgres) -> None:
    kiosk.create_tables(KIOSK.contract)
    collations = (
        "SELECT attrelid::regclass::text, attname FROM pg_attribute AS a "
        "JOIN pg_collation AS c ON c.oid = a.attcollation WHERE c.collname = 'C' "
        "AND attname IN ('sale_id', 'product_id') AND attrelid::regclass::text ~ '_by_load' "
        "ORDER BY 1, 2"
    )
    assert kiosk.query(collations)[1] == [
        ("sale_by_load", "product_id"),
        ("sale_by_load", "sale_id"),
        ("sales_by_product_by_load", "product_id"),
        ("sales_by_product_by_load_pkey", "product_id"),
        ("sales_by_region_product_by_load", "product_id"),
        ("sales_by_region_product_by_load_pkey", "product_id"),
    ]


def test_a_load_of_one_shop_waits_for_none_of_another(
    database: str, kiosk: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PATIENCE", 0.2)
    with session.open_session(database, "vitrina") as other, other.alone("nothing is left"):
        load.run(clean_lake(tmp_path, WEEK, table(MANY)), kiosk, WEEK)
    with (
        session.open_session(database, schema(KIOSK)) as other,
        other.alone("nothing is left"),
        postgres(database, schema(KIOSK)) as late,
        pytest.raises(StoreUnavailable, match="another load or analysis is still running"),
    ):
        load.run(clean_lake(tmp_path / "again", WEEK, table(MANY)), late, WEEK)


def test_what_a_killed_load_left_is_dropped_in_its_own_schema_alone(
    database: str, kiosk: Postgres, tmp_path: Path
) -> None:
    with postgres(database) as first:
        first.create_tables(SALES)
    kiosk.create_tables(KIOSK.contract)
    with (
        session.open_session(database, "vitrina") as one,
        session.open_session(database, schema(KIOSK)) as other,
    ):
        left = create_staging(one, BATCH, begin(one, ledger_entry(BATCH.as_of)), monthly=False)
        begun = begin(other, ledger_entry(WEEK.as_of))
        dropped = create_staging(other, WEEK, begun, monthly=False)
        load.run(clean_lake(tmp_path, WEEK, table(MANY)), kiosk, WEEK)
        assert (one.exists(left), other.exists(dropped)) == (True, False)
