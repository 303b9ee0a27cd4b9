"""A store with 38 regions, 4,000 products with texts for ids, returns, orders and euros.

DuckDB makes its sales out of hashes, so the same every time, and the marts out of the sales.
"""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tests.ledgers import ledger_entry
from vitrina.columns import arrow_schema
from vitrina.exports.store_file import load_store
from vitrina.ledger import ControlTotals
from vitrina.marts import marts
from vitrina.store import Store
from vitrina.stores.clickhouse.store import ClickHouse

AS_OF = date(2026, 11, 24)
IMPORTS = (AS_OF - timedelta(days=7), AS_OF)

_FILE = """
name = "kontor"
title = 'Kontor "Ö" & <Söhne>'
time_zone = "Europe/Berlin"
currency = "EUR"

[source]
files = ["sales/*.csv"]

[source.fields]
sale_id = { column = "id" }
product_id = { column = "sku" }
quantity = { column = "units" }
sale_date = { column = "day" }
sale_amount = { column = "total" }
region = { column = "region" }
order_id = { column = "order" }
"""

# Names that a page or a query could take for something else, and one that is too long.
ODD_REGIONS = (
    "Château d'Oex",
    'Halle "Süd"',
    "constructor",
    "Mecklenburgische Seenplatte mit Müritz und Umgebung",
    "<b>Ostfriesland</b>",
)
REGIONS = (*ODD_REGIONS, *(f"Kreis {number}" for number in range(1, 34)))
ODD_PRODUCTS = (
    "<script>document.title = 'taken'</script>",
    "00123",
    'O\'Neill "XL"',
    "Gartenbank, Eukalyptus, geölt, mit Armlehnen und Auflage, dreisitzig",
)
PRODUCTS = 4_000


def own_shop(folder: Path) -> Store:
    """The store, as its file says it."""
    file = folder / "store.toml"
    file.write_text(_FILE, encoding="utf-8")
    return load_store(file)


_SALES = """
CREATE TABLE sale AS
WITH drawn AS (
    SELECT
        day, number, day || '/' || number // 3 AS order_id,
        hash('r' || day || '/' || number // 3) / 18446744073709551616.0 AS of_region,
        hash('p' || day || '/' || number) / 18446744073709551616.0 AS of_product,
        hash('a' || day || '/' || number) AS of_amount
    FROM range($first_day::INTEGER, $last_day::INTEGER + 1) AS days(day),
        range(1200) AS numbers(number)
)
SELECT
    DATE '2020-01-01' + day::INTEGER AS sale_date,
    order_id,
    $regions[1 + floor(38 * pow(of_region, 1.4))::INTEGER] AS region,
    $products[1 + floor(4000 * pow(of_product, 2))::INTEGER] AS product_id,
    (of_amount % 5 + 1)::BIGINT AS quantity,
    if(of_amount % 37 = 0, -1, 1) * (99 + of_amount % 20000)::BIGINT * 0.01::DECIMAL(2, 2) AS amount
FROM drawn
"""

