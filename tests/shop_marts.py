"""Stores of any size with marts that agree with each other, filled without a pipeline.

DuckDB makes sales out of hashes, so the same every time, and the marts out of the sales.
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb

from tests.mart_rows import BY_DAY, BY_PRODUCT, BY_REGION, BY_REGION_PRODUCT
from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.stores.clickhouse.store import ClickHouse

_WINDOW_DAYS = 365


@dataclass(frozen=True)
class Shop:
    """A shop, and the dates of its imports, oldest first."""

    imports: tuple[date, ...]
    regions: tuple[str, ...] = tuple(SALES.regions)
    products: int = 60
    sales_a_day: int = 40
    cents: int = 4_000
    """About what a sale brings."""
    rejects: tuple[tuple[str, int], ...] = (("region_unknown", 12), ("sale_amount_missing", 31))
    """The reasons of the newest import and the rows of each; half as many in those before."""


_SALES = """
CREATE TABLE sale AS
WITH place AS (
    SELECT day, number, 'shop' || day || '/' || number AS seed
    FROM range($first_day::INTEGER, $last_day::INTEGER + 1) AS days(day),
        range($sales_a_day::INTEGER) AS numbers(number)
), drawn AS (
    SELECT
        DATE '2020-01-01' + day::INTEGER AS sale_date,
        hash(seed || 'r') / 18446744073709551616.0 AS of_region,
        hash(seed || 'p') / 18446744073709551616.0 AS of_product,
        hash(seed || 'a') / 18446744073709551616.0 AS of_amount,
        hash(seed || 'q') % 5 + 1 AS quantity
    FROM place
)
SELECT
    sale_date,
    $regions[1 + floor(len($regions) * pow(of_region, 1.4))::INTEGER] AS region,
    (1 + floor($products * pow(of_product, 3)))::INTEGER AS product_id,
    quantity::BIGINT AS quantity,
    (100 + round($cents * (0.2 + of_amount + isodow(sale_date) / 5)))::BIGINT * 0.01::DECIMAL(2, 2)
        AS amount
FROM drawn
"""

_NO_RETURNS = "0 AS total_returns, 0 AS total_returns_amount, coalesce(sum(amount), 0) AS \
net_amount"
_AVERAGE = "round(sum(amount) / count(*), 2)"
_SUMS = f"count(*) AS total_sales, sum(quantity) AS total_quantity, sum(amount) AS \
total_sales_amount, {_NO_RETURNS}, {_AVERAGE} AS average_sale_amount"

_MARTS = {
    BY_REGION_PRODUCT: f"""
        SELECT
            *,
            row_number() OVER best AS sales_rank,
            round(total_sales_amount / sum(total_sales_amount) OVER (PARTITION BY region), 6)
                AS share,
            round(sum(total_sales_amount) OVER (best ROWS UNBOUNDED PRECEDING)
                / sum(total_sales_amount) OVER (PARTITION BY region), 6) AS running_share,
            'A' AS abc_class
        FROM (SELECT region, product_id, {_SUMS} FROM shown GROUP BY ALL)
        WINDOW best AS (PARTITION BY region ORDER BY total_sales_amount DESC, product_id)""",
    BY_REGION: f"""
        SELECT
            *,
            round(total_sales_amount / sum(total_sales_amount) OVER (), 6) AS share,
            row_number() OVER (ORDER BY total_sales_amount DESC, region) AS sales_rank
        FROM (SELECT region, {_SUMS} FROM shown GROUP BY ALL)""",
    BY_PRODUCT: f"""
        SELECT
            *,
            round(total_sales_amount / sum(total_sales_amount) OVER (), 6) AS share,
            row_number() OVER (ORDER BY total_sales_amount DESC, product_id) AS sales_rank
        FROM (SELECT product_id, {_SUMS} FROM shown GROUP BY ALL)""",
    BY_DAY: f"""
        WITH days AS (
            SELECT DATE '2020-01-01' + day::INTEGER AS sale_date, region
            FROM range($first_day, $first_day + {_WINDOW_DAYS}) AS days(day),
                (SELECT unnest($regions) AS region)
        ), dense AS (
            SELECT
                days.sale_date,
                days.region,
                count(amount) AS total_sales,
                coalesce(sum(amount), 0) AS total_sales_amount,
                {_NO_RETURNS},
                round(sum(amount) / nullif(count(amount), 0), 2) AS average_sale_amount
            FROM days LEFT JOIN shown USING (sale_date, region) GROUP BY ALL
        )
        SELECT
            *,
            CASE WHEN count(*) OVER seven = 7
                THEN round(sum(total_sales_amount) OVER seven / 7, 2) END AS moving_average_7_days,
            NULL AS change_from_week_before
        FROM dense
        WINDOW seven AS (PARTITION BY region ORDER BY sale_date ROWS 6 PRECEDING)""",
}


def fill(store: ClickHouse, shop: Shop) -> None:
    """Create the tables, and import what the shop sold in the year before each date."""
    store.create_tables(SALES)
    if not shop.imports:
        return
    epoch = date(2020, 1, 1)
    with closing(duckdb.connect()) as database:
        database.execute(
            _SALES,
            {
                "first_day": (shop.imports[0] - epoch).days - _WINDOW_DAYS,
                "last_day": (shop.imports[-1] - epoch).days - 1,
                "sales_a_day": shop.sales_a_day,
                "regions": list(shop.regions),
                "products": shop.products,
                "cents": shop.cents,
            },
        )
        for day in shop.imports:
            _import(store, database, shop, day)


def _import(store: ClickHouse, database: duckdb.DuckDBPyConnection, shop: Shop, day: date) -> None:
    at = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    first = (day - date(2020, 1, 1)).days - _WINDOW_DAYS
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE shown AS FROM sale"
        f" WHERE sale_date >= DATE '{day - timedelta(days=_WINDOW_DAYS)}' AND sale_date < '{day}'"
    )
    for mart, sql in _MARTS.items():
        used = {"first_day": first, "regions": list(shop.regions)}
        known = {name: value for name, value in used.items() if f"${name}" in sql}
        rows = database.sql(sql, params=known).to_arrow_table()
        schema = arrow_schema(mart.columns)
        store.stage(mart, day, at, rows.select(schema.names).cast(schema))
        store.replace_import(mart, day)
    ((sales, units, amount),) = database.execute(
        "SELECT count(*), sum(quantity)::BIGINT, sum(amount)::DECIMAL(22, 2) FROM shown"
    ).fetchall()
    newest = day == shop.imports[-1]
    rejects = {reason: rows if newest else 1 + rows // 2 for reason, rows in shop.rejects}
    rejected = sum(rejects.values())
    entry = LedgerEntry(
        as_of=day,
        source="generated",
        seed=1,
        rows_in=sales + rejected + 5,
        clean=sales,
        rejected=rejected,
        repaired=0,
        collapsed=5,
        set_aside=0,
        superseded=0,
        total_sales_amount=Decimal(amount),
        started_at=at,
        loaded_at=at,
    )
    totals = [
        ControlTotals(engine, table, sales, units if has_units else None, amount)
        for engine, table, has_units in (
            ("spark", "sale", True),
            ("postgresql", "sale", True),
            *(
                (engine, mart.name, "total_quantity" in mart.names)
                for mart in _MARTS
                for engine in ("postgresql", "clickhouse")
            ),
        )
    ]
    store.record_batch(entry, at, totals, rejects)
