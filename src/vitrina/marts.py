"""The marts: what each table holds, what one row stands for, in which order it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitrina.columns import Column, Date, FieldType, Integer, Label, Numeric
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

    @property
    def recomputed(self) -> tuple[str, ...]:
        """The measures that PostgreSQL computes again from the sales, for each row."""
        return tuple(name for name in self.names if name in (*TOTALS, NET_AMOUNT, TOTAL_ORDERS))


TOTALS = (
    "total_sales",
    "total_quantity",
    "total_sales_amount",
    "total_returns",
    "total_returns_amount",
)
NET_AMOUNT = "net_amount"
TOTAL_ORDERS = "total_orders"
"""An order may be in several rows of a mart, so these have no sum that says anything."""


def marts(contract: Contract) -> tuple[Mart, ...]:
    """The marts of a contract, in the order in which they are computed and published.

    A sale with an amount below 0 is a return. Averages, ranks, shares and classes are of sales;
    a group that has only returns is there, ranked after all that have sales.
    """
    region = Column("region", Label(), contract["region"].description)
    product = Column("product_id", contract["product_id"].type, contract["product_id"].description)
    day = Column("sale_date", Date(), "Day of the sale")
    amount = contract["sale_amount"].type
    assert isinstance(amount, Numeric)  # noqa: S101 - Contract has checked it
    total_amount = _sum_of(amount)
    share = Numeric(SHARE_SCALE + 1, SHARE_SCALE)
    sales = Column("total_sales", Integer(64), "Number of sales, returns not among them")
    quantity = Column("total_quantity", _total_quantity(contract), "Units sold")
    money = (
        Column("total_sales_amount", total_amount, "Money received for the sales"),
        Column("total_returns", Integer(64), "Number of returns"),
        Column("total_returns_amount", total_amount, "Money given back for the returns"),
        Column(NET_AMOUNT, total_amount, "Money received less money given back"),
    )
    average = Column(
        "average_sale_amount", amount, "Average receipt: total over count, half up to the cent"
    )
    average_of_some = replace(
        average, description=f"{average.description}; none without sales", nullable=True
    )
    orders = (
        Column(TOTAL_ORDERS, Integer(64), "Number of orders with sales"),
        Column(
            "average_order_amount",
            total_amount,
            "Average order: total over orders, half up to the cent; none without orders",
            nullable=True,
        ),
    )
    # A group may have returns and no sales, if there are returns at all.
    averages = (
        average_of_some if contract.takes_returns else average,
        *(orders if contract.has_orders else ()),
    )
    averages_of_day = (average_of_some, *averages[1:])
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
                *money,
                *averages,
                Column("sales_rank", Integer(32), "1 for the largest amount in the region"),
                Column("share", share, "Share of the region's amount, of 1"),
                Column(
                    "running_share",
                    share,
                    "Share of the region's amount that this product and those ranked above make up",
                ),
                Column("abc_class", Label(), "A, B or C"),
            ),
        ),
        Mart(
            "sales_by_region",
            ("region",),
            (region, sales, quantity, *money, *averages, share_of_all, rank),
        ),
        Mart(
            "sales_by_product",
            ("product_id",),
            (product, sales, quantity, *money, *averages, share_of_all, rank),
        ),
        Mart(
            "sales_by_day",
            ("sale_date", "region"),
            (
                day,
                region,
                sales,
                *money,
                *averages_of_day,
                Column(
                    "moving_average_7_days",
                    total_amount,
                    "Average amount a day over this day and the six before; none for the first six",
                    nullable=True,
                ),
                Column(
                    "change_from_week_before",
                    Numeric(18, SHARE_SCALE),
                    "Change of the amount against the same weekday a week before, of 1; "
                    "none where there were no sales then",
                    nullable=True,
                ),
            ),
        ),
    )


def summed_from(declared: Sequence[Mart]) -> dict[Mart, Mart]:
    """For each mart the one whose rows sum up to its totals: itself, or the one of the finest key.

    >>> from vitrina.contract import SALES
    >>> summed = summed_from(marts(SALES))
    >>> {mart.name: finer.name for mart, finer in summed.items() if mart != finer}
    {'sales_by_region': 'sales_by_region_product', 'sales_by_product': 'sales_by_region_product'}
    """

    def having(mart: Mart) -> list[Mart]:
        return [
            other
            for other in declared
            if set(mart.key) <= set(other.key) and set(mart.totals) <= set(other.totals)
        ]

    return {mart: max(having(mart), key=lambda other: len(other.key)) for mart in declared}


def finest_of(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For each key the one of `keys` to sum it up from: itself, or a finer one that is finest.

    >>> finest_of([("region",), ("region", "product_id")])[("region",)]
    ('region', 'product_id')
    """
    finest = [key for key in keys if not any(set(key) < set(other) for other in keys)]
    return {key: next(finer for finer in finest if set(key) <= set(finer)) for key in keys}


def _sum_of(amount: Numeric) -> Numeric:
    """What Spark makes of a sum of decimals: ten more digits."""
    return Numeric(min(38, amount.precision + 10), amount.scale)


def _total_quantity(contract: Contract) -> FieldType:
    quantity = contract["quantity"].type
    return _sum_of(quantity) if isinstance(quantity, Numeric) else Integer(64)
