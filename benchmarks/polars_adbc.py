"""The steps over a store's own file by Polars, with ADBC into PostgreSQL.

python benchmarks/polars_adbc.py folder
"""

import sys
from pathlib import Path

import polars as pl
from peer import AS_OF, FIELDS, FIRST_DAY, MARTS, REGIONS, add_key, marts_agree, publish, run

from vitrina.stores.postgres.embedded import embedded_postgres

AMOUNT = pl.col("total_sales_amount")


class PolarsAdbc:
    """One batch: each method is a step."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def validate(self) -> None:
        text = {name: pl.col(f"raw_{name}").str.strip_chars() for name in FIELDS}
        quantity, day, sold = pl.col("quantity"), pl.col("sale_date"), pl.col("sale_amount")
        broken = {
            **{
                name: pl.col(name).fill_null("") == ""
                for name in ("sale_id", "customer_id", "product_id")
            },
            "quantity": ~quantity.is_between(1, 10).fill_null(value=False),
            "sale_date": ~((day >= FIRST_DAY) & (day < AS_OF)).fill_null(value=False),
            "sale_amount": sold.is_null(),
            "region": ~pl.col("region").is_in(REGIONS).fill_null(value=False),
        }
        typed = (
            pl.scan_csv(self.folder / "feed.csv", infer_schema=False)
            .select(pl.all().name.prefix("raw_"))
            .with_columns(
                sale_id=text["id"],
                customer_id=text["customer"],
                product_id=text["article"],
                quantity=text["pieces"].cast(pl.Int64, strict=False),
                sale_date=text["day"].str.to_date("%Y-%m-%d", strict=False),
                sale_amount=text["amount"].cast(pl.Decimal(14, 2), strict=False),
                region=text["region"].str.to_titlecase(),
            )
            .with_columns(
                reasons=pl.concat_list(
                    pl.when(wrong).then(pl.lit(name)) for name, wrong in broken.items()
                ).list.drop_nulls()
            )
            .collect()
        )
        valid = pl.col("reasons").list.len() == 0
        typed.filter(~valid).select("^raw_.*$", "reasons").write_parquet(
            self.folder / "rejects.parquet"
        )
        self.valid = typed.filter(valid).select(FIELDS.values())

    def clean(self) -> None:
        self.sale = self.valid.sort(FIELDS.values()).unique("sale_id", keep="first")
        del self.valid

    def load(self) -> None:
        self.sale.write_database("sale", self.address, engine="adbc")
        add_key(self.address)

    def analyze(self) -> None:
        by_region_product = (
            self._totals("region", "product_id")
            .sort("region", "total_sales_amount", "product_id", descending=[False, True, False])
            .with_columns(
                sales_rank=pl.int_range(1, pl.len() + 1).over("region"),
                running_share=_share(AMOUNT.cum_sum().over("region"), AMOUNT.sum().over("region")),
            )
        )
        by_day = self._totals("sale_date", "region").sort("region", "sale_date")
        week = AMOUNT.cast(float).rolling_sum_by("sale_date", "7d").over("region")
        marts = {
            "sales_by_region_product": by_region_product,
            "sales_by_region": _ranked(self._totals("region"), "region"),
            "sales_by_product": _ranked(self._totals("product_id"), "product_id"),
            "sales_by_day": by_day.with_columns(
                moving_average_7_days=(week / 7).round(2).cast(pl.Decimal(22, 2))
            ),
        }
        for name, mart in marts.items():
            mart.select(MARTS[name].names).write_database(name, self.address, engine="adbc")
        marts_agree(self.address)

    def publish(self) -> None:
        publish(self.address, self.folder)

    def _totals(self, *key: str) -> pl.DataFrame:
        sold = pl.col("sale_amount")
        kept, returned = sold.filter(sold >= 0), sold.filter(sold < 0)
        count, total = kept.len().cast(pl.Int64), kept.sum()
        return self.sale.group_by(key).agg(
            total_sales=count,
            total_quantity=pl.col("quantity").filter(sold >= 0).sum(),
            total_sales_amount=total,
            total_returns=returned.len().cast(pl.Int64),
            total_returns_amount=-returned.sum(),
            net_amount=sold.sum(),
            average_sale_amount=(total.cast(float) / count).round(2).cast(pl.Decimal(12, 2)),
        )


def _ranked(totals: pl.DataFrame, key: str) -> pl.DataFrame:
    return totals.sort("total_sales_amount", key, descending=[True, False]).with_columns(
        sales_rank=pl.int_range(1, pl.len() + 1), share=_share(AMOUNT, AMOUNT.sum())
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return (part.cast(float) / whole.cast(float)).round(6).cast(pl.Decimal(7, 6))


def main(folder: Path) -> None:
    with embedded_postgres(folder / "postgres") as address:
        batch = PolarsAdbc(folder, address)
        run(batch.validate, batch.clean, batch.load, batch.analyze, batch.publish)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
