"""The marts on a handful of rows, and the laws of their figures."""

import datetime
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.rows import AS_OF, BATCH, collected, sales, shop
from vitrina.contract import SALES, Contract
from vitrina.marts import marts
from vitrina.steps.analyze import mart_rows, rounded_quotient
from vitrina.store import Batch

D = Decimal

# An example is a query or more, so a few with much in each go a long way.
FEW = settings(max_examples=settings().max_examples // 5)


def mart(spark: SparkSession, name: str, rows: list[dict[str, Any]], batch: Batch = BATCH) -> Any:
    """A mart's rows, by its key."""
    found = next(
        (mart, frame)
        for mart, frame in mart_rows(sales(spark, rows, batch.contract), batch).items()
        if mart.name == name
    )
    key = found[0].key
    return {
        tuple(row[k] for k in key) if len(key) > 1 else row[key[0]]: row
        for row in found[1].collect()
    }


def sale(product_id: int, amount: str, **other: Any) -> dict[str, Any]:
    return {"product_id": product_id, "sale_amount": D(amount), **other}


@FEW
@given(
    pairs=st.lists(
        st.tuples(
            st.integers(-(10**20), 10**20) | st.integers(-99, 99),
            st.integers(0, 10**20) | st.integers(0, 8),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_a_quotient_is_rounded_half_up_exactly(
    spark: SparkSession, pairs: list[tuple[int, int]]
) -> None:
    schema = "n decimal(24,0), d decimal(24,0)"
    table = spark.createDataFrame([(D(n), D(d)) for n, d in pairs], schema)
    scales = range(7)
    quotients = [rounded_quotient(F.col("n"), F.col("d"), scale) for scale in scales]
    for numerator, denominator, *found in table.select("n", "d", *quotients).collect():
        n, d = int(numerator), int(denominator)
        for scale, quotient in zip(scales, found, strict=True):
            if d == 0:
                assert quotient is None
            else:
                # Whole-number arithmetic of Python, which has no precision to run out of.
                whole = (2 * abs(n) * 10**scale + d) // (2 * d)
                assert quotient == D(whole if n >= 0 else -whole).scaleb(-scale)


def test_totals_and_average_receipt_are_per_region_and_product(spark: SparkSession) -> None:
    rows = mart(
        spark,
        "sales_by_region_product",
        [
            sale(1, "10.00", quantity=1),
            sale(1, "0.01", quantity=3),
            sale(1, "5.00", region="West"),
            sale(2, "7.00"),
            sale(3, "0.00"),
        ],
    )
    row = rows["North", 1]
    assert (row.total_sales, row.total_quantity, row.total_sales_amount) == (2, 4, D("10.01"))
    assert row.average_sale_amount == D("5.01"), "5.005 is rounded half up"
    given_away = rows["North", 3]
    assert (given_away.total_sales, given_away.total_returns) == (1, 0)
    assert set(rows) == {("North", 1), ("North", 2), ("North", 3), ("West", 1)}


def test_a_sum_has_every_cent_where_a_float_would_lose_some(spark: SparkSession) -> None:
    one = sales(spark, [sale(1, "9999999999.99")])
    many = one.crossJoin(spark.range(20_000).select(F.col("id").alias("place")))
    for mart_, frame in mart_rows(many.select(*SALES.names), BATCH).items():
        sold = frame.where("total_sales > 0").collect()
        assert [row.total_sales_amount for row in sold] == [D("199999999999800.00")], mart_.name


def test_a_share_is_rounded_half_up_where_a_float_would_not_be(spark: SparkSession) -> None:
    rows = [sale(1, "2.49"), sale(2, "19997.51", region="West")]
    for name in ("sales_by_region", "sales_by_product"):
        assert {row.share for row in mart(spark, name, rows).values()} == {
            D("0.000125"),
            D("0.999876"),
        }


def test_rank_and_running_share_follow_the_amount_then_the_product(spark: SparkSession) -> None:
    rows = mart(
        spark,
        "sales_by_region_product",
        [sale(9, "30.00"), sale(4, "30.00"), sale(2, "10.00"), sale(2, "5.00"), sale(7, "25.00")],
    )
    ranked = sorted(rows.values(), key=lambda row: row.sales_rank)
    assert [(row.product_id, row.share, row.running_share) for row in ranked] == [
        (4, D("0.300000"), D("0.300000")),
        (9, D("0.300000"), D("0.600000")),
        (7, D("0.250000"), D("0.850000")),
        (2, D("0.150000"), D("1.000000")),
    ]


def test_a_class_follows_from_what_the_products_above_make_up(spark: SparkSession) -> None:
    rows = mart(
        spark,
        "sales_by_region_product",
        # Above: 0, 79.99, 80, 94.99, 95 % of the amount.
        [
            sale(1, "79.99"),
            sale(2, "0.01"),
            sale(2, "15.00", region="West"),
            sale(3, "20.00"),
        ],
    )
    assert {key: row.abc_class for key, row in rows.items()} == {
        ("North", 1): "A",
        ("North", 3): "A",
        ("North", 2): "C",
        ("West", 2): "A",
    }
    rows = mart(
        spark,
        "sales_by_region_product",
        [sale(1, "80.00"), sale(2, "15.00"), sale(3, "4.00"), sale(4, "1.00")],
    )
    assert [rows["North", product].abc_class for product in (1, 2, 3, 4)] == list("ABCC")


def test_regions_and_products_are_ranked_over_all(spark: SparkSession) -> None:
    rows = [
        sale(1, "10.00", region="West"),
        sale(2, "10.00", region="East"),
        sale(2, "20.00", region="North", quantity=5),
    ]
    by_region = mart(spark, "sales_by_region", rows)
    assert {key: (row.sales_rank, row.share) for key, row in by_region.items()} == {
        "North": (1, D("0.500000")),
        "East": (2, D("0.250000")),
        "West": (3, D("0.250000")),
    }
    by_product = mart(spark, "sales_by_product", rows)
    assert {key: (row.sales_rank, row.share) for key, row in by_product.items()} == {
        2: (1, D("0.750000")),
        1: (2, D("0.250000")),
    }
    assert by_product[2].total_quantity == 7
    assert by_product[2].average_sale_amount == D("15.00")


def test_days_without_sales_are_rows_of_zero(spark: SparkSession) -> None:
    rows = mart(spark, "sales_by_day", [sale(1, "10.00")])
    assert len(rows) == 365 * 4
    assert min(day for day, _ in rows) == datetime.date(2025, 11, 24)
    assert max(day for day, _ in rows) == datetime.date(2026, 11, 23)
    empty = rows[datetime.date(2026, 11, 22), "North"]
    assert (empty.total_sales, empty.total_sales_amount) == (0, D("0.00"))
    assert empty.average_sale_amount is None
    assert rows[datetime.date(2026, 11, 23), "North"].total_sales == 1


def test_the_moving_average_needs_seven_days_and_the_change_a_week(spark: SparkSession) -> None:
    batch = Batch(AS_OF, shop(Contract(SALES.fields, days=9)))
    amounts = ["1.00", "2.00", "3.00", "4.00", "5.00", "6.00", "7.03", "1.50", "1.00"]
    days = [batch.first_day + datetime.timedelta(days=n) for n in range(9)]
    rows = mart(
        spark,
        "sales_by_day",
        [sale(1, a, sale_date=d) for a, d in zip(amounts, days, strict=True)]
        + [sale(1, "100.00", sale_date=days[8], region="West")],
        batch,
    )
    north = [rows[day, "North"] for day in days]
    assert [row.moving_average_7_days for row in north] == [None] * 6 + [
        D("4.00"),
        D("4.08"),
        D("3.93"),
    ]
    assert [row.change_from_week_before for row in north] == [None] * 7 + [
        D("0.500000"),
        D("-0.500000"),
    ]
    west = rows[days[8], "West"]
    assert west.moving_average_7_days == D("14.29")
    assert west.change_from_week_before is None, "there were no sales a week before"


@FEW
@given(
    cents_of=st.fixed_dictionaries(
        {
            region: st.lists(st.integers(1, 10**6), min_size=1, max_size=12)
            for region in SALES.regions
        }
    )
)
def test_running_shares_rise_to_one_in_order_of_rank(
    spark: SparkSession, cents_of: dict[str, list[int]]
) -> None:
    rows = mart(
        spark,
        "sales_by_region_product",
        [
            sale(product, str(D(c) / 100), region=region)
            for region, cents in cents_of.items()
            for product, c in enumerate(cents, start=1)
        ],
    )
    for region, cents in cents_of.items():
        ranked = sorted(
            (row for row in rows.values() if row.region == region),
            key=lambda row: row.sales_rank,
        )
        assert [row.sales_rank for row in ranked] == list(range(1, len(cents) + 1))
        amounts = [row.total_sales_amount for row in ranked]
        assert amounts == sorted(amounts, reverse=True)
        expected = [
            (total / sum(amounts)).quantize(D("0.000001"), ROUND_HALF_UP)
            for total in accumulate(amounts)
        ]
        assert [row.running_share for row in ranked] == expected
        assert ranked[-1].running_share == 1


def test_a_mart_that_nothing_computes_is_refused(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = [replace(mart, name=f"{mart.name}_too") for mart in marts(SALES)]
    monkeypatch.setattr("vitrina.steps.analyze.marts", lambda _: declared)
    with pytest.raises(NotImplementedError, match="no function for the mart sales_by_region_prod"):
        mart_rows(sales(spark, [{}]), BATCH)


def test_columns_come_in_the_marts_order_and_types(spark: SparkSession) -> None:
    for mart_, frame in mart_rows(sales(spark, [{}]), BATCH).items():
        assert tuple(frame.columns) == mart_.names
        assert collected(frame, *mart_.key)
