"""One row per sale: what survives, what is kept aside, and that nothing goes astray."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.lakes import generated
from tests.rows import AS_OF, BATCH, GOOD, collected, feed, sales
from vitrina.contract import SALES
from vitrina.counts import Cleaned
from vitrina.errors import BatchError, ReconciliationError
from vitrina.steps import clean, validate
from vitrina.steps.clean import conflicts, number_repeated, one_row_per_sale
from vitrina.stores.lake import Lake

# An example is a few jobs of Spark: few of them, each with many rows.
FEW = settings(max_examples=settings().max_examples // 5)


def sale(sale_id: int, amount: str = "9.00", **other: Any) -> dict[str, Any]:
    return {"sale_id": sale_id, "sale_amount": Decimal(amount), **other}


def cleaned(spark: SparkSession, rows: list[dict[str, Any]]) -> tuple[list[Any], list[Any], int]:
    """The clean sales, the conflicts, and how many rows collapsed."""
    valid = sales(spark, rows)
    numbered = number_repeated(valid, SALES)
    clean_rows = collected(one_row_per_sale(valid, numbered, SALES), "sale_id", "sale_amount")
    lost = collected(conflicts(numbered, SALES), "sale_id", "sale_amount")
    collapsed = sum(row.copies - 1 for row in numbered.collect())
    return clean_rows, lost, collapsed


def test_a_sale_that_occurs_once_is_kept(spark: SparkSession) -> None:
    assert cleaned(spark, [sale(1), sale(2)]) == (
        [(1, Decimal("9.00")), (2, Decimal("9.00"))],
        [],
        0,
    )


def test_exact_copies_collapse_into_one(spark: SparkSession) -> None:
    assert cleaned(spark, [sale(1), sale(1), sale(1)]) == ([(1, Decimal("9.00"))], [], 2)


def test_of_copies_that_differ_the_smallest_survives_and_the_others_are_kept(
    spark: SparkSession,
) -> None:
    rows = [sale(1, "10.00"), sale(1, "9.00"), sale(1, "9.50"), sale(1, "9.50")]
    assert cleaned(spark, rows) == (
        [(1, Decimal("9.00"))],
        [("1", "10.00"), ("1", "9.50")],
        1,
    )


def test_the_order_of_survival_is_by_every_field_in_the_contracts_order(
    spark: SparkSession,
) -> None:
    # A smaller customer outweighs a larger amount, and the region decides last.
    rows = [
        sale(1, "1.00", customer_id=8, region="East"),
        sale(1, "5.00", customer_id=7, region="South"),
        sale(1, "5.00", customer_id=7, region="North"),
    ]
    valid = sales(spark, rows)
    survivors = one_row_per_sale(valid, number_repeated(valid, SALES), SALES)
    assert collected(survivors, "customer_id", "region") == [(7, "North")]


@FEW
@given(
    rows=st.lists(
        st.builds(
            sale,
            st.integers(1, 20),
            st.sampled_from(["1.00", "2.00", "10.00"]),
            region=st.sampled_from(SALES.regions),
        ),
        min_size=20,
        max_size=100,
    )
)
def test_rows_in_are_clean_plus_conflicting_plus_collapsed(
    spark: SparkSession, rows: list[dict[str, Any]]
) -> None:
    clean_rows, lost, collapsed = cleaned(spark, rows)
    assert [sale_id for sale_id, _ in clean_rows] == sorted({row["sale_id"] for row in rows})
    contents = {tuple(row.values()) for row in rows}
    assert len(clean_rows) + len(lost) == len(contents)
    assert len(clean_rows) + len(lost) + collapsed == len(rows)


@FEW
@given(order=st.permutations(range(24)), partitions=st.integers(1, 5))
def test_the_result_depends_neither_on_order_nor_on_partitions(
    spark: SparkSession, order: list[int], partitions: int
) -> None:
    # Four times the same three sales, so that one example has many orders.
    firsts = (1, 4, 7, 10)
    rows = [
        row
        for first in firsts
        for row in (
            *(sale(first, "3.00"), sale(first, "2.00")),
            *(sale(first + 1), sale(first + 1)),
            *(sale(first + 2, region="West"), sale(first + 2)),
        )
    ]
    valid = sales(spark, [rows[place] for place in order]).repartition(partitions)
    survivors = one_row_per_sale(valid, number_repeated(valid, SALES), SALES)
    assert collected(survivors, "sale_id", "sale_amount", "region") == [
        (first + place, Decimal(amount), "North")
        for first in firsts
        for place, amount in enumerate(("2.00", "9.00", "9.00"))
    ]


def test_the_step_counts_rows_and_control_totals(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), AS_OF)
    other = {"sale_id": "2", "quantity": "3", "sale_amount": "20.00"}
    with lake.step("generate") as left:
        rows = feed(spark, {}, {}, other, {**other, "quantity": "1"}, {"region": "?"})
        lake.write(left, "feed", rows, "csv")
        left.counts = generated(5).document()
    validate.run(spark, lake, BATCH, Decimal(1))
    assert clean.run(spark, lake, BATCH) == Cleaned(
        rows_in=4,
        clean=2,
        collapsed=1,
        conflicting=1,
        total_quantity=3,
        total_sales_amount=Decimal("39.98"),
    )
    kept = lake.read(spark, lake.dataset("clean", "conflicts")).collect()
    assert [row.asDict() for row in kept] == [
        {**GOOD, **other, "reasons": ["conflicting_duplicate"]}
    ]


def test_a_batch_without_a_valid_row_sums_up_to_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path), AS_OF)
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, {"quantity": "0"}), "csv")
        left.counts = generated(1).document()
    validate.run(spark, lake, BATCH, Decimal(1))
    assert clean.run(spark, lake, BATCH) == Cleaned(0, 0, 0, 0, 0, Decimal(0))


def test_rows_that_go_astray_stop_the_batch(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), AS_OF)
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, {}, {}), "csv")
        left.counts = generated(2).document()
    validate.run(spark, lake, BATCH, Decimal(1))
    counted = lake.result("validate")
    counted["counts"]["valid"] += 1
    lake.document("validate", "step.json", counted)
    with pytest.raises(
        ReconciliationError,
        match=r"validate has 3, clean \(1 clean, 1 copies collapsed, 0 in conflict\) has 2; "
        "nothing was loaded; run: vitrina validate --as-of 2026-11-24",
    ) as refused:
        clean.run(spark, lake, BATCH)
    assert (refused.value.expected, refused.value.actual) == (3, 2)
    with pytest.raises(BatchError, match="clean has left nothing"):
        lake.result("clean")


@pytest.mark.parametrize("repeated", [True, False])
def test_running_the_step_again_leaves_the_same_rows(
    spark: SparkSession, tmp_path: Path, repeated: bool
) -> None:
    lake = Lake(str(tmp_path), AS_OF)
    with lake.step("generate") as left:
        second = {"sale_id": "1" if repeated else "2", "quantity": "3"}
        lake.write(left, "feed", feed(spark, {}, second), "csv")
        left.counts = generated(2).document()
    validate.run(spark, lake, BATCH, Decimal(1))
    runs = []
    for _ in range(2):
        counts = clean.run(spark, lake, BATCH)
        rows = lake.read(spark, lake.dataset("clean", "clean"))
        runs.append((counts, collected(rows, *SALES.names)))
    assert runs[0] == runs[1]
    assert len(list((tmp_path / str(AS_OF) / "clean").iterdir())) == 2, "one attempt is kept"
