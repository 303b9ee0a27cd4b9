"""A table or a query of a store's own PostgreSQL, read as its sales."""

from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.exports import rows_of, source_of
from vitrina.errors import ExportError, StoreUnavailable
from vitrina.exports.readers.table import read_table

ORDERS = """
    CREATE TABLE orders (
        number bigint, code text, pieces numeric(10, 4), price double precision,
        sold_at timestamptz, day date, paid boolean, channel char(4), note jsonb
    );
    INSERT INTO orders VALUES
        (9007199254740993, 'B-2', 2.000, 0.1::float8 + 0.2::float8,
         '2026-11-01 02:30:00+03', '2026-11-01', true, 'web', '{"a": 1}'),
        (10, '', 0.500, 1e15, '2026-11-01 12:00:00.250+00', 'infinity', false, NULL, NULL),
        (2, E'A "one",\\nand more', 12.3400, 0.00001, NULL, NULL, NULL, '', '[]');
"""
COLUMNS = ("number", "code", "pieces", "price", "sold_at", "day", "paid", "channel", "note")


@pytest.fixture
def orders(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ORDERS)
    return database


def rows(dsn: str, what: str, *columns: str) -> list[dict[str, Any]]:
    return rows_of(read_table(dsn, what, source_of(*columns)))


def test_values_are_told_by_their_types_and_rows_sorted_as_texts(orders: str) -> None:
    typed = {"number", "pieces", "price", "sold_at", "day", "paid"}
    assert rows(orders, "orders", *COLUMNS) == [
        {
            "line": 1,
            "number": "10",
            "code": "",
            "pieces": "0.5",
            "price": "1E+15",
            "sold_at": "2026-11-01T12:00:00.25+00:00",
            "day": "infinity",
            "paid": "false",
            "channel": None,
            "note": None,
            "typed": typed,
        },
        {
            "line": 2,
            "number": "2",
            "code": 'A "one",\nand more',
            "pieces": "12.34",
            "price": "0.00001",
            "sold_at": None,
            "day": None,
            "paid": None,
            "channel": "",
            "note": "[]",
            "typed": {"number", "pieces", "price"},
        },
        {
            "line": 3,
            "number": "9007199254740993",
            "code": "B-2",
            "pieces": "2",
            "price": "0.3",
            "sold_at": "2026-10-31T23:30:00+00:00",
            "day": "2026-11-01",
            "paid": "true",
            "channel": "web",
            "note": '{"a": 1}',
            "typed": typed,
            "repaired": ["float_noise"],
        },
    ]


def test_rows_of_a_query_come_in_the_order_it_says(orders: str) -> None:
    query = "select number, code AS what FROM orders ORDER BY number; -- the newest last"
    found = rows(orders, query.replace(";", ""), "number")
    assert [(row["line"], row["number"]) for row in found] == [
        (1, "2"),
        (2, "10"),
        (3, "9007199254740993"),
    ]


def test_one_column_that_is_null_is_still_a_row(orders: str) -> None:
    found = rows(orders, "SELECT channel FROM orders ORDER BY number DESC;", "channel")
    assert [row["channel"] for row in found] == ["web", None, ""]


def test_a_table_is_an_identifier_and_no_sql(orders: str) -> None:
    assert len(rows(orders, "public.orders", "number")) == 3
    with pytest.raises(ExportError, match='relation "orders; DROP TABLE orders" does not exist'):
        rows(orders, "orders; DROP TABLE orders", "number")


def test_a_query_cannot_write(orders: str) -> None:
    query = "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone"
    with pytest.raises(ExportError):
        rows(orders, query, "number")
    query = "SELECT setval('numbers', 5) AS number"
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE numbers")
    with pytest.raises(ExportError, match="read-only transaction"):
        rows(orders, query, "number")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("orders", "orders: mapped columns not in the file: Number; .*«number» .case."),
        ("SELECT 1 AS a, 2 AS a", "the query: mapped columns not in the file: Number"),
        ('SELECT 1 AS "Number", 2 AS "Number"', "the query: Number is the name of 2 columns"),
        ("SELECT 1 / 0 AS " + '"Number"', "division by zero"),
        ("nowhere", 'relation "nowhere" does not exist'),
    ],
)
def test_what_cannot_be_read_is_refused(orders: str, what: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        rows(orders, what, "Number")


def test_an_error_far_into_the_rows_ends_the_read(orders: str) -> None:
    query = "SELECT 10 / (100000 - n) AS number FROM generate_series(1, 200000) AS n"
    with pytest.raises(ExportError, match="division by zero"):
        rows(orders, query, "number")


def test_a_server_that_does_not_answer_is_worth_another_try_and_its_password_stays_unsaid() -> None:
    dsn = make_conninfo("host=127.0.0.1 port=1", user="u", password="s3cret-word")  # noqa: S106
    with pytest.raises(StoreUnavailable) as refused:
        rows(dsn, "orders", "number")
    assert "127.0.0.1:1" in str(refused.value)
    assert "s3cret-word" not in str(refused.value)


def test_many_rows_keep_their_order_and_their_number(orders: str) -> None:
    query = "SELECT n AS number, repeat('x', 300) AS code FROM generate_series(1, 120000) AS n"
    pieces = list(read_table(orders, query, source_of("number", "code")))
    assert len(pieces) > 1
    numbers = [number for piece in pieces for number in piece.columns["number"].to_pylist()]
    assert numbers == [str(number) for number in range(1, 120_001)]
    lines = [line for piece in pieces for line in piece.lines.to_pylist()]
    assert lines == list(range(1, 120_001))
