"""Workbooks, read as a store's sales: cells with types of their own."""

import datetime
import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.exports import rows_of, source_of, unmapped_of
from vitrina.errors import ExportError
from vitrina.exports.readers import xlsx

Sheet = Sequence[Sequence[Any]]


def book(sheets: dict[str, Sheet], **given: Any) -> openpyxl.Workbook:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, value in given.items():
        setattr(workbook, name, value)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return workbook


def bytes_of(workbook: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def with_cells(data: bytes, **cells: str) -> bytes:
    """A workbook whose first sheet has this XML in the cells of these names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            part = before.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                for place, value in cells.items():
                    part, found = re.subn(f'<c r="{place}".*?</c>', value, part)
                    assert found == 1
            after.writestr(name, part)
    return stream.getvalue()


def read(data: bytes, *columns: str, **given: Any) -> list[dict[str, Any]]:
    source = source_of(*columns, **given)
    return rows_of(xlsx.read(io.BytesIO(data), "book.xlsx", source))


def one(*values: Any, **given: Any) -> list[dict[str, Any]]:
    """What the rows of a column of these values are."""
    return read(bytes_of(book({"S": [("id", "a"), *((1, v) for v in values)]}, **given)), "a")


@pytest.mark.parametrize(
    ("cell", "text", "is_typed"),
    [
        ("00123", "00123", False),
        (123, "123", True),
        (1001.0, "1001", True),
        (12.5, "12.5", True),
        ("12,50", "12,50", False),
        (46331, "46331", True),
        (datetime.date(2026, 11, 5), "2026-11-05", True),
        (datetime.datetime(2026, 11, 5), "2026-11-05", True),  # noqa: DTZ001 - a cell has no zone
        (datetime.datetime(2026, 11, 5, 23, 59, 30), "2026-11-05T23:59:30", True),  # noqa: DTZ001
        (datetime.date(1900, 1, 15), "1900-01-15", True),
        (datetime.date(1900, 3, 1), "1900-03-01", True),
        (datetime.time(9, 5), "09:05:00", True),
        (True, "true", True),
        ("#N/A", "#N/A", False),
        ("#DIV/0!", "#DIV/0!", False),
        ("=1+1", None, False),
        (None, None, False),
        (" x ", " x ", False),
    ],
)
def test_a_cell_is_told_by_its_type(cell: Any, text: str | None, is_typed: bool) -> None:
    # Beside others, and alone in its column.
    found = one("other", cell, 2.5)
    assert [row["a"] for row in found] == ["other", text, "2.5"]
    assert (found[1]["typed"] == {"a"}) == is_typed
    [alone] = one(cell)
    assert (alone["a"], alone["typed"] == {"a"}) == (text, is_typed)


def test_days_are_counted_from_1904_where_the_workbook_says_so() -> None:
    days = [datetime.date(2026, 11, 5), datetime.datetime(2026, 11, 5, 1, 2, 3)]  # noqa: DTZ001
    assert [row["a"] for row in one(*days, epoch=CALENDAR_MAC_1904)] == [
        "2026-11-05",
        "2026-11-05T01:02:03",
    ]


def test_digits_after_the_15th_are_dropped_and_long_numbers_are_no_ids() -> None:
    data = bytes_of(book({"S": [("a", "b"), (1, 1), (1, 1), (1, "x"), (1, 1)]}))
    data = with_cells(
        data,
        A2='<c r="A2"><v>0.30000000000000004</v></c>',
        A3='<c r="A3"><v>1914310000010100016</v></c>',
        B4='<c r="B4"><v>17.990000000000002</v></c>',
    )
    found = read(data, "a", "b")
    assert [(row["a"], row["b"], row.get("repaired")) for row in found] == [
        ("0.3", "1", ["float_noise"]),
        ("1.9143100000101E+18", "1", None),
        ("1", "17.99", ["float_noise"]),
        ("1", "1", None),
    ]


def test_text_in_pieces_and_what_a_formula_gave_are_texts() -> None:
    data = bytes_of(book({"S": [("a",), (1,), (1,), (1,)]}))
    data = with_cells(
        data,
        A2='<c r="A2" t="inlineStr"><is><r><t>Чай</t></r>'
        '<r><t xml:space="preserve"> ник</t></r></is></c>',
        A3='<c r="A3" t="str"><f>B3</f><v>00123</v></c>',
        A4='<c r="A4"><f>1+1</f><v>2</v></c>',
    )
    assert [(row["a"], row["typed"]) for row in read(data, "a")] == [
        ("Чай ник", set()),
        ("00123", set()),
        ("2", {"a"}),
    ]


def test_the_header_is_the_first_row_with_all_names_and_lines_are_rows_of_the_sheet() -> None:
    workbook = book(
        {
            "S": [
                ("Sales of November",),
                (),
                ("sale", "b", "of the shop"),
                ("b", "note", "a"),
                (1, "x", 2),
                (),
                (None, "  ", None),
                (3, None, 4),
                ("b", "other", "a"),
                ("Total for a", 9, None),
                (None, "Total", 6),
                ("a note",),
                (5, "Totally", 6),
                (),
                (None, "Signed:"),
                ("Page 1",),
            ]
        }
    )
    sheet = workbook["S"]
    sheet.merge_cells("A1:C1")
    sheet.row_dimensions[8].hidden = True
    assert read(bytes_of(workbook), "a", "b", totals=("Total",)) == [
        {"line": 5, "a": "2", "b": "1", "typed": {"a", "b"}},
        {"line": 8, "a": "4", "b": "3", "typed": {"a", "b"}},
        {"line": 9, "a": "a", "b": "b", "typed": set(), "set_aside": "repeated header"},
        {"line": 10, "a": None, "b": "Total for a", "typed": set(), "set_aside": "total row"},
        {"line": 11, "a": "6", "b": None, "typed": {"a"}, "set_aside": "total row"},
        {"line": 12, "a": None, "b": "a note", "typed": set()},
        {"line": 13, "a": "6", "b": "5", "typed": {"a", "b"}},
    ]


def test_each_sheet_has_a_header_of_its_own_and_tells_its_name() -> None:
    workbook = book(
        {"2025": [("a", "b"), (1, 2)], "empty": [], "2026": [("title",), ("b", "a"), (3, 4)]}
    )
    workbook.create_chartsheet("chart")
    data = bytes_of(workbook)
    found = [(row.get("part"), row["line"], row["a"]) for row in read(data, "a")]
    assert found == [("2025", 2, "1"), ("2026", 3, "4")]
    # One sheet needs no name.
    [row] = read(data, "a", xlsx={"sheets": ("2026",)})
    assert row == {"line": 3, "a": "4", "typed": {"a"}}


def test_errors_are_told_of_the_sheet_they_stand_in() -> None:
    data = bytes_of(
        book({"one": [("a",), ("#REF!",)], "two": [("x", "a"), ("#N/A", 1), (1, "#VALUE!")]})
    )
    assert [row["a"] for row in read(data, "a")] == ["#REF!", "1", "#VALUE!"]


def test_rows_keep_their_number_through_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_ROWS", 3)
    found = one(*range(10))
    assert [(row["line"], row["a"]) for row in found] == [(n + 2, str(n)) for n in range(10)]


TWO = bytes_of(book({"Sales": [("a",), (1,)], "Codes": [("code", "A"), (1, 2)], "empty": []}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"book.xlsx\[Codes\]: mapped .*: a; the file has code, A; .*; if this sheet has no"),
        ({"xlsx": {"sheets": ("Sale",)}}, "it has no sheet Sale; it has Sales, Codes, empty"),
        ({"xlsx": {"sheets": ("empty",)}}, "empty has no cell with a value"),
    ],
)
def test_sheets_that_are_not_what_was_declared_refuse_the_file(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read(TWO, "a", **given)


def test_a_name_that_two_columns_have_refuses_the_file() -> None:
    with pytest.raises(ExportError, match="a is the name of 2 columns, 1 and 3"):
        read(bytes_of(book({"S": [("a", "b", "a"), (1, 2, 3)]})), "a")


def test_what_is_damaged_or_no_workbook_is_refused() -> None:
    data = bytes_of(book({"S": [("a",), *((f"row {n}",) for n in range(200))]}))
    for wrong in (b"", b"<html>Sign in</html>", data[: len(data) // 2], b"PK\x03\x04" + b"x" * 99):
        with pytest.raises(ExportError, match="it is damaged"):
            read(wrong, "a")
    refused = 0
    for place in range(0, len(data), 23):
        damaged = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        try:
            assert [row["a"] for row in read(damaged, "a")] == [f"row {n}" for n in range(200)]
        except ExportError:
            refused += 1
    assert refused > 30


def test_columns_that_nothing_asks_for_are_told() -> None:
    stream = io.BytesIO(
        bytes_of(book({"S": [("b", "a"), (1, 2)], "T": [("a", None, "c"), (1, 2)]}))
    )
    assert unmapped_of(xlsx.read(stream, "book.xlsx", source_of("a"))) == ["b", "c"]
