"""A lake with what generate, validate and clean leave, made without Spark."""

import datetime
import hashlib
import uuid
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from vitrina.columns import arrow_schema
from vitrina.contract import ORDER_ID
from vitrina.counts import Cleaned, Counts, Extracted, Generated, Validated
from vitrina.marts import TOTAL_ORDERS, Mart, marts
from vitrina.store import Batch
from vitrina.stores.lake import Dataset, File, Lake

REJECTED, CONFLICTING, COLLAPSED = 3, 2, 4


def generated(feed_rows: int) -> Generated:
    """What generate counts of a feed made by hand."""
    return Generated("generated", 42, feed_rows, feed_rows, 0, 0, 0, 0)


def clean_lake(
    root: Path, batch: Batch, *tables: pa.Table, counts: Mapping[str, Any] | None = None
) -> Lake:
    """A lake in which the batch is clean: `tables`, a file each. `counts` overrides clean's.

    Its feed names no attempt, as those of 0.1.0 do not.
    """
    lake = Lake(str(root), batch.as_of)
    clean = pa.concat_tables([arrow_schema(batch.contract.fields).empty_table(), *tables])
    valid = clean.num_rows + CONFLICTING + COLLAPSED
    with lake.step(batch.store.feed_step, {}) as left:
        feed_rows = valid + REJECTED
        if batch.store.source is None:
            fed: Counts = Generated(
                "generated", 42, feed_rows, feed_rows, REJECTED, 1, COLLAPSED, CONFLICTING
            )
        else:
            fed = Extracted("sales.csv", 1, feed_rows, feed_rows, 0, 0)
        left.counts = fed.document()
    fed_by = lake.result(batch.store.feed_step)
    with lake.step("validate", fed_by) as left:
        left.counts = Validated(
            rows_in=valid + REJECTED,
            valid=valid,
            rejected=REJECTED,
            repaired=1,
            reasons={"quantity_missing": 3, "region_unknown": 1},
            repairs={"region_case": 1},
        ).document()
    with lake.step("clean", fed_by) as left:
        folder = Path(lake.root, left.folder, "clean")
        folder.mkdir(parents=True)
        files = []
        for table in tables:
            path = folder / f"{uuid.uuid4().hex}.parquet"
            parquet.write_table(table, path, row_group_size=50_000)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            name = str(path.relative_to(lake.root))
            files.append(File(name, path.stat().st_size, sha256))
        left.datasets["clean"] = Dataset("parquet", "", tuple(files))
        is_sale = _is_sale(clean["sale_amount"])
        sold, returned = clean.filter(is_sale), clean.filter(pc.invert(is_sale))
        counted = Cleaned(
            rows_in=valid,
            clean=clean.num_rows,
            collapsed=COLLAPSED,
            conflicting=CONFLICTING,
            total_quantity=pc.sum(sold["quantity"]).as_py() or 0,
            total_sales_amount=pc.sum(sold["sale_amount"]).as_py() or Decimal(0),
            total_returns=returned.num_rows,
            # Unary minus would round to 28 digits.
            total_returns_amount=(
                pc.sum(returned["sale_amount"]).as_py() or Decimal(0)
            ).copy_negate(),
        )
        left.counts = {**counted.document(), **(counts or {})}
    return lake


def analyze_lake(lake: Lake, new: Mapping[str, pa.Table]) -> None:
    """What analyze leaves of these marts."""
    with lake.step("analyze", lake.result("clean")) as left:
        left.counts = {name: rows.num_rows for name, rows in new.items()}


def clean_sales(batch: Batch, rows: int, *, first_id: int = 1) -> pa.Table:
    """Sales of the common seven fields, without a pattern and always the same."""
    ids = pa.array(range(first_id, first_id + rows), pa.int64())
    number = pc.bit_wise_and(pc.multiply(ids, 2654435761), (1 << 31) - 1)

    def spread(over: int) -> pa.Array:
        return pc.subtract(number, pc.multiply(pc.divide(number, over), over))

    regions = batch.contract.regions
    quantity = pc.add(spread(10), 1)
    cents = pc.multiply(pc.add(spread(9973), 1), quantity).cast(pa.decimal128(19))
    first_day = (batch.first_day - datetime.date(1970, 1, 1)).days
    columns = {
        "sale_id": ids,
        "customer_id": pc.add(spread(50_021), 1),
        "product_id": pc.add(spread(997), 1),
        "quantity": quantity,
        "sale_date": pc.add(spread(batch.contract.days), first_day).cast(pa.int32()),
        "sale_amount": pc.multiply(cents, pa.scalar(Decimal("0.01"), pa.decimal128(2, 2))),
        "region": pc.take(pa.array(regions), spread(len(regions))),
    }
    return pa.table(columns).cast(arrow_schema(batch.contract[name] for name in columns))


def _is_sale(amount: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.greater_equal(amount, pa.scalar(Decimal(0), amount.type))


def right_marts(batch: Batch, sales: pa.Table) -> dict[str, pa.Table]:
    """Marts whose totals are right, and whose other columns hold anything."""
    return {mart.name: _right_mart(mart, sales) for mart in marts(batch.contract)}


def _right_mart(mart: Mart, sales: pa.Table) -> pa.Table:
    amount = sales["sale_amount"]
    is_sale = _is_sale(amount)
    nothing = pa.scalar(Decimal(0), amount.type)
    measures = {
        "total_sales": is_sale.cast(pa.int64()),
        "total_quantity": pc.if_else(is_sale, sales["quantity"], None),
        "total_sales_amount": pc.if_else(is_sale, amount, nothing),
        "total_returns": pc.invert(is_sale).cast(pa.int64()),
        "total_returns_amount": pc.if_else(is_sale, nothing, pc.negate(amount)),
        "net_amount": amount,
    }
    keyed = pa.table({name: sales[name] for name in mart.key} | measures)
    groups = keyed.group_by(list(mart.key)).aggregate([(name, "sum") for name in measures])
    known = {name: groups[name] for name in mart.key} | {
        name: pc.fill_null(sums := groups[f"{name}_sum"], pa.scalar(0, pa.int64()).cast(sums.type))
        for name in measures
    }
    if TOTAL_ORDERS in mart.names:
        orders = pa.table({name: sales[name] for name in (*mart.key, ORDER_ID)}).filter(is_sale)
        counted = orders.group_by(list(mart.key)).aggregate([(ORDER_ID, "count_distinct")])
        of_key = {
            tuple(row[name] for name in mart.key): row[f"{ORDER_ID}_count_distinct"]
            for row in counted.to_pylist()
        }
        keys = groups.select(list(mart.key)).to_pylist()
        known[TOTAL_ORDERS] = pa.array([of_key.get(tuple(key.values()), 0) for key in keys])
    schema = arrow_schema(mart.columns)
    columns = []
    for column in mart.columns:
        if column.name in known:
            values = known[column.name]
        elif column.nullable:
            values = pa.nulls(groups.num_rows)
        else:
            anything = "A" if schema.field(column.name).type == pa.string() else Decimal(1)
            values = pa.array([anything] * groups.num_rows)
        columns.append(pc.cast(values, schema.field(column.name).type))
    return pa.table(columns, schema=schema)
