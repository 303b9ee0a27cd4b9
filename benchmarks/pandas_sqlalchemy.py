"""The steps over a store's own file by pandas, with SQLAlchemy into PostgreSQL.

    python benchmarks/pandas_sqlalchemy.py folder

Money is whole cents here, because pandas has no decimals.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from peer import AS_OF, FIELDS, FIRST_DAY, MARTS, REGIONS, add_key, marts_agree, publish, run

from vitrina.stores.postgres.embedded import embedded_postgres

CHUNK = 10_000
MONEY = sa.Numeric(22, 2)


class PandasSqlalchemy:
    """One batch: each method is a step."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.store = sa.create_engine(address.replace("postgresql:", "postgresql+psycopg:", 1))

    def validate(self) -> None:
        text = pd.read_csv(self.folder / "feed.csv", dtype=str, keep_default_na=False)
        typed = text.apply(lambda column: column.str.strip()).rename(columns=FIELDS)
        typed["quantity"] = pd.to_numeric(typed["quantity"], errors="coerce")
        typed["sale_date"] = pd.to_datetime(typed["sale_date"], format="%Y-%m-%d", errors="coerce")
        cents = pd.to_numeric(typed["sale_amount"], errors="coerce") * 100
        typed["sale_amount"] = cents.round()
        typed["region"] = typed["region"].str.title()
        days = pd.Timestamp(FIRST_DAY), pd.Timestamp(AS_OF)
        broken = pd.DataFrame(
            {
                **{name: typed[name] == "" for name in ("sale_id", "customer_id", "product_id")},
                "quantity": ~typed["quantity"].between(1, 10),
                "sale_date": ~typed["sale_date"].between(*days, inclusive="left"),
                "sale_amount": cents.isna(),
                "region": ~typed["region"].isin(REGIONS),
            }
        )
        rejected = broken.any(axis=1)
        names = broken[rejected].dot(pd.Series(broken.columns + " ", broken.columns)).str.split()
        text[rejected].assign(reasons=names).to_parquet(self.folder / "rejects.parquet")
        self.valid = typed[~rejected].astype({"quantity": "int64", "sale_amount": "int64"})

    def clean(self) -> None:
        self.sale = self.valid.sort_values([*FIELDS.values()]).drop_duplicates("sale_id")
        del self.valid

    def load(self) -> None:
        types = {"sale_date": sa.Date(), "sale_amount": sa.Numeric(14, 2)}
        sale = self.sale.assign(sale_amount=self.sale["sale_amount"] / 100)
        sale.to_sql("sale", self.store, index=False, chunksize=CHUNK, dtype=types)
        add_key(self.address)

    def analyze(self) -> None:
        by_region_product = self._totals("region", "product_id").sort_values(
            ["region", "total_sales_amount", "product_id"], ascending=[True, False, True]
        )
        amounts = by_region_product.groupby("region")["total_sales_amount"]
        by_region_product["sales_rank"] = amounts.cumcount() + 1
        by_region_product["running_share"] = amounts.cumsum() / amounts.transform("sum")
        by_day = self._totals("region", "sale_date")  # sorted by it
        week = by_day.set_index("sale_date").groupby("region")["total_sales_amount"]
        by_day["moving_average_7_days"] = (week.rolling("7D").sum() / 7).round().to_numpy()
        self._write("sales_by_region_product", by_region_product)
        self._write("sales_by_region", _ranked(self._totals("region"), "region"))
        self._write("sales_by_product", _ranked(self._totals("product_id"), "product_id"))
        self._write("sales_by_day", by_day)
        marts_agree(self.address)

    def publish(self) -> None:
        publish(self.address, self.folder)

    def _totals(self, *key: str) -> pd.DataFrame:
        returned = self.sale["sale_amount"] < 0
        sales = self.sale.groupby([*key])
        kept = self.sale[~returned].groupby([*key])
        totals = pd.DataFrame(
            {
                "total_sales": kept.size(),
                "total_quantity": kept["quantity"].sum(),
                "total_sales_amount": kept["sale_amount"].sum(),
                "total_returns": sales.size() - kept.size(),
                "net_amount": sales["sale_amount"].sum(),
            }
        )
        totals["total_returns_amount"] = totals["total_sales_amount"] - totals["net_amount"]
        average = totals["total_sales_amount"] / totals["total_sales"]
        totals["average_sale_amount"] = average.round()
        return totals.reset_index()

    def _write(self, name: str, mart: pd.DataFrame) -> None:
        columns = MARTS[name].names
        money = [column for column in columns if "amount" in column or "average" in column]
        shares = [column for column in columns if "share" in column]
        mart[money] /= 100
        types: dict[str, sa.types.TypeEngine[Any]] = {
            **dict.fromkeys(money, MONEY),
            **dict.fromkeys(shares, sa.Numeric(7, 6)),
            "sale_date": sa.Date(),
        }
        mart[columns].to_sql(name, self.store, index=False, chunksize=CHUNK, dtype=types)


def _ranked(totals: pd.DataFrame, key: str) -> pd.DataFrame:
    ranked = totals.sort_values(["total_sales_amount", key], ascending=[False, True])
    amounts = ranked["total_sales_amount"]
    return ranked.assign(sales_rank=range(1, len(ranked) + 1), share=amounts / amounts.sum())


def main(folder: Path) -> None:
    with embedded_postgres(folder / "postgres") as address:
        batch = PandasSqlalchemy(folder, address)
        run(batch.validate, batch.clean, batch.load, batch.analyze, batch.publish)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
