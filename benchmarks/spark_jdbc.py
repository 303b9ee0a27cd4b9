"""The steps over a store's own file by Apache Spark, with its JDBC writer into PostgreSQL.

    python benchmarks/spark_jdbc.py folder

The usual way: Spark on all cores of this machine, batches of 10,000 rows, and the driver puts the
rows of a batch into one INSERT.
"""

import sys
from pathlib import Path

from peer import AS_OF, FIELDS, FIRST_DAY, MARTS, REGIONS, add_key, marts_agree, publish, run
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from relay import tcp

from vitrina.stores.postgres.embedded import embedded_postgres

DRIVERS = [
    Path(root) / "usr/share/java/postgresql.jar" for root in ("/", sys.prefix)
]  # Debian's package, installed or unpacked by scripts/jdbc_driver
MEMORY = "2g"  # with Spark's own 1g, ten million rows do not fit
AMOUNT = "total_sales_amount"


class SparkJdbc:
    """One batch: each method is a step."""

    def __init__(self, folder: Path, address: str, jdbc: str, spark: SparkSession) -> None:
        self.folder, self.address, self.jdbc, self.spark = folder, address, jdbc, spark

    def validate(self) -> None:
        text = self.spark.read.csv(str(self.folder / "feed.csv"), header=True)
        fields = (F.trim(name).alias(field) for name, field in FIELDS.items())
        named = text.select(F.struct("*").alias("raw"), *fields)
        typed = named.select(
            "sale_id",
            "customer_id",
            "product_id",
            F.expr("try_cast(quantity AS bigint)").alias("quantity"),
            F.expr("try_cast(sale_date AS date)").alias("sale_date"),
            F.expr("try_cast(sale_amount AS decimal(14, 2))").alias("sale_amount"),
            F.initcap("region").alias("region"),
            "raw",
        )
        quantity, day = typed["quantity"], typed["sale_date"]
        broken = {
            **{
                name: F.coalesce(typed[name] == "", F.lit(True))
                for name in ("sale_id", "customer_id", "product_id")
            },
            "quantity": ~F.coalesce(quantity.between(1, 10), F.lit(False)),
            "sale_date": ~F.coalesce((day >= FIRST_DAY) & (day < AS_OF), F.lit(False)),
            "sale_amount": typed["sale_amount"].isNull(),
            "region": ~F.coalesce(typed["region"].isin(*REGIONS), F.lit(False)),
        }
        reasons = F.array_compact(
            F.array(*(F.when(wrong, F.lit(name)) for name, wrong in broken.items()))
        )
        judged = typed.withColumn("reasons", reasons)
        judged.where(F.size("reasons") > 0).select("raw.*", "reasons").write.parquet(
            str(self.folder / "rejects")
        )
        judged.where(F.size("reasons") == 0).select(*FIELDS.values()).write.parquet(
            str(self.folder / "valid")
        )

    def clean(self) -> None:
        copies = Window.partitionBy("sale_id").orderBy(*FIELDS.values())
        valid = self.spark.read.parquet(str(self.folder / "valid"))
        valid.withColumn("copy", F.row_number().over(copies)).where("copy = 1").drop(
            "copy"
        ).write.parquet(str(self.folder / "sale"))

    def load(self) -> None:
        self._write("sale", self._sale())
        add_key(self.address)

    def analyze(self) -> None:
        region = Window.partitionBy("region")
        by_amount = region.orderBy(F.desc(AMOUNT), "product_id")
        so_far = by_amount.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        week = region.orderBy(F.datediff("sale_date", F.lit(FIRST_DAY))).rangeBetween(-6, 0)
        marts = {
            "sales_by_region_product": self._totals("region", "product_id")
            .withColumn("sales_rank", F.row_number().over(by_amount).cast("bigint"))
            .withColumn(
                "running_share", _share(F.sum(AMOUNT).over(so_far), F.sum(AMOUNT).over(region))
            ),
            "sales_by_region": _ranked(self._totals("region"), "region"),
            "sales_by_product": _ranked(self._totals("product_id"), "product_id"),
            "sales_by_day": self._totals("sale_date", "region").withColumn(
                "moving_average_7_days",
                F.round(F.sum(AMOUNT).over(week) / 7, 2).cast("decimal(22, 2)"),
            ),
        }
        for name, mart in marts.items():
            self._write(name, mart.select(*MARTS[name].names))
        marts_agree(self.address)

    def publish(self) -> None:
        publish(self.address, self.folder)

    def _sale(self) -> DataFrame:
        return self.spark.read.parquet(str(self.folder / "sale"))

    def _totals(self, *key: str) -> DataFrame:
        sold = F.col("sale_amount")
        kept, returned = F.when(sold >= 0, sold), F.when(sold < 0, -sold)
        return (
            self._sale()
            .groupBy(*key)
            .agg(
                F.count(kept).alias("total_sales"),
                F.sum(F.when(sold >= 0, F.col("quantity"))).alias("total_quantity"),
                F.sum(kept).alias("total_sales_amount"),
                F.count(returned).alias("total_returns"),
                F.coalesce(F.sum(returned), F.lit(0).cast("decimal(22, 2)")).alias(
                    "total_returns_amount"
                ),
                F.sum(sold).alias("net_amount"),
                F.round(F.sum(kept) / F.count(kept), 2)
                .cast("decimal(12, 2)")
                .alias("average_sale_amount"),
            )
        )

    def _write(self, table: str, rows: DataFrame) -> None:
        rows.write.jdbc(
            self.jdbc,
            table,
            properties={"driver": "org.postgresql.Driver", "batchsize": "10000"},
        )


def _ranked(totals: DataFrame, key: str) -> DataFrame:
    everything = Window.partitionBy()
    return totals.withColumn(
        "sales_rank",
        F.row_number().over(everything.orderBy(F.desc(AMOUNT), key)).cast("bigint"),
    ).withColumn("share", _share(F.col(AMOUNT), F.sum(AMOUNT).over(everything)))


def _share(part: Column, whole: Column) -> Column:
    return F.round(part / whole, 6).cast("decimal(7, 6)")


def main(folder: Path) -> None:
    driver = next(path for path in DRIVERS if path.exists())
    with embedded_postgres(folder / "postgres") as address, tcp(address) as place:
        jdbc = f"jdbc:postgresql://{place}?user=vitrina&sslmode=disable&reWriteBatchedInserts=true"
        spark = (
            SparkSession.builder.master("local[*]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.jars", str(driver))
            .config("spark.driver.memory", MEMORY)
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .config("spark.local.dir", str(folder / "spark"))
            .getOrCreate()
        )
        try:
            batch = SparkJdbc(folder, address, jdbc, spark)
            run(batch.validate, batch.clean, batch.load, batch.analyze, batch.publish)
        finally:
            spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
