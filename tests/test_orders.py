"""What a row takes from other rows of its order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pyspark.sql import SparkSession

from tests.pieces import Texts, piece, rows_of, store_of
from vitrina.exports.feed import Piece, feed_schema
from vitrina.exports.mapping import mapped, mapped_schema
from vitrina.exports.orders import IS_REFUND, ROWS_ADDED, complete, needs_orders
from vitrina.store import Store, source_of

IN_ORDER = 'column = "id", place = "order"'
FEW_AT_ONCE = settings(max_examples=8)


def completed(spark: SparkSession, store: Store, *batches: pa.RecordBatch) -> list[dict[str, Any]]:
    """The feed of these batches, in the order of file and line; a refund after its line."""
    table = pa.Table.from_batches(batches, mapped_schema(store))
    # Rows come in any order.
    frame = spark.createDataFrame(table.take(list(reversed(range(len(table)))))).repartition(3)
    rows = complete(frame, store)
    assert rows.columns == [*feed_schema(store.contract).names, IS_REFUND, ROWS_ADDED]
    ordered = rows.orderBy("file_number", "line", IS_REFUND)
    return [row.asDict() for row in ordered.collect()]


def orders_of(spark: SparkSession, store: Store, **columns: Texts) -> list[dict[str, Any]]:
    return completed(spark, store, mapped(piece(store, 2, (), **columns), store, "sales.csv", 1))


def column(rows: Sequence[dict[str, Any]], *names: str) -> list[Any]:
    return [
        row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows
    ]


def test_a_store_whose_rows_stand_alone_needs_no_orders() -> None:
    assert not needs_orders(source_of(store_of(sale_id='column = "id", place = "file"')))
    assert needs_orders(source_of(store_of(sale_id=IN_ORDER)))


def test_lines_of_an_order_are_numbered_in_the_order_of_their_file(spark: SparkSession) -> None:
    store = store_of(sale_id=IN_ORDER)
    rows = orders_of(spark, store, id=["7", "7", "8", " 7", "", None, "#N/A", "7"])
    assert column(rows, "sale_id") == ["7/1", "7/2", "8/1", "7/3", "", None, "#N/A", "7/4"]
    assert column(rows, "problems")[6] == ["sale_id_mangled"]


def test_each_file_and_each_sheet_numbers_its_lines_from_one(spark: SparkSession) -> None:
    store = store_of(sale_id=IN_ORDER)
    sheets = [
        mapped(piece(store, id=["7", "7"]), store, "a.xlsx[2009]", 1),
        mapped(piece(store, 9, id=["7"]), store, "a.xlsx[2010]", 1),
        mapped(piece(store, 20, id=["7"]), store, "a.xlsx[2009]", 1),
        mapped(piece(store, id=["7"]), store, "a.xlsx[2009]", 2),
    ]
    rows = completed(spark, store, *sheets)
    assert column(rows, "file_number", "line", "sale_id") == [
        (1, 2, "7/1"),
        (1, 3, "7/2"),
        (1, 9, "7/1"),
        (1, 20, "7/3"),
        (2, 2, "7/1"),
    ]


def test_a_missing_value_is_carried_down_within_its_order(spark: SparkSession) -> None:
    store = store_of('order = ["id"]', region='column = "where", carried_down = true')
    rows = orders_of(
        spark,
        store,
        id=["7", "7", "8", "7", "8", "", "7"],
        where=["France", "", None, " ", "Peru", "", "Chile"],
    )
    assert column(rows, "region") == ["France", "France", None, "France", "Peru", "", "Chile"]


def test_what_is_wrong_with_a_value_is_carried_down_with_it(spark: SparkSession) -> None:
    store = store_of(
        'order = ["id"]\nnumbers = { decimal = "," }',
        sale_amount='column = "sum", carried_down = true',
    )
    rows = orders_of(spark, store, id=["7", "7"], sum=["1.5", ""], product=["A", "####"])
    wrong = "sale_amount_not_a_number"
    assert column(rows, "sale_amount", "problems") == [
        ("1.5", [wrong]),
        ("1.5", ["product_id_mangled", wrong]),
    ]


BELOW = """order = ["id"]
[[source.rows]]
column = "status"
equals = ["void"]
in_order = true
[[source.rows]]
column = "kind"
equals = ["return"]
fate = "return"
[[source.rows]]
column = "status"
equals = ["paid"]
fate = "sale"
in_order = true
[[source.rows]]
column = "id"
is_blank = false
why = "not paid"
"""


def test_a_rule_may_hold_for_the_lines_below_in_the_same_order(spark: SparkSession) -> None:
    rows = orders_of(
        spark,
        store_of(BELOW),
        id=["7", "7", "8", "7", "8", "9", "8", "8", ""],
        status=["paid", "", "open", "", "void", "", "", "paid", ""],
        kind=["", "return", "", "", "", "", "return", "", "return"],
        pieces=["1", "2", "3", "4", "5", "6", "?", "8", "9"],
    )
    assert column(rows, "set_aside") == [
        None,
        None,
        "not paid",
        None,
        "void",
        "not paid",
        "void",
        "void",
        None,
    ]
    assert column(rows, "quantity")[:2] == ["1", "-2"]
    assert column(rows, "quantity")[8] == "-9"
    # The quantity of the seventh is no number, and no mistake.
    assert column(rows, "problems") == [None] * 9


def test_a_rule_gives_the_lines_below_a_sign_or_a_quantity(spark: SparkSession) -> None:
    rules = """order = ["id"]
