"""Measure what writing, reading and loading the sales costs at the least.

    python benchmarks/limits.py folder

Takes the sales of `folder/sales.csv` that are valid, once each. Prints the seconds of each.
"""

import sys
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi as postgresql
from peer import add_key, run
from psycopg import sql
from pyarrow import parquet

from vitrina.stores.postgres.embedded import embedded_postgres

SALES = """
    SELECT
        trim(id) AS sale_id,
        trim(customer) AS customer_id,
        trim(article) AS product_id,
        TRY_CAST(pieces AS bigint) AS quantity,
        TRY_CAST(day AS date) AS sale_date,
        TRY_CAST(amount AS decimal(14, 2)) AS sale_amount,
        trim(region) AS region
    FROM read_csv($feed, header = true, all_varchar = true)
    WHERE customer_id <> '' AND quantity > 0
    QUALIFY row_number() OVER (PARTITION BY sale_id) = 1
"""


def valid_sales(folder: Path) -> pa.Table:
    found = duckdb.connect().sql(SALES, params={"feed": str(folder / "sales.csv")})
    rows = found.to_arrow_table()
    return rows.cast(pa.schema([field.with_nullable(False) for field in rows.schema]))


class Limits:
    """Each method is one."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address, self.sales = folder, address, valid_sales(folder)
        self.file = folder / "sales.parquet"
        with psycopg.connect(address) as store:
            (data,) = store.execute("SHOW data_directory").fetchall()
        self.binary = f"{data[0]}/sales.binary"

    def parquet_write(self) -> None:
        parquet.write_table(self.sales, self.file)

    def parquet_read(self) -> None:
        parquet.read_table(self.file)

    def clickhouse_insert(self) -> None:
        from chdb.session import Session

        sales = self.sales  # noqa: F841 - chDB reads it
        with Session(str(self.folder / "clickhouse")) as store:  # type: ignore[no-untyped-call]
            store.query(
                "CREATE TABLE sale ENGINE = MergeTree ORDER BY sale_id "
                "AS SELECT * FROM Python(sales)"
            )

    def adbc(self) -> None:
        """One connection; leaves the file that the server's own COPY reads."""
        with postgresql.connect(self.address) as store, store.cursor() as cursor:
            cursor.adbc_ingest("sale", self.sales, mode="create")
            store.commit()

    def to_file(self) -> None:
        with psycopg.connect(self.address) as store:
            store.execute(_copy("sale", "TO", self.binary))
            store.execute("CREATE TABLE copied (LIKE sale)")
            store.execute("DROP TABLE sale")
            store.execute("ALTER TABLE copied RENAME TO sale")

    def copy(self) -> None:
        """The server reads a file of its own format, on one connection, and builds the key."""
        with psycopg.connect(self.address) as store:
            store.execute(_copy("sale", "FROM", self.binary))
        add_key(self.address)


def _copy(table: str, direction: str, file: str) -> sql.Composed:
    return sql.SQL("COPY {} " + direction + " {} (FORMAT binary)").format(
        sql.Identifier(table), sql.Literal(file)
    )


def main(folder: Path) -> None:
    with embedded_postgres(folder / "postgres") as address:
        limits = Limits(folder, address)
        run(
            limits.parquet_write,
            limits.parquet_read,
            limits.clickhouse_insert,
            limits.adbc,
            limits.to_file,
            limits.copy,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
