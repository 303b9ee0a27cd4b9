"""The marts: what each table holds, what one row stands for, in which order it is read."""

from dataclasses import dataclass

from vitrina.columns import Column, Date, Decimal, Integer, Text
from vitrina.contract import Contract

# A share or a change is a fraction of one: 0.123456 is 12.3456 %.
SHARE_SCALE = 6

ABC_PERCENT = {"A": 80, "B": 95}
"""The percent of a region's amount at which a class ends; C is the rest. The usual bounds."""


@dataclass(frozen=True)
class Mart:
    """A table computed from the sales; one row per `key`."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def totals(self) -> tuple[str, ...]:
        """The measures that can be summed, and so are reconciled between the engines."""
        return tuple(name for name in self.names if name in TOTALS)


TOTALS = ("total_sales", "total_quantity", "total_sales_amount")


def marts(contract: Contract) -> tuple[Mart, ...]:
    """The marts of a contract, in the order in which they are computed and published."""
    region = Column("region", Text(), contract["region"].description)
    product = Column("product_id", contract["product_id"].type, contract["product_id"].description)
    day = Column("sale_date", Date(), "Day of the sale")
    amount = contract["sale_amount"].type
    assert isinstance(amount, Decimal)  # noqa: S101 - Contract has checked it
    # What Spark makes of a sum of decimals: ten more digits.
    total_amount = Decimal(min(38, amount.precision + 10), amount.scale)
    share = Decimal(SHARE_SCALE + 1, SHARE_SCALE)
    sales = Column("total_sales", Integer(64), "Number of sales")
    quantity = Column("total_quantity", Integer(64), "Units sold")
    money = Column("total_sales_amount", total_amount, "Money received")
    average = Column(
        "average_sale_amount", amount, "Average receipt: total over count, half up to the cent"
    )
    share_of_all = Column("share", share, "Share of the whole amount, of 1")
    rank = Column("sales_rank", Integer(32), "1 for the largest amount")
    return (
        Mart(
            "sales_by_region_product",
            ("region", "product_id"),
            (
                region,
                product,
                sales,
                quantity,
                money,
                average,
                Column("sales_rank", Integer(32), "1 for the largest amount in the region"),
                Column("share", share, "Share of the region's amount, of 1"),
                Column(
                    "running_share",
                    share,
                    "Share of the region's amount that this product and those ranked above make up",
                ),
                Column("abc_class", Text(), "A, B or C"),
            ),
        ),
        Mart(
            "sales_by_region",
            ("region",),
            (region, sales, quantity, money, average, share_of_all, rank),
        ),
        Mart(
            "sales_by_product",
            ("product_id",),
            (product, sales, quantity, money, average, share_of_all, rank),
        ),
        Mart(
            "sales_by_day",
            ("sale_date", "region"),
            (
                day,
                region,
                sales,
                money,
                Column(average.name, amount, f"{average.description}; none without sales", True),
                Column(
                    "moving_average_7_days",
                    total_amount,
                    "Average amount a day over this day and the six before; none for the first six",
                    nullable=True,
                ),
                Column(
                    "change_from_week_before",
                    Decimal(18, SHARE_SCALE),
                    "Change of the amount against the same weekday a week before, of 1; "
                    "none where there were no sales then",
                    nullable=True,
                ),
            ),
        ),
    )