[[source.rows]]
column = "kind"
equals = ["return"]
fate = "return"
in_order = true
[[source.rows]]
column = "kind"
equals = ["correction"]
fate = "sale"
quantity = 0
in_order = true
"""
    rows = orders_of(
        spark,
        store_of(rules),
        id=["7", "7", "8", "8"],
        kind=["return", "", "correction", ""],
        pieces=["1", "2", "?", "3"],
        sum=["5.00", "-6.00", "7", "?"],
    )
    assert column(rows, "quantity", "sale_amount", "problems") == [
        ("-1", "-5.00", None),
        ("-2", "-6.00", None),
        ("0", "7", None),
        ("0", "?", ["sale_amount_not_a_number"]),
    ]


REFUND = 'order = ["id"]\nrefund = { column = "refunded" }'


def test_an_orders_refund_is_one_more_row_a_return_of_money_alone(spark: SparkSession) -> None:
    rows = orders_of(
        spark,
        store_of(REFUND, sale_id=IN_ORDER),
        id=["#1", "#1", "#2", "#3", "#3", "#4"],
        refunded=["30.00", "", "0.00", "", "-5", "0.004"],
        where=["FR", "DE", "FR", "IT", "FR", "FR"],
    )
    made = [row for row in rows if row[IS_REFUND]]
    assert column(made, "sale_id", "line", "product_id", "quantity", "sale_amount", "region") == [
        ("#1/refund", 2, "refund", "0", "-30.00", "FR"),
        ("#3/refund", 5, "refund", "0", "-5", "IT"),
        ("#4/refund", 7, "refund", "0", "-0.004", "FR"),
    ]
    others = [row for row in rows if not row[IS_REFUND]]
    assert column(others, "sale_id") == ["#1/1", "#1/2", "#2/1", "#3/1", "#3/2", "#4/1"]
    assert column(made, "sale_date") == ["2026-11-23"] * 3


def test_a_refund_that_cannot_be_read_is_a_row_with_the_reason(spark: SparkSession) -> None:
    rows = orders_of(spark, store_of(REFUND), id=["#1"], refunded=["some"], product=["####"])
    assert column(rows, "sale_amount", "problems", IS_REFUND) == [
        ("19.98", ["product_id_mangled"], False),
        ("some", ["sale_amount_not_a_number"], True),
    ]


def test_the_refund_of_an_order_that_is_no_sale_is_set_aside_with_it(spark: SparkSession) -> None:
    store = store_of(REFUND + '\n[[source.rows]]\ncolumn = "kind"\nequals = ["void"]')
    rows = orders_of(spark, store, id=["#1"], refunded=["5"], kind=["void"])
    assert column(rows, "set_aside") == ["void", "void"]


PARTS = 'add_up = { by = ["id", "kind"] }'


def test_the_amounts_of_parts_are_added_and_the_first_part_stays(spark: SparkSession) -> None:
    rows = orders_of(
        spark,
        store_of(PARTS),
        id=["1", "2", "1", "1", "2", "", ""],
        kind=["a", "a", "a", "b", "a", "a", "a"],
        sum=["20.00", "0.1", "-2.05", "7", "0.2", "1", "1"],
        pieces=["2", "1", "9", "1", "1", "1", "1"],
    )
    assert column(rows, "line", "quantity", "sale_amount", ROWS_ADDED) == [
        (2, "2", "17.95", 1),
        (3, "1", "0.30", 1),
        (5, "1", "7", 0),
        (7, "1", "1", 0),
        (8, "1", "1", 0),
    ]


def test_a_row_that_is_set_aside_is_no_part(spark: SparkSession) -> None:
    rule = '\n[[source.rows]]\ncolumn = "fee"\nequals = ["yes"]'
    rows = orders_of(
        spark, store_of(PARTS + rule), kind=["a"] * 3, fee=["", "yes", ""], sum=["1", "2", "4"]
    )
    assert column(rows, "sale_amount", "set_aside") == [("5.00", None), ("2", "yes")]


@pytest.mark.parametrize("spoilt", ["?", "", None, "0.1234567"])
def test_no_sale_is_made_of_parts_of_which_one_cannot_be_used(
    spark: SparkSession, spoilt: str | None
) -> None:
    rows = orders_of(spark, store_of(PARTS), kind=["a"] * 3, sum=["1", spoilt, "4"])
    own = ["sale_amount_not_a_number"] if spoilt == "?" else None
    assert column(rows, "sale_amount", "problems") == [
        ("1", ["part_rejected"]),
        (spoilt, own),
        ("4", ["part_rejected"]),
    ]


def test_a_sum_has_its_surplus_decimals(spark: SparkSession) -> None:
    rows = orders_of(
        spark, store_of(PARTS), kind=["a", "a", "b", "b"], sum=["0.005", "0.005", "0.001", "0"]
    )
    assert column(rows, "sale_amount") == ["0.01", "0.001000"]


cents = st.integers(-(10**11), 10**11)


@FEW_AT_ONCE
@given(st.lists(st.tuples(st.sampled_from("abc"), cents), min_size=1, max_size=12))
def test_no_money_and_no_row_is_lost_in_adding_up(
    spark: SparkSession, parts: list[tuple[str, int]]
) -> None:
    sums = [f"{Decimal(amount).scaleb(-2):f}" for _, amount in parts]
    rows = orders_of(spark, store_of(PARTS), kind=[kind for kind, _ in parts], sum=sums)
    total = sum((Decimal(row["sale_amount"]) for row in rows), Decimal(0))
    assert total == Decimal(sum(amount for _, amount in parts)).scaleb(-2)
    assert sum(1 + row[ROWS_ADDED] for row in rows) == len(parts)
    assert len(rows) == len({kind for kind, _ in parts})


def test_what_the_reader_refused_stays_as_it_is(spark: SparkSession) -> None:
    store = store_of(
        'order = ["id"]\nrefund = { column = "refunded" }\nadd_up = { by = ["id"] }',
        sale_id=IN_ORDER,
        region='column = "where", carried_down = true',
    )
    names = source_of(store).columns
    read = Piece(
        {name: pa.nulls(2, pa.string()) for name in names},
        pa.array([2, 3]),
        problems=pa.array([["not_json"]] * 2, pa.list_(pa.string())),
        raw=pa.array(["{", "["]),
    )
    rows = completed(spark, store, mapped(read, store, "sales.jsonl", 1))
    assert column(rows, "line", "problems", "raw", "sale_id", "region") == [
        (2, ["not_json"], "{", None, None),
        (3, ["not_json"], "[", None, None),
    ]


def test_only_text_ids_take_a_place_or_a_refund() -> None:
    for source, sale_id in (
        ("", 'column = "id", place = "order", type = "integer"'),
        (REFUND, 'column = "id", type = "integer"'),
    ):
        with pytest.raises(ValidationError):
            store_of(source, sale_id=sale_id)


def test_a_row_alone_is_mapped_without_orders() -> None:
    [row] = rows_of(store_of(sale_id=IN_ORDER), id=["7"])
    assert row["sale_id"] == "7"
