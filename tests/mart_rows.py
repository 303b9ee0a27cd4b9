"""Rows of a mart as PostgreSQL hands them over: Arrow, of exactly the declared types."""

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.marts import Mart, marts

_MARTS = {mart.name: mart for mart in marts(SALES)}
BY_REGION_PRODUCT = _MARTS["sales_by_region_product"]
BY_REGION = _MARTS["sales_by_region"]
BY_PRODUCT = _MARTS["sales_by_product"]
BY_DAY = _MARTS["sales_by_day"]

_PLAIN: dict[str, Any] = {
    "region": "North",
    "product_id": 3,
    "sale_date": date(2026, 11, 23),
    "total_sales": 2,
    "total_quantity": 5,
    "total_sales_amount": Decimal("30.50"),
    "total_returns": 3,
    "total_returns_amount": Decimal("7.25"),
    "net_amount": Decimal("23.25"),
    "average_sale_amount": Decimal("15.25"),
    "sales_rank": 1,
    "share": Decimal("0.250000"),
    "running_share": Decimal("0.750000"),
    "abc_class": "A",
    "moving_average_7_days": None,
    "change_from_week_before": None,
}


def mart_table(mart: Mart, *rows: dict[str, Any]) -> pa.Table:
    """A mart with these rows; what a row leaves out is an ordinary value."""
    filled = [{name: (_PLAIN | row)[name] for name in mart.names} for row in rows]
    return pa.Table.from_pylist(filled, arrow_schema(mart.columns))
