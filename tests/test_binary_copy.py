"""Rows of Arrow in the binary format of COPY, as the server reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from vitrina.columns import (
    Date,
    FieldType,
    FreeText,
    Integer,
    Label,
    Numeric,
    arrow_schema,
    postgres_type,
)
from vitrina.contract import Field
from vitrina.stores.postgres.binary import HEADER, TRAILER, encoded

Value = int | Decimal | date | str | None


@pytest.fixture(scope="module")
def connection(postgres_server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_server, autocommit=True, prepare_threshold=None) as one:
        yield one


def copied(
    connection: psycopg.Connection[Any],
    fields: Sequence[Field],
    batches: Iterable[pa.RecordBatch],
) -> list[tuple[Value, ...]]:
    """The rows as the server has them, in the order in which it got them."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.copied")
    declared = [
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(postgres_type(field.type)))
        for field in fields
    ]
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE copied ({})").format(sql.SQL(", ").join(declared))
    )
    with connection.cursor() as cursor:
        with cursor.copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER)
            for rows in batches:
                copy.write(encoded(rows, fields))
            copy.write(TRAILER)
        return cursor.execute("SELECT * FROM copied").fetchall()


def batch(fields: Sequence[Field], rows: Sequence[Mapping[str, Value]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), arrow_schema(fields))


def decimal(digits: int, scale: int) -> Decimal:
    """Exact, as arithmetic of decimals is not."""
    return Decimal(f"{digits}E-{scale}")


def up_to(largest: int) -> st.SearchStrategy[int]:
    return st.integers(-largest, largest)


def values(type_: FieldType) -> st.SearchStrategy[Value]:
    match type_:
        case Integer(bits):
            return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        case Numeric(precision, scale):
            digits, short = up_to(10**precision - 1), up_to(min(99, 10**precision - 1))
            whole = up_to(10 ** (precision - scale) - 1).map(lambda n: n * 10**scale)
            return (digits | short | whole).map(lambda n: decimal(n, scale))
        case Date():
            return st.dates()
        case Label() | FreeText():
            return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


types: st.SearchStrategy[FieldType] = st.one_of(
    st.sampled_from([Integer(32), Integer(64), Date(), Label(), FreeText()]),
    st.integers(1, 38).flatmap(
        lambda precision: st.builds(Numeric, st.just(precision), st.integers(0, precision))
    ),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Field], list[dict[str, Value]]]:
    fields = [
        Field(f"field_{number}", type_, "", nullable=draw(st.booleans()))
        for number, type_ in enumerate(draw(st.lists(types, min_size=1, max_size=5)))
    ]
    row = st.fixed_dictionaries(
        {
            field.name: values(field.type) | st.none() if field.nullable else values(field.type)
            for field in fields
        }
    )
    return fields, draw(st.lists(row, max_size=8))


@given(table=tables(), cut=st.integers(0, 8))
def test_the_server_reads_what_was_written(
    connection: psycopg.Connection[Any],
    table: tuple[list[Field], list[dict[str, Value]]],
    cut: int,
) -> None:
    fields, rows = table
    whole = batch(fields, rows)
    read = copied(connection, fields, [whole.slice(0, cut), whole.slice(cut)])
    assert read == [tuple(row[field.name] for field in fields) for row in rows]


@pytest.mark.parametrize("precision", [18, 19, 20, 38])
def test_a_number_keeps_every_digit(connection: psycopg.Connection[Any], precision: int) -> None:
    for scale in range(precision + 1):
        fields = [Field("amount", Numeric(precision, scale), "")]
        # 2**64 has nothing in the lower half of an Arrow decimal.
        digits = [n for n in (0, 1, 10**scale, 2**64, 10**precision - 1) if n < 10**precision]
        numbers = [decimal(sign * n, scale) for n in digits for sign in (1, -1)]
        read = copied(connection, fields, [batch(fields, [{"amount": n} for n in numbers])])
        assert read == [(number,) for number in numbers]


def test_no_rows_are_written_as_none(connection: psycopg.Connection[Any]) -> None:
    fields = [Field("sale_id", FreeText(), "")]
    assert copied(connection, fields, []) == []
    assert copied(connection, fields, [batch(fields, [])]) == []
