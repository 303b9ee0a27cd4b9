"""Marts: staged in temporary tables, compared with SQL over `sale`, put in place, read back."""

import io
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

from vitrina.columns import arrow_schema
from vitrina.errors import ReconciliationError
from vitrina.marts import Mart
from vitrina.stores.postgres.session import Session, columns, each


def copy_mart(session: Session, mart: Mart, rows: pa.Table) -> None:
    """Put a mart's rows into a temporary table of its columns."""
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(
            staged(mart), sql.Identifier(mart.name)
        )
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


def group_sales(
    session: Session, keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], sql.Identifier]:
    """For each key a temporary table of the totals of `sale`, with groups no coarser.

    A key that is part of another needs no pass over all sales: its groups are made from
    the other's.
    """
    finest = [key for key in keys if not any(set(key) < set(other) for other in keys)]
    groups = {key: sql.Identifier("pg_temp", f"sale_by_{'_'.join(key)}") for key in finest}
    for key, table in groups.items():
        session.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}, count(*) AS "
                "total_sales, sum(quantity) AS total_quantity, sum(sale_amount) AS "
                "total_sales_amount FROM sale GROUP BY {}"
            ).format(table, columns(key), columns(key))
        )
    return {
        key: next(table for finer, table in groups.items() if set(key) <= set(finer))
        for key in keys
    }


def reconcile_mart(session: Session, mart: Mart, groups: sql.Identifier, left: str) -> None:
    """Compare each row of a mart with SQL over `sale`.

    Raises:
        ReconciliationError: names the first row, in the order of the key, that differs.
    """
    differences = session.execute(
        sql.SQL(
            "WITH expected AS (SELECT {key}, true AS is_there, {sums} FROM {groups} "
            "GROUP BY {key}), actual AS (SELECT {key}, true AS is_there, {totals} FROM {new}) "
            "SELECT expected.is_there, actual.is_there, {figures}, {key} "
            "FROM expected FULL JOIN actual USING ({key}) WHERE {differ} "
            "ORDER BY {key} LIMIT 1"
        ).format(
            key=columns(mart.key),
            sums=_sums(mart.totals),
            groups=groups,
            totals=columns(mart.totals),
            new=staged(mart),
            figures=each(mart.totals, "coalesce(expected.{0}, 0), coalesce(actual.{0}, 0)"),
            differ=each(
                mart.totals, "coalesce(expected.{0}, 0) <> coalesce(actual.{0}, 0)", " OR "
            ),
        )
    )
    for in_sale, in_mart, *rest in differences:
        figures, place = rest[: 2 * len(mart.totals)], rest[2 * len(mart.totals) :]
        measure, expected, actual = next(
            (name, one, other)
            for name, one, other in zip(mart.totals, figures[::2], figures[1::2], strict=True)
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


def put_in_place(session: Session, mart: Mart) -> None:
    """Let the staged rows take the place of the mart's; readers see them once all is committed."""
    table = sql.Identifier(mart.name)
    # Not TRUNCATE, which a reader with an older snapshot would see as no rows.
    session.execute(sql.SQL("DELETE FROM {}").format(table))
    session.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(table, staged(mart)))
    session.execute(sql.SQL("ANALYZE {}").format(table))


def read_mart(session: Session, mart: Mart) -> pa.Table:
    """The rows of a mart in the order of its key, each type exactly as declared."""
    key = columns(mart.key)
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT csv, HEADER)").format(
        columns(mart.names), sql.Identifier(mart.name), key
    )
    text = io.BytesIO()
    with (
        session.connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        for chunk in copy:
            text.write(chunk)
    text.seek(0)
    return arrow_csv.read_csv(
        text,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=arrow_schema(mart.columns),
            # PostgreSQL quotes an empty text, and leaves a missing value bare.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def staged(mart: Mart) -> sql.Identifier:
    """The temporary table of a mart's new rows."""
    return sql.Identifier("pg_temp", f"new_{mart.name}")


def _sums(names: Iterable[str]) -> sql.Composed:
    return each(names, "sum({0}) AS {0}")
