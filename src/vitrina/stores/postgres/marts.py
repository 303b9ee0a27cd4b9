"""Marts: staged in temporary tables, compared with SQL over the sales, put in place, read back."""

import io
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

from vitrina.columns import Column, FreeText, Label, arrow_schema, read_rows
from vitrina.contract import Contract
from vitrina.errors import ReconciliationError
from vitrina.marts import TOTAL_ORDERS, Mart, finest_of, summed_from
from vitrina.stores.postgres.session import Session, columns, each
from vitrina.stores.postgres.tables import by_load
from vitrina.stores.postgres.weighted import agree_with_sales, can_be_weighed

SUMS_OF_SALES = sql.SQL(
    "count(*) FILTER (WHERE sale_amount >= 0) AS total_sales, "
    "coalesce(sum(quantity) FILTER (WHERE sale_amount >= 0), 0) AS total_quantity, "
    "coalesce(sum(sale_amount) FILTER (WHERE sale_amount >= 0), 0) AS total_sales_amount, "
    "count(*) FILTER (WHERE sale_amount < 0) AS total_returns, "
    "coalesce(-sum(sale_amount) FILTER (WHERE sale_amount < 0), 0) AS total_returns_amount"
)
"""The `TOTALS` of sales, in their order."""

_SUMS_OF_GROUPS = sql.SQL(
    "coalesce(sum(_rows) FILTER (WHERE NOT _is_return), 0) AS total_sales, "
    "coalesce(sum(_quantity) FILTER (WHERE NOT _is_return), 0) AS total_quantity, "
    "coalesce(sum(_amount) FILTER (WHERE NOT _is_return), 0) AS total_sales_amount, "
    "coalesce(sum(_rows) FILTER (WHERE _is_return), 0) AS total_returns, "
    "coalesce(-sum(_amount) FILTER (WHERE _is_return), 0) AS total_returns_amount"
)
"""The same of groups, of which each has sales or returns. No field begins with `_`."""


def copy_mart(session: Session, mart: Mart, rows: pa.Table) -> None:
    """Put a mart's rows into a temporary table of its columns."""
    session.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
        ).format(staged(mart), columns(mart.names), sql.Identifier(by_load(mart.name)))
    )
    text = pa.BufferOutputStream()
    arrow_csv.write_csv(
        # The cast refuses what PostgreSQL would round.
        rows.select(mart.names).cast(arrow_schema(mart.columns)),
        text,
        # A missing value is bare, an empty text quoted.
        arrow_csv.WriteOptions(include_header=False, quoting_style="all_valid"),
    )
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        staged(mart), columns(mart.names)
    )
    with session.connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.write(memoryview(text.getvalue()))


def right_groups(
    session: Session, sales: str, declared: Sequence[Mart], contract: Contract
) -> dict[Mart, sql.Identifier]:
    """For each mart a table of groups no coarser, whose `TOTALS` are those of SQL over the sales.

    These are staged rows of the marts, unless a weighted sum says that one of them is wrong: only
    then are the sales grouped, to find out which.
    """
    finer = summed_from(declared)
    weighed = {mart: staged(mart) for mart in dict.fromkeys(finer.values())}
    if all(map(can_be_weighed, weighed)) and agree_with_sales(session, sales, contract, weighed):
        return {mart: weighed[finer[mart]] for mart in declared}
    groups = group_sales(session, sales, [mart.key for mart in declared])
    return {mart: groups[mart.key] for mart in declared}


def group_sales(
    session: Session, sales: str, keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], sql.Identifier]:
    """For each key a temporary table of the `TOTALS` of the sales, with groups no coarser.

    A key that is part of another needs no pass over all sales: its groups are made from
    the other's. Sales and returns are first grouped apart: a FILTER for each sum costs more
    than the two groups of a key.
    """
    finest = finest_of(keys)
    groups = {
        key: sql.Identifier("pg_temp", f"sale_by_{'_'.join(key)}")
        for key in dict.fromkeys(finest.values())
    }
    for key, table in groups.items():
        session.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS SELECT {key}, {sums} FROM ("
                "SELECT {key}, sale_amount < 0 AS _is_return, count(*) AS _rows, "
                "sum(quantity) AS _quantity, sum(sale_amount) AS _amount "
                "FROM {sales} GROUP BY {key}, sale_amount < 0) AS apart GROUP BY {key}"
            ).format(
                table=table, key=columns(key), sums=_SUMS_OF_GROUPS, sales=sql.Identifier(sales)
            )
        )
    return {key: groups[finest[key]] for key in keys}


