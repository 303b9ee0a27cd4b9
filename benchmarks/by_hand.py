# ruff: noqa: S608 - the SQL is our own
"""The yardstick: the six steps of a batch the short way, by hand in DuckDB, ADBC and chDB.

    python benchmarks/by_hand.py rows folder

The same work as `vitrina run`, without what makes a run safe to repeat, to interrupt or to
point elsewhere: no checksums, no contract, no ledger, no staging. PostgreSQL is the embedded
server that Vitrina runs, with its settings. Prints the seconds of each step as the JSON of
`vitrina run` has them.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
from adbc_driver_postgresql import dbapi as postgresql
from peer import AS_OF as AS_OF_DAY
from peer import agree, amount, publish, run

from vitrina.stores.postgres.embedded import embedded_postgres

CONNECTIONS = 2
MEMORY = "1GiB"  # for DuckDB, as much as Vitrina lets its engine have
AS_OF = f"DATE '{AS_OF_DAY}'"

# Skewed as a shop's sales are, roughly; with about as many defects as Vitrina plants.
FEED = f"""
    WITH row AS (
        SELECT unnest(CASE WHEN hash(i, 'copy') % 2000 = 0 THEN [i, i] ELSE [i] END) AS i
        FROM range(1, $rows + 1) AS numbers (i)
    ), sale AS (
        SELECT
            i,
            hash(i, 'defect') % 1000 AS defect,
            1 + ($rows / 12 * (hash(i, 'customer') % 1000000 / 1e6) ** 3)::int AS customer,
            1 + (1999 * (hash(i, 'product') % 1000000 / 1e6) ** 2)::int AS product,
            1 + (9 * (hash(i, 'quantity') % 1000000 / 1e6) ** 6)::int AS quantity,
            {AS_OF} - 1 - (hash(i, 'day') % 365)::int AS day,
            ['North', 'South', 'East', 'West'][1 + (hash(i, 'region') % 4)::int] AS region
        FROM row
    )
    SELECT
        i::varchar AS sale_id,
        CASE WHEN defect = 1 THEN '' ELSE customer::varchar END AS customer_id,
        CASE WHEN defect = 2 THEN 'none' ELSE product::varchar END AS product_id,
        CASE WHEN defect = 3 THEN '-1' ELSE quantity::varchar END AS quantity,
        CASE WHEN defect = 4 THEN '2020-01-01' ELSE day::varchar END AS sale_date,
        (quantity * (1 + hash(product, 'price') % 9900)::decimal(12, 2) / 100)
            ::decimal(12, 2)::varchar AS sale_amount,
        CASE
            WHEN defect = 5 THEN 'Nord' WHEN defect = 6 THEN ' ' || upper(region) ELSE region
        END AS region
    FROM sale
"""

TYPED = f"""
    WITH typed AS (
        SELECT
            COLUMNS(*) AS 'raw_\\0',
            TRY_CAST(trim(sale_id) AS bigint) AS sale_id,
            TRY_CAST(trim(customer_id) AS int) AS customer_id,
            TRY_CAST(trim(product_id) AS int) AS product_id,
            TRY_CAST(trim(quantity) AS int) AS quantity,
            TRY_CAST(trim(sale_date) AS date) AS sale_date,
            TRY_CAST(trim(sale_amount) AS decimal(12, 2)) AS sale_amount,
            upper(trim(region)[1]) || lower(trim(region)[2:]) AS region
        FROM read_csv($feed, header = true, all_varchar = true)
    )
    SELECT
        *,
        list_filter([
            CASE WHEN coalesce(sale_id < 1, true) THEN 'sale_id' END,
            CASE WHEN coalesce(customer_id < 1, true) THEN 'customer_id' END,
            CASE WHEN coalesce(product_id < 1, true) THEN 'product_id' END,
            CASE WHEN coalesce(quantity NOT BETWEEN 1 AND 10, true) THEN 'quantity' END,
            CASE
                WHEN sale_date >= {AS_OF} - 365 AND sale_date < {AS_OF} THEN NULL ELSE 'sale_date'
            END,
            CASE WHEN coalesce(sale_amount <= 0, true) THEN 'sale_amount' END,
            CASE WHEN region IN ('North', 'South', 'East', 'West') THEN NULL ELSE 'region' END
        ], lambda reason: reason IS NOT NULL) AS reasons
    FROM typed
"""

REJECTS = """
    CREATE VIEW valid AS SELECT * FROM typed WHERE len(reasons) = 0;
    CREATE TABLE rejects AS SELECT COLUMNS('^raw_'), reasons FROM typed WHERE len(reasons) > 0;
"""

CLEAN = """
    SELECT sale_id, customer_id, product_id, quantity, sale_date, sale_amount, region
    FROM valid
    QUALIFY row_number() OVER (
        PARTITION BY sale_id
        ORDER BY customer_id, product_id, quantity, sale_date, sale_amount, region
    ) = 1