_SUMS = """
    count(*) FILTER (amount >= 0) AS total_sales,
    coalesce(sum(quantity) FILTER (amount >= 0), 0)::BIGINT AS total_quantity,
    coalesce(sum(amount) FILTER (amount >= 0), 0) AS total_sales_amount,
    count(*) FILTER (amount < 0) AS total_returns,
    coalesce(-sum(amount) FILTER (amount < 0), 0) AS total_returns_amount,
    coalesce(sum(amount), 0) AS net_amount,
    round(sum(amount) FILTER (amount >= 0) / count(*) FILTER (amount >= 0), 2)
        AS average_sale_amount,
    count(DISTINCT order_id) FILTER (amount >= 0) AS total_orders,
    round(sum(amount) FILTER (amount >= 0) / count(DISTINCT order_id) FILTER (amount >= 0), 2)
        AS average_order_amount
"""
_RANKED = """
    row_number() OVER (PARTITION BY {per} ORDER BY total_sales_amount DESC, {by}) AS sales_rank,
    coalesce(round(total_sales_amount / sum(total_sales_amount) OVER (PARTITION BY {per}), 6), 0)
        AS share
"""
_MARTS = {
    "sales_by_region_product": f"""
        SELECT *, {_RANKED.format(per="region", by="product_id")}, 0::DECIMAL(7, 6) AS running_share,
            'A' AS abc_class
        FROM (SELECT region, product_id, {_SUMS} FROM shown GROUP BY ALL)""",
    "sales_by_region": f"""
        SELECT *, {_RANKED.format(per="1", by="region")}
        FROM (SELECT region, {_SUMS} FROM shown GROUP BY ALL)""",
    "sales_by_product": f"""
        SELECT *, {_RANKED.format(per="1", by="product_id")}
        FROM (SELECT product_id, {_SUMS} FROM shown GROUP BY ALL)""",
    "sales_by_day": f"""
        SELECT
            *,
            CASE WHEN count(*) OVER seven = 7
                THEN round(sum(total_sales_amount) OVER seven / 7, 2) END AS moving_average_7_days,
            NULL AS change_from_week_before
        FROM (
            SELECT sale_date, region, {_SUMS}
            FROM (SELECT DISTINCT sale_date FROM shown) CROSS JOIN (SELECT DISTINCT region FROM shown)
            LEFT JOIN shown USING (sale_date, region) GROUP BY ALL
        )
        WINDOW seven AS (PARTITION BY region ORDER BY sale_date ROWS 6 PRECEDING)""",
}


def fill_own_shop(clickhouse: ClickHouse, store: Store) -> None:
    """Create the tables, and import what it sold in the year before each of two dates."""
    clickhouse.create_tables(store.contract)
    epoch = date(2020, 1, 1)
    products = [*ODD_PRODUCTS, *(f"SKU-{number:05}" for number in range(PRODUCTS - 4))]
    with closing(duckdb.connect()) as database:
        database.execute(
            _SALES,
            {
                "first_day": (IMPORTS[0] - epoch).days - 365,
                "last_day": (IMPORTS[-1] - epoch).days - 1,
                "regions": list(REGIONS),
                "products": products,
            },
        )
        for day in IMPORTS:
            _import(clickhouse, database, store, day)


def _import(
    clickhouse: ClickHouse, database: duckdb.DuckDBPyConnection, store: Store, day: date
) -> None:
    at = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE shown AS FROM sale"
        f" WHERE sale_date >= DATE '{day - timedelta(days=365)}' AND sale_date < '{day}'"
    )
    for mart in marts(store.contract):
        schema = arrow_schema(mart.columns)
        rows = database.sql(_MARTS[mart.name]).to_arrow_table()
        clickhouse.stage(mart, day, at, rows.select(schema.names).cast(schema))
        clickhouse.replace_import(mart, day)
    (sums,) = database.sql(
        "SELECT count(*) FILTER (amount >= 0), sum(quantity) FILTER (amount >= 0)::BIGINT,"
        " sum(amount) FILTER (amount >= 0), count(*) FILTER (amount < 0),"
        " -sum(amount) FILTER (amount < 0) FROM shown"
    ).fetchall()
    sales, units, amount, returns, returned = sums
    fates: dict[str, Any] = {"rejected": 31, "collapsed": 5, "set_aside": 1_207, "superseded": 12}
    entry = ledger_entry(
        day,
        source="sales/*.csv",
        seed=None,
        rows_in=sales + returns + sum(fates.values()),
        clean=sales + returns,
        total_sales_amount=amount,
        **fates,
    )
    totals = [
        ControlTotals(
            engine, table, sales, units if has_units else None, amount, returns, Decimal(returned)
        )
        for engine, table, has_units in (
            ("spark", "sale", True),
            ("postgresql", "sale", True),
            *(
                (engine, mart.name, "total_quantity" in mart.names)
                for mart in marts(store.contract)
                for engine in ("postgresql", "clickhouse")
            ),
        )
    ]
    clickhouse.record_batch(entry, at, totals, {"row_has_9_fields_of_8": 19, "region_missing": 12})
