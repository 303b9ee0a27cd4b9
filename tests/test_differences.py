"""What differs between two tables, told by row and cell."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from vitrina.columns import Column, Integer, Label, Numeric, arrow_schema
from vitrina.proof.differences import SHOWN, differences

COLUMNS = (
    Column("region", Label(), "Where", nullable=True),
    Column("product_id", Integer(64), "What"),
    Column("amount", Numeric(12, 2), "How much", nullable=True),
)
KEY = ("region", "product_id")

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", "-", "a", "1:a", "a,1:b"]),
        st.integers(-1, 2),
        st.sampled_from([None, Decimal("0.00"), Decimal("1.50")]),
    ),
    max_size=8,
)


def table(*rows: tuple[Any, ...]) -> pa.Table:
    schema = arrow_schema(COLUMNS)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def told(expected: pa.Table, actual: pa.Table) -> list[str]:
    return differences(expected, actual, COLUMNS, KEY)


@given(expected=ROWS, actual=ROWS)
def test_something_is_told_exactly_if_the_rows_are_others(
    expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]]
) -> None:
    found = told(table(*expected), table(*actual))
    assert bool(found) == (Counter(expected) != Counter(actual))


def test_a_cell_is_told_with_its_row_and_both_values() -> None:
    expected = table(("North", 1, Decimal("1.00")), ("North", 2, None))
    actual = table(("North", 2, Decimal("3.10")), ("North", 1, Decimal("1.00")))
    assert told(expected, actual) == [
        "region 'North', product_id 2: amount is 3.10, expected missing"
    ]


def test_rows_that_are_gone_new_or_there_twice_are_told() -> None:
    one, two, three = [(region, 1, None) for region in ("a", "b", "c")]
    assert told(table(one, two), table(two, three, two)) == [
        "region 'a', product_id 1: the row is missing",
        "region 'b', product_id 1: the row should not be there",
        "region 'c', product_id 1: the row should not be there",
    ]


def test_of_many_the_first_are_told_and_how_many_there_are() -> None:
    rows = [("a", number, None) for number in range(20)]
    found = told(table(*rows), table())
    assert len(found) == SHOWN + 1
    assert found[-1] == "… 20 rows differ in all"