"""

TOTALS = """
    count(*) FILTER (sale_amount >= 0) AS total_sales,
    (sum(quantity) FILTER (sale_amount >= 0))::bigint AS total_quantity,
    (sum(sale_amount) FILTER (sale_amount >= 0))::decimal(22, 2) AS total_sales_amount,
    count(*) FILTER (sale_amount < 0) AS total_returns,
    coalesce(-sum(sale_amount) FILTER (sale_amount < 0), 0)::decimal(22, 2)
        AS total_returns_amount,
    sum(sale_amount)::decimal(22, 2) AS net_amount,
    round(total_sales_amount / total_sales, 2)::decimal(12, 2) AS average_sale_amount
"""
RANKED = """
    row_number() OVER (ORDER BY total_sales_amount DESC, {key}) AS sales_rank,
    (total_sales_amount / sum(total_sales_amount) OVER ())::decimal(7, 6) AS share
"""
MARTS = {
    "sales_by_region_product": f"""
        SELECT
            *,
            row_number() OVER by_amount AS sales_rank,
            (sum(total_sales_amount) OVER by_amount / sum(total_sales_amount) OVER by_region)
                ::decimal(7, 6) AS running_share
        FROM (SELECT region, product_id, {TOTALS} FROM sale GROUP BY ALL)
        WINDOW
            by_region AS (PARTITION BY region),
            by_amount AS (PARTITION BY region ORDER BY total_sales_amount DESC, product_id)
    """,
    "sales_by_region": f"""
        SELECT *, {RANKED.format(key="region")}
        FROM (SELECT region, {TOTALS} FROM sale GROUP BY ALL)
    """,
    "sales_by_product": f"""
        SELECT *, {RANKED.format(key="product_id")}
        FROM (SELECT product_id, {TOTALS} FROM sale GROUP BY ALL)
    """,
    "sales_by_day": f"""
        SELECT
            *,
            (sum(total_sales_amount) OVER (
                PARTITION BY region ORDER BY sale_date RANGE INTERVAL 6 DAYS PRECEDING
            ) / 7)::decimal(22, 2) AS moving_average_7_days
        FROM (SELECT sale_date, region, {TOTALS} FROM sale GROUP BY ALL)
    """,
}


class ByHand:
    """One batch: each method is a step."""

    typed, split_by = TYPED, "sale_id"

    def __init__(self, rows: int, folder: Path, address: str) -> None:
        self.rows, self.folder, self.address = rows, folder, address
        self.types: dict[str, pa.Schema] = {}
        self.lake = duckdb.connect(folder / "lake.duckdb")
        self.lake.execute(f"SET memory_limit = '{MEMORY}'")
        self.lake.execute("SET preserve_insertion_order = false")

    def generate(self) -> None:
        self.lake.sql(FEED, params={"rows": self.rows}).write_csv(str(self.folder / "feed.csv"))

    def validate(self) -> None:
        feed = {"feed": str(self.folder / "feed.csv")}
        self.lake.execute(f"CREATE TABLE typed AS {self.typed}", feed)
        self.lake.execute(REJECTS)

    def clean(self) -> None:
        self.lake.execute(f"CREATE TABLE sale AS {CLEAN}")

    def load(self) -> None:
        with postgresql.connect(self.address) as store, store.cursor() as cursor:
            no_sales = self.lake.sql("FROM sale LIMIT 0").to_arrow_table()
            cursor.adbc_ingest("sale", no_sales, mode="create")
            store.commit()
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(self._copy, range(CONNECTIONS)))
            cursor.execute("ALTER TABLE sale ADD PRIMARY KEY (sale_id)")
            cursor.execute("ANALYZE sale")
            store.commit()

    def analyze(self) -> None:
        with postgresql.connect(self.address) as store, store.cursor() as cursor:
            sold = amount(cursor, "sale", "sale_amount")
            for name, query in MARTS.items():
                mart = self.lake.sql(query).to_arrow_table()
                self.types[name] = mart.schema
                cursor.adbc_ingest(name, mart, mode="create")
                agree(name, sold, amount(cursor, name))
            store.commit()

    def publish(self) -> None:
        publish(self.address, self.folder, self.types)

    def after_the_feed(self) -> tuple[Callable[[], None], ...]:
        return self.validate, self.clean, self.load, self.analyze, self.publish

    def _copy(self, share: int) -> None:
        sales = self.lake.cursor().sql(f"FROM sale WHERE {self.split_by} % {CONNECTIONS} = {share}")
        with postgresql.connect(self.address) as store, store.cursor() as cursor:
            cursor.adbc_ingest("sale", sales.to_arrow_reader(2**16), mode="append")
            store.commit()


def main(rows: int, folder: Path) -> None:
    with embedded_postgres(folder / "postgres") as address:
        batch = ByHand(rows, folder, address)
        run(batch.generate, *batch.after_the_feed())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).absolute())
