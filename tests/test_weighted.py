"""Weighted sums of marts and sales: they agree where the marts are right, and nowhere else."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from tests.databases import new_database
from tests.lakes import clean_sales, right_marts
from tests.own_shops import KIOSK, ROWS, WEEK, numbered
from tests.rows import BATCH
from vitrina.columns import Integer, arrow_schema
from vitrina.contract import SALES, Contract
from vitrina.marts import TOTALS, Mart, marts, summed_from
from vitrina.store import Batch
from vitrina.stores.postgres.marts import copy_mart, right_groups, staged
from vitrina.stores.postgres.session import Session, columns, open_session
from vitrina.stores.postgres.tables import by_load, sales_of_a_load, tables
from vitrina.stores.postgres.weighted import agree_with_sales, can_be_weighed

SALES_TABLE = "sold"
SOLD = clean_sales(BATCH, 200)
BY_REGION_PRODUCT, BY_REGION, BY_PRODUCT, BY_DAY = marts(SALES)


@pytest.fixture(scope="module")
def session(postgres_server: str) -> Iterator[Session]:
    """A session for all tests here, since each of them undoes what it does."""
    with (
        new_database(postgres_server, f"weighted_{uuid.uuid4().hex}") as dsn,
        open_session(dsn, "public") as session,
    ):
        yield session


@contextmanager
def sales_and_marts(
    session: Session, batch: Batch, sales: pa.Table, new: dict[str, pa.Table]
) -> Iterator[None]:
    """These sales in a table, and these marts staged, until the block ends."""
    contract = batch.contract
    with session.connection.transaction(force_rollback=True):
        of_marts = {by_load(mart.name) for mart in marts(contract)}
        for table in (sales_of_a_load(SALES_TABLE, contract), *tables(contract)):
            if table.name in {SALES_TABLE, *of_marts}:
                session.execute(table.create())
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(SALES_TABLE), columns(contract.names)
        )
        with session.connection.cursor() as cursor, cursor.copy(query) as copy:
            for row in sales.select(contract.names).to_pylist():
                copy.write_row(list(row.values()))
        for mart in marts(contract):
            copy_mart(session, mart, new[mart.name])
        yield


def agree(session: Session, batch: Batch, sales: pa.Table, new: dict[str, pa.Table]) -> bool:
    weighed = {mart: staged(mart) for mart in summed_from(marts(batch.contract)).values()}
    with sales_and_marts(session, batch, sales, new):
        return agree_with_sales(session, SALES_TABLE, batch.contract, weighed)


def totals(batch: Batch, sales: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """What the weights are to tell apart: the totals of each row of each mart."""
    new = right_marts(batch, sales)
    return {
        mart.name: new[mart.name]
        .select([*mart.key, *mart.totals])
        .sort_by([(name, "ascending") for name in mart.key])
        .to_pylist()
        for mart in marts(batch.contract)
    }


def kiosk_sales(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), arrow_schema(KIOSK.contract.fields))


# Two rows, and which of their fields change places.
SWAPS = st.tuples(
    st.integers(0, 79),
    st.integers(0, 79),
    st.sets(
        st.sampled_from(["product_id", "region", "sale_date", "quantity", "sale_amount"]),
        min_size=1,
    ),
)


@given(rows=ROWS, swap=SWAPS)
def test_marts_of_other_sales_agree_only_if_their_totals_do(
    session: Session, rows: list[dict[str, Any]], swap: tuple[int, int, set[str]]
) -> None:
    sales = numbered(rows)
    one, other, fields = swap
    changed = [dict(row) for row in sales]
    one, other = one % len(changed), other % len(changed)
    for field in fields:
        changed[one][field], changed[other][field] = sales[other][field], sales[one][field]
    before, after = kiosk_sales(sales), kiosk_sales(changed)
    new = right_marts(WEEK, before)
    assert agree(session, WEEK, before, new)
    is_same = totals(WEEK, before) == totals(WEEK, after)
    assert agree(session, WEEK, after, new) == is_same


@pytest.mark.parametrize(
    ("mart", "measure"),
    [(mart, measure) for mart in (BY_REGION_PRODUCT, BY_DAY) for measure in mart.totals],
)
@pytest.mark.parametrize("cancelled", [False, True], ids=["in_one_row", "moved_to_another"])
def test_a_wrong_figure_is_seen(
    *, session: Session, mart: Mart, measure: str, cancelled: bool
) -> None:
    right = right_marts(BATCH, SOLD)
    rows = right[mart.name].to_pylist()
    by = Decimal("0.01") if "amount" in measure else 1
    rows[3][measure] += by
    if cancelled:
        rows[8][measure] -= by
    wrong = pa.Table.from_pylist(rows, right[mart.name].schema)
    assert agree(session, BATCH, SOLD, right)
    assert not agree(session, BATCH, SOLD, right | {mart.name: wrong})


def test_a_row_of_zeros_is_as_good_as_none(session: Session) -> None:
    right = right_marts(BATCH, SOLD)
    row = dict.fromkeys(BY_REGION_PRODUCT.names, 0) | {
        "region": "North",
        "product_id": 123_456,
        "abc_class": "C",
    }
    of_nothing = pa.Table.from_pylist([row], right[BY_REGION_PRODUCT.name].schema)
    longer = pa.concat_tables([right[BY_REGION_PRODUCT.name], of_nothing])
    assert agree(session, BATCH, SOLD, right | {BY_REGION_PRODUCT.name: longer})


def test_a_return_is_seen_where_the_contract_has_none(session: Session) -> None:
    amounts = SOLD["sale_amount"].to_pylist()
    amounts[5] = -amounts[5]
    place = SOLD.schema.get_field_index("sale_amount")
    returned = SOLD.set_column(
        place, SOLD.schema.field(place), pa.array(amounts, SOLD.schema.field(place).type)
    )
    assert not agree(session, BATCH, returned, right_marts(BATCH, SOLD))
    assert not agree(session, BATCH, SOLD, right_marts(BATCH, returned))


def test_no_sales_agree_with_marts_of_none(session: Session) -> None:
    none = SOLD.slice(0, 0)
    assert agree(session, BATCH, none, right_marts(BATCH, none))
    assert not agree(session, BATCH, none, right_marts(BATCH, SOLD))
    assert not agree(session, BATCH, SOLD, right_marts(BATCH, none))


def test_no_quantity_is_too_large(session: Session) -> None:
    """A weight times the quantity, over all marts, stays within its type."""
    for bits in (32, 64):
        quantity = replace(SALES["quantity"], type=Integer(bits), maximum=None)
        fields = tuple(quantity if each.name == "quantity" else each for each in SALES.fields)
        batch = Batch(BATCH.as_of, replace(BATCH.store, contract=Contract(fields, SALES.days)))
        place = SOLD.schema.get_field_index("quantity")
        most = pa.array([2 ** (bits - 1) - 1, *[0] * (len(SOLD) - 1)], pa.int64())
        sales = SOLD.set_column(place, "quantity", most.cast(f"int{bits}"))
        assert agree(session, batch, sales, right_marts(batch, sales))


def test_the_sales_are_grouped_only_to_find_what_is_wrong(session: Session) -> None:
    right = right_marts(BATCH, SOLD)
    declared = marts(SALES)
    with sales_and_marts(session, BATCH, SOLD, right):
        groups = right_groups(session, SALES_TABLE, declared, SALES)
    assert groups == {
        BY_REGION_PRODUCT: staged(BY_REGION_PRODUCT),
        BY_REGION: staged(BY_REGION_PRODUCT),
        BY_PRODUCT: staged(BY_REGION_PRODUCT),
        BY_DAY: staged(BY_DAY),
    }
    rows = right[BY_DAY.name].to_pylist()
    rows[0]["total_sales"] += 1
    wrong = right | {BY_DAY.name: pa.Table.from_pylist(rows, right[BY_DAY.name].schema)}
    with sales_and_marts(session, BATCH, SOLD, wrong):
        groups = right_groups(session, SALES_TABLE, declared, SALES)
        [(sold,)] = session.execute(
            sql.SQL("SELECT sum(total_sales) FROM {}").format(groups[BY_DAY])
        )
    assert sold == len(SOLD)
    assert all(groups[mart] != staged(other) for mart in declared for other in declared)


def test_a_mart_without_a_total_cannot_be_weighed() -> None:
    assert can_be_weighed(BY_DAY), "it has no quantity"
    for measure in set(TOTALS) - {"total_quantity"}:
        lacking = tuple(each for each in BY_DAY.columns if each.name != measure)
        assert not can_be_weighed(replace(BY_DAY, columns=lacking))