def reconcile_mart(
    session: Session, mart: Mart, sales: str, groups: sql.Identifier, left: str
) -> None:
    """Compare each row of a mart with SQL over the sales, in every measure that this recomputes.

    Raises:
        ReconciliationError: names the first row, in the order of the key, that differs.
    """
    measures = mart.recomputed
    differences = session.execute(
        sql.SQL(
            "WITH expected AS ({recomputed}), actual AS (SELECT {key}, true AS is_there, "
            "{measures} FROM {new}) SELECT expected.is_there, actual.is_there, {figures}, {key} "
            "FROM expected FULL JOIN actual USING ({key}) WHERE {differ} "
            "ORDER BY {by_key} LIMIT 1"
        ).format(
            recomputed=_recomputed(mart, sales, groups),
            key=columns(mart.key),
            measures=columns(measures),
            new=staged(mart),
            figures=each(measures, "coalesce(expected.{0}, 0), coalesce(actual.{0}, 0)"),
            differ=each(measures, "coalesce(expected.{0}, 0) <> coalesce(actual.{0}, 0)", " OR "),
            by_key=_by_key(mart),
        )
    )
    for in_sale, in_mart, *rest in differences:
        figures, place = rest[: 2 * len(measures)], rest[2 * len(measures) :]
        measure, expected, actual = next(
            (name, one, other)
            for name, one, other in zip(measures, figures[::2], figures[1::2], strict=True)
            if one != other
        )
        raise ReconciliationError(
            mart.name,
            measure,
            expected=("SQL over sale", expected if in_sale else None),
            actual=("the mart", actual if in_mart else None),
            where=", ".join(f"{name} {value}" for name, value in zip(mart.key, place, strict=True)),
            left=left,
        )


def put_in_place(session: Session, mart: Mart, load_id: int) -> None:
    """Let the staged rows take the place of the load's; readers see them once all is committed."""
    delete_mart(session, mart, load_id)
    names = columns(mart.names)
    session.execute(
        sql.SQL("INSERT INTO {} (load_id, {}) SELECT {}, {} FROM {}").format(
            sql.Identifier(by_load(mart.name)), names, load_id, names, staged(mart)
        )
    )


def delete_mart(session: Session, mart: Mart, load_id: int) -> None:
    """Delete a load's rows. Not TRUNCATE, after which an older snapshot would see none."""
    table = sql.Identifier(by_load(mart.name))
    session.execute(sql.SQL("DELETE FROM {} WHERE load_id = {}").format(table, load_id))


def read_mart(session: Session, mart: Mart, load_id: int | None) -> pa.Table:
    """The rows of a load's mart, or of the one that is shown, in the order of its key."""
    source = (
        sql.Identifier(mart.name)
        if load_id is None
        else sql.SQL("{} WHERE load_id = {}").format(sql.Identifier(by_load(mart.name)), load_id)
    )
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
        columns(mart.names), source, _by_key(mart)
    )
    return copy_out(session, query, mart.columns)


def copy_out(session: Session, query: sql.Composed, declared: Iterable[Column]) -> pa.Table:
    """The rows of a query, each type exactly as declared."""
    text = io.BytesIO()
    with (
        session.connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query)) as copy,
    ):
        for chunk in copy:
            text.write(chunk)
    text.seek(0)
    return read_rows(text, declared)


def staged(mart: Mart) -> sql.Identifier:
    """The temporary table of a mart's new rows."""
    return sql.Identifier("pg_temp", f"new_{mart.name}")


def _recomputed(mart: Mart, sales: str, groups: sql.Identifier) -> sql.Composed:
    """What SQL over the sales finds for each row of a mart; `groups` are no coarser."""
    key = columns(mart.key)
    totals = sql.SQL(
        "SELECT {}, true AS is_there, {}, "
        "sum(total_sales_amount) - sum(total_returns_amount) AS net_amount FROM {} GROUP BY {}"
    ).format(key, each(mart.totals, "sum({0}) AS {0}"), groups, key)
    if TOTAL_ORDERS not in mart.names:
        return totals
    # An order may be in several of the groups, so they cannot be added up.
    return sql.SQL(
        "SELECT * FROM ({totals}) AS summed LEFT JOIN (SELECT {key}, count(*) AS total_orders "
        "FROM (SELECT DISTINCT {key}, order_id FROM {sales} WHERE sale_amount >= 0 "
        "AND order_id IS NOT NULL) AS of_group GROUP BY {key}) AS ordered USING ({key})"
    ).format(totals=totals, key=key, sales=sql.Identifier(sales))


def _by_key(mart: Mart) -> sql.Composed:
    """The order of a mart's rows: by its key, texts byte by byte."""
    texts = [c.name for c in mart.columns if isinstance(c.type, (Label, FreeText))]
    return sql.SQL(", ").join(
        sql.SQL('{} COLLATE "C"' if name in texts else "{}").format(sql.Identifier(name))
        for name in mart.key
    )
