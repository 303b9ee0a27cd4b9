"""Measure how long others take to generate a feed of sales: DuckDB by hand, and dbldatagen.

    python benchmarks/feeds.py rows folder

Both write the columns of Vitrina's feed to CSV, about as skewed, and with about as many defects.
"""

import os
import sys
from pathlib import Path

import dbldatagen as dg
import duckdb
from by_hand import FEED
from peer import AS_OF, FIRST_DAY, REGIONS, run
from pyspark.sql import SparkSession

DEFECTS = "case when defect = {} then '{}' else {} end"


class Feeds:
    """Each method generates one."""

    def __init__(self, rows: int, folder: Path) -> None:
        self.rows, self.folder = rows, folder

    def duckdb(self) -> None:
        feed = duckdb.connect().sql(FEED, params={"rows": self.rows})
        feed.write_csv(str(self.folder / "duckdb.csv"))

    def spark(self) -> None:
        """Start Spark, which is not dbldatagen's doing."""
        os.environ["PYSPARK_PYTHON"] = sys.executable  # dbldatagen draws in Python
        self.session = (
            SparkSession.builder.master("local[*]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .config("spark.local.dir", str(self.folder / "spark"))
            .getOrCreate()
        )

    def dbldatagen(self) -> None:
        columns = (
            dg.DataGenerator(self.session, name="sales", rows=self.rows, partitions=8)
            .withColumn("defect", "int", minValue=0, maxValue=999, random=True, omit=True)
            .withColumn("sale_id", "string", expr="cast(id + 1 as string)")
            .withColumn(
                "customer",
                "int",
                minValue=1,
                maxValue=max(1, self.rows // 12),
                random=True,
                distribution=dg.distributions.Exponential(3.0),
                omit=True,
            )
            .withColumn(
                "customer_id",
                "string",
                expr=DEFECTS.format(1, "", "cast(customer as string)"),
                baseColumn=["customer", "defect"],
            )
            .withColumn(
                "product",
                "int",
                minValue=1,
                maxValue=2000,
                random=True,
                distribution=dg.distributions.Exponential(2.0),
                omit=True,
            )
            .withColumn(
                "product_id",
                "string",
                expr=DEFECTS.format(2, "none", "cast(product as string)"),
                baseColumn=["product", "defect"],
            )
            .withColumn("pieces", "int", minValue=1, maxValue=10, random=True, omit=True)
            .withColumn(
                "quantity",
                "string",
                expr=DEFECTS.format(3, "-1", "cast(pieces as string)"),
                baseColumn=["pieces", "defect"],
            )
            .withColumn(
                "day",
                "int",
                minValue=0,
                maxValue=(AS_OF - FIRST_DAY).days - 1,
                random=True,
                omit=True,
            )
            .withColumn(
                "sale_date",
                "string",
                expr=DEFECTS.format(
                    4, "2020-01-01", f"cast(date_add(date'{FIRST_DAY}', day) as string)"
                ),
                baseColumn=["day", "defect"],
            )
            .withColumn(
                "sale_amount",
                "string",
                expr="cast(cast(pieces * (1 + pmod(hash(product), 9900)) / 100 "
                "as decimal(12, 2)) as string)",
                baseColumn=["pieces", "product"],
            )
            .withColumn("area", "string", values=[*REGIONS], random=True, omit=True)
            .withColumn(
                "region",
                "string",
                expr=DEFECTS.format(5, "Nord", "area"),
                baseColumn=["area", "defect"],
            )
            .build()
        )
        columns.write.csv(str(self.folder / "dbldatagen"), header=True)

    def stop(self) -> None:
        self.session.stop()


def main(rows: int, folder: Path) -> None:
    feeds = Feeds(rows, folder)
    run(feeds.duckdb, feeds.spark, feeds.dbldatagen, feeds.stop)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).absolute())
