"""Whether marts equal SQL over the sales, by a few weighted sums.

Each row of a mart gets a random weight, and a sale has the weights of the rows that it belongs to.
The sum of weight × measure over the rows of a mart has to be that over the sales. If any figure is
wrong, in one row or in many, the two sums differ, except for one case in 2^31. The sales are read
once, and not grouped. R. Freivalds verified products of matrices like this, in less time than it
takes to compute them (Probabilistic machines can use less running time, IFIP Congress 1977).

A weight is a hash of the row's key under a seed, which is drawn anew for each comparison.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql

from vitrina.columns import Column, Date, Integer
from vitrina.contract import Contract
from vitrina.marts import TOTALS, Mart
from vitrina.stores.postgres.session import Session

_QUANTITY = "total_quantity"
_SALES = sql.Identifier("pg_temp", "weighted_sale")


def can_be_weighed(mart: Mart) -> bool:
    """Whether a mart has all of the `TOTALS`, or all but the quantity."""
    return set(TOTALS) - set(mart.totals) <= {_QUANTITY}


def agree_with_sales(
    session: Session, sales: str, contract: Contract, tables: Mapping[Mart, sql.Identifier]
) -> bool:
    """Whether each of these tables holds, of its mart, the `TOTALS` that SQL over the sales finds.

    A row of zeros equals none. Where the contract has no returns, the load has proved that there
    are none.
    """
    weighed = [
        _Weighed(mart, table, f"_weight_{number}", secrets.randbits(62), secrets.randbits(62))
        for number, (mart, table) in enumerate(tables.items())
    ]
    # PostgreSQL looks into other views, and would then compute a weight for each sum anew.
    session.execute(
        sql.SQL("CREATE TEMPORARY VIEW {} WITH (security_barrier) AS {}").format(
            _SALES, _weighed_sales(sales, contract, weighed)
        )
    )
    of_sales = session.execute(_sums_of_sales(weighed))
    session.execute(sql.SQL("DROP VIEW {}").format(_SALES))
    return of_sales == session.execute(_sums_of_marts(weighed))


@dataclass(frozen=True)
class _Weighed:
    """A mart, the table of its rows, and the seeds of a row's weights for sales and for returns."""

    mart: Mart
    table: sql.Identifier
    weight: str
    of_sales: int
    of_returns: int

    @property
    def has_quantity(self) -> bool:
        return _QUANTITY in self.mart.names

    def weight_by(self, seed: sql.Composable) -> sql.Composable:
        """The weight under this seed; 31 bits, so that times a quantity it is a bigint."""
        hashed = seed
        for column in self.mart.columns:
            if column.name in self.mart.key:
                hashed = _hash(column, hashed)
        return sql.SQL("({} & 2147483647)").format(hashed)


def _weighed_sales(sales: str, contract: Contract, weighed: Iterable[_Weighed]) -> sql.Composed:
    """Each sale with its weights. A return has others, and its quantity does not count."""
    if contract.takes_returns:
        by_kind = sql.SQL("CASE WHEN sale_amount < 0 THEN {} ELSE {} END")
    else:
        by_kind = sql.SQL("{1}")
    # A weight times a wider quantity need not be a bigint.
    is_narrow = contract["quantity"].type == Integer(32)
    quantity = sql.SQL("quantity" if is_narrow else "quantity::numeric")
    weights = [
        sql.SQL("{} AS {}").format(
            each.weight_by(by_kind.format(each.of_returns, each.of_sales)),
            sql.Identifier(each.weight),
        )
        for each in weighed
    ]
    return sql.SQL("SELECT {}, {} AS _quantity, sale_amount AS _amount FROM {}").format(
        sql.SQL(", ").join(weights), by_kind.format(0, quantity), sql.Identifier(sales)
    )


def _sums_of_sales(weighed: Iterable[_Weighed]) -> sql.Composed:
    all_weights = sql.SQL(" + ").join(sql.Identifier(each.weight) for each in weighed)
    quantities: list[sql.Composable] = [
        sql.SQL("coalesce(sum({} * _quantity), 0)").format(sql.Identifier(each.weight))
        for each in weighed
        if each.has_quantity
    ]
    return sql.SQL(
        "SELECT coalesce(sum({weights}), 0), {quantities}, "
        "coalesce(sum(({weights}) * _amount), 0) FROM {sales}"
    ).format(
        weights=all_weights,
        quantities=sql.SQL(" + ").join(quantities or [sql.SQL("0")]),
        sales=_SALES,
    )


def _sums_of_marts(weighed: Iterable[_Weighed]) -> sql.Composed:
    of_each = [
        sql.SQL(
            "SELECT sum(_of_sales * total_sales + _of_returns * total_returns) AS number, "
            "sum(_of_sales * {quantity}) AS quantity, "
            "sum(_of_sales * total_sales_amount - _of_returns * total_returns_amount) AS amount "
            "FROM (SELECT *, {of_sales}::numeric AS _of_sales, "
            "{of_returns}::numeric AS _of_returns FROM {table}) AS weighed"
        ).format(
            quantity=sql.Identifier(_QUANTITY) if each.has_quantity else sql.Literal(0),
            of_sales=each.weight_by(sql.Literal(each.of_sales)),
            of_returns=each.weight_by(sql.Literal(each.of_returns)),
            table=each.table,
        )
        for each in weighed
    ]
    return sql.SQL(
        "SELECT coalesce(sum(number), 0), coalesce(sum(quantity), 0), coalesce(sum(amount), 0) "
        "FROM ({}) AS of_each"
    ).format(sql.SQL(" UNION ALL ").join(of_each))


def _hash(column: Column, seed: sql.Composable) -> sql.Composed:
    name = sql.Identifier(column.name)
    match column.type:
        case Integer(32):
            return sql.SQL("hashint4extended({}, {})").format(name, seed)
        case Integer(64):
            return sql.SQL("hashint8extended({}, {})").format(name, seed)
        case Date():
            # The number of the day, for dates have a hash only since PostgreSQL 18.
            return sql.SQL("hashint4extended({} - DATE '2000-01-01', {})").format(name, seed)
        case _:
            return sql.SQL("hashtextextended({}::text, {})").format(name, seed)
