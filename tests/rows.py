"""Rows in, rows out: tables small enough to be read in a test."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from vitrina.columns import spark_type
from vitrina.contract import SALES, Contract
from vitrina.store import GENERATED, Batch, Store

AS_OF = datetime.date(2026, 11, 24)
BATCH = Batch(AS_OF)

# A sale that no rule speaks against.
GOOD = {
    "sale_id": "1",
    "customer_id": "7",
    "product_id": "3",
    "quantity": "2",
    "sale_date": "2026-11-23",
    "sale_amount": "19.98",
    "region": "North",
}


def shop(contract: Contract) -> Store:
    """The generated shop with another contract."""
    return replace(GENERATED, contract=contract)


def feed(
    spark: SparkSession, *changes: Mapping[str, str | None], contract: Contract = SALES
) -> DataFrame:
    """A feed of good sales, each with some of its fields changed."""
    schema = ", ".join(f"{name} string" for name in contract.names)
    rows = [tuple({**GOOD, **change}[name] for name in contract.names) for change in changes]
    return spark.createDataFrame(rows, schema)


def sales(
    spark: SparkSession, rows: Iterable[dict[str, Any]], contract: Contract = SALES
) -> DataFrame:
    """Typed sales; what a row leaves out is as in `GOOD`, its `sale_id` its place."""
    good = {
        "customer_id": 7,
        "product_id": 3,
        "quantity": 2,
        "sale_date": datetime.date(2026, 11, 23),
        "sale_amount": Decimal("19.98"),
        "region": "North",
    }
    schema = ", ".join(f"{field.name} {spark_type(field.type)}" for field in contract.fields)
    values = [
        tuple({"sale_id": place, **good, **row}[name] for name in contract.names)
        for place, row in enumerate(rows, start=1)
    ]
    return spark.createDataFrame(values, schema)


def collected(rows: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The rows as tuples, in order of their values."""
    return sorted(
        (tuple(row) for row in rows.select(*columns).collect()),
        key=lambda row: [(value is not None, str(type(value)), value) for value in row],
    )
