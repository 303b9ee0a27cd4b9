"""Parquet, read as a store's sales: types become text."""

import datetime
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from tests.exports import rows_of, source_of, unmapped_of
from vitrina.errors import ExportError
from vitrina.exports.readers import parquet
from vitrina.exports.readers.typed import as_text, plain


def file_of(columns: dict[str, pa.Array], **given: Any) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, **given)
    return stream


def read(stream: io.BytesIO, *columns: str) -> list[dict[str, Any]]:
    return rows_of(parquet.read(stream, "sales.parquet", source_of(*columns)))


def told(values: pa.Array) -> list[tuple[str | None, bool, list[str] | None]]:
    """Each value of a column as it is read: its text, whether it is typed, what was repaired."""
    return [
        (row["a"], row["typed"] == {"a"}, row.get("repaired"))
        for row in read(file_of({"a": values}), "a")
    ]


NOISE = ["float_noise"]


@pytest.mark.parametrize(
    ("number", "text", "repaired"),
    [
        (1001.0, "1001", None),
        (-0.0, "0", None),
        (19.99, "19.99", None),
        (0.30000000000000004, "0.3", NOISE),
        (19.990000000000002, "19.99", NOISE),
        (0.7999999999999999, "0.8", NOISE),
        (123456789012345.0, "123456789012345", None),
        (12345678901.25, "12345678901.25", None),
        (1e-7, "0.0000001", None),
        # 16 digits and more are no longer exact, and no id.
        (1e15, "1E+15", None),
        (1914310000010100016.0, "1.9143100000101E+18", None),
        (1e300, "1E+300", None),
        (float("nan"), "nan", None),
        (float("-inf"), "-inf", None),
    ],
)
def test_floats_are_told_with_15_digits(
    number: float, text: str, repaired: list[str] | None
) -> None:
    assert told(pa.array([number, None, 2.5])) == [
        (text, True, repaired),
        (None, False, None),
        ("2.5", True, None),
    ]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_reads_as_python_rounds_it_to_15_digits(number: float) -> None:
    text, typed, noisy = as_text(pa.array([number]))
    shortest = float(f"{number:.15g}")
    assert typed
    if abs(number) < 1e15:
        assert "e" not in text[0].as_py().lower()
    assert float(text[0].as_py()) == shortest
    assert (noisy is not None) == (shortest != number and abs(number) < 1e15)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20
    )
)
def test_a_decimal_reads_as_the_same_number_without_surplus_zeros(number: Decimal) -> None:
    text = as_text(pa.array([number], pa.decimal128(38, 10))).values[0].as_py()
    assert Decimal(text) == number
    assert "." not in text or text[-1] not in "0."
    assert "E" not in text


@pytest.mark.parametrize(
    ("numbers", "kind", "texts"),
    [
        (["12.3400", "2.000", "100.0000"], pa.decimal128(10, 4), ["12.34", "2", "100"]),
        (["0.0000000001", "-1.5"], pa.decimal256(40, 10), ["0.0000000001", "-1.5"]),
        (["1200"], pa.decimal128(10, 0), ["1200"]),
    ],
)
def test_decimals_of_any_scale_are_plain(
    numbers: list[str], kind: pa.DataType, texts: list[str]
) -> None:
    found = told(pa.array(list(map(Decimal, numbers)), kind))
    assert found == [(text, True, None) for text in texts]


NEW_YORK = "America/New_York"
NOON = datetime.datetime(2026, 11, 1, 12, 45, tzinfo=datetime.UTC)
MOMENTS = [
    (pa.timestamp("s"), "2026-11-01T12:45:00"),
    (pa.timestamp("ms"), "2026-11-01T12:45:00"),
    (pa.timestamp("us"), "2026-11-01T12:45:00"),
    (pa.timestamp("ns"), "2026-11-01T12:45:00"),
    (pa.timestamp("us", "UTC"), "2026-11-01T12:45:00+00:00"),
    # Told in UTC: the same moment.
    (pa.timestamp("ns", NEW_YORK), "2026-11-01T12:45:00+00:00"),
    (pa.timestamp("ms", "+03:00"), "2026-11-01T12:45:00+00:00"),
]


@pytest.mark.parametrize(("kind", "text"), MOMENTS, ids=str)
def test_moments_are_told_in_iso_8601(kind: pa.DataType, text: str) -> None:
    moment = NOON if kind.tz else NOON.replace(tzinfo=None)
    assert told(pa.array([moment, None], kind)) == [(text, True, None), (None, False, None)]


