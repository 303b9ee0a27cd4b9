"""What the peers share: the rules, the marts' columns, the last step and the clock."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_postgresql import dbapi as postgresql

AS_OF = date(2026, 11, 24)
FIRST_DAY = AS_OF - timedelta(days=365)
REGIONS = ("North", "South", "East", "West")
# The columns of a store's own file, and the fields that they become.
FIELDS = {
    "id": "sale_id",
    "customer": "customer_id",
    "article": "product_id",
    "pieces": "quantity",
    "day": "sale_date",
    "amount": "sale_amount",
    "region": "region",
}

_MONEY = pa.decimal128(22, 2)
_SHARE = pa.decimal128(7, 6)
_TOTALS = {
    "total_sales": pa.int64(),
    "total_quantity": pa.int64(),
    "total_sales_amount": _MONEY,
    "total_returns": pa.int64(),
    "total_returns_amount": _MONEY,
    "net_amount": _MONEY,
    "average_sale_amount": pa.decimal128(12, 2),
}
# Every peer makes these: keys, exact totals, and what follows from them.
MARTS: Mapping[str, pa.Schema] = {
    name: pa.schema(columns)
    for name, columns in {
        "sales_by_region_product": {
            "region": pa.string(),
            "product_id": pa.string(),
            **_TOTALS,
            "sales_rank": pa.int64(),
            "running_share": _SHARE,
        },
        "sales_by_region": {
            "region": pa.string(),
            **_TOTALS,
            "sales_rank": pa.int64(),
            "share": _SHARE,
        },
        "sales_by_product": {
            "product_id": pa.string(),
            **_TOTALS,
            "sales_rank": pa.int64(),
            "share": _SHARE,
        },
        "sales_by_day": {
            "sale_date": pa.date32(),
            "region": pa.string(),
            **_TOTALS,
            "moving_average_7_days": _MONEY,
        },
    }.items()
}


def publish(address: str, folder: Path, types: Mapping[str, pa.Schema] = MARTS) -> None:
    """Copy the marts from PostgreSQL to ClickHouse, and compare what was sold."""
    from chdb.session import Session

    with (
        Session(str(folder / "clickhouse")) as marts,  # type: ignore[no-untyped-call]
        postgresql.connect(address) as store,
        store.cursor() as cursor,
    ):
        marts.query("CREATE DATABASE vitrina")
        for name, columns in types.items():
            cursor.execute(f"SELECT {', '.join(columns.names)} FROM {name}")  # noqa: S608
            # Decimals come as text.
            _insert(marts, name, cursor.fetch_arrow_table().cast(columns))
            found = marts.query(f"SELECT sum(total_sales_amount) FROM vitrina.{name}", "TSV")  # noqa: S608
            agree(name, amount(cursor, name), Decimal(str(found).strip()))


def _insert(marts: Any, name: str, rows: pa.Table) -> None:  # noqa: ARG001 - chDB reads `rows`
    marts.query(
        f"CREATE TABLE vitrina.{name} ENGINE = MergeTree PARTITION BY import_date ORDER BY tuple() "  # noqa: S608
        f"AS SELECT *, DATE '{AS_OF}' AS import_date FROM Python(rows)"
    )


def amount(cursor: Any, table: str, column: str = "total_sales_amount") -> Decimal:
    cursor.execute(f"SELECT sum({column})::text FROM {table}")  # noqa: S608
    return Decimal(cursor.fetchone()[0])


def marts_agree(address: str) -> None:
    """Compare what each mart sold with what all sales in PostgreSQL sold."""
    with postgresql.connect(address) as store, store.cursor() as cursor:
        sold = amount(cursor, "sale", "sale_amount")
        for name in MARTS:
            agree(name, sold, amount(cursor, name))


def add_key(address: str) -> None:
    with postgresql.connect(address) as store, store.cursor() as cursor:
        cursor.execute("ALTER TABLE sale ADD PRIMARY KEY (sale_id)")
        cursor.execute("ANALYZE sale")
        store.commit()


def agree(mart: str, one: Decimal, other: Decimal) -> None:
    if one != other:
        raise SystemExit(f"{mart}: {one} is not {other}")


def run(*steps: Callable[[], None]) -> None:
    """Do the steps and print their seconds, as `vitrina run --json` does."""
    taken = {}
    for step in steps:
        started = time.perf_counter()
        step()
        taken[step.__name__] = {"seconds": time.perf_counter() - started}
    print(json.dumps({"steps": taken}))