def test_fractions_of_a_second_are_kept() -> None:
    assert told(pa.array([1, 1_500_000_000], pa.timestamp("ns"))) == [
        ("1970-01-01T00:00:00.000000001", True, None),
        ("1970-01-01T00:00:01.5", True, None),
    ]


@pytest.mark.parametrize(
    ("values", "text", "typed"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615", True),
        (pa.array([-5], pa.int8()), "-5", True),
        (pa.array([19.99], pa.float32()), "19.99", True),
        (pa.array([1e10], pa.float32()), "10000000000", True),
        (pa.array([True]), "true", True),
        (pa.array([datetime.date(2026, 11, 1)]), "2026-11-01", True),
        (pa.array([datetime.time(9, 5)], pa.time64("us")), "09:05:00", True),
        (pa.array(["00123"]), "00123", False),
        (pa.array(["00123"], pa.large_string()), "00123", False),
        (pa.array(["я"]).dictionary_encode(), "я", False),
        (pa.array(["я".encode()], pa.binary()), "я", False),
        (pa.nulls(1), None, False),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else str(value),
)
def test_other_types_are_told_plainly(values: pa.Array, text: str | None, typed: bool) -> None:
    assert told(values) == [(text, typed, None)]


def test_rows_are_numbered_through_row_groups_and_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 3)
    stream = file_of({"b": pa.array(range(10)), "a": pa.array(range(10, 20))}, row_group_size=4)
    pieces = list(parquet.read(stream, "sales.parquet", source_of("a")))
    assert len(pieces) > 3
    assert [(row["line"], row["a"]) for row in rows_of(pieces)] == [
        (place + 1, str(place + 10)) for place in range(10)
    ]


def test_a_row_is_repaired_if_any_of_its_numbers_was() -> None:
    found = read(
        file_of({"a": pa.array([0.1 + 0.2, 1.0, None]), "b": pa.array([1.0, None, 1.1 * 1.1])}),
        "a",
        "b",
    )
    assert [row.get("repaired") for row in found] == [NOISE, None, NOISE]


def test_a_name_with_a_dot_is_that_column_alone() -> None:
    stream = file_of({"a": pa.array(["x"]), "a.b": pa.array(["y"]), "b": pa.array([{"c": 1}])})
    [row] = read(stream, "a.b", "a")
    assert (row["a.b"], row["a"]) == ("y", "x")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": pa.array([[1]])}, "a holds list<.*>, which is no text, number, day or time"),
        ({"a": pa.array([{"b": 1}])}, "a holds struct<"),
        ({"A": pa.array([1])}, "columns not in the file: a; the file has A; .* .case."),
        ({"a": pa.array([b"\xff"])}, "after row 0: it is damaged"),
    ],
)
def test_columns_that_cannot_be_read_refuse_the_file(
    columns: dict[str, pa.Array], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read(file_of(columns), "a")


def test_a_name_that_two_columns_have_refuses_the_file() -> None:
    stream = io.BytesIO()
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, stream)
    with pytest.raises(ExportError, match="a is the name of 2 columns, 1 and 2"):
        read(stream, "a")


def test_what_is_damaged_is_refused_or_read_whole() -> None:
    data = file_of(
        {"a": pa.array(range(1000)), "b": pa.array(map(str, range(1000)))},
        write_page_checksum=True,
        use_dictionary=False,
    ).getvalue()
    refused = 0
    for place in range(0, len(data), 37):
        damaged = data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]
        try:
            assert len(read(io.BytesIO(damaged), "a", "b")) == 1000
        except ExportError:
            refused += 1
    assert refused > 100
    for cut in (0, 4, len(data) // 2, len(data) - 1):
        with pytest.raises(ExportError, match="it is damaged, or no Parquet"):
            read(io.BytesIO(data[:cut]), "a", "b")


def test_exponents_are_written_out_unless_that_would_be_endless() -> None:
    assert [plain(text) for text in ("1e3", "12", "-1.5E-3", "1e401")] == [
        "1000",
        "12",
        "-0.0015",
        "1e401",
    ]


def test_columns_that_nothing_asks_for_are_told() -> None:
    stream = file_of({"b": pa.array([1]), "a": pa.array([1]), "c": pa.array([[1]])})
    assert unmapped_of(parquet.read(stream, "sales.parquet", source_of("a"))) == ["b", "c"]
