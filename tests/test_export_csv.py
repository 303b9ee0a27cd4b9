"""Separated values of any dialect come back as they were; what is broken is told, line by line."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vitrina.errors import ExportError
from vitrina.exports.feed import Piece
from vitrina.exports.readers import blocks, decoding
from vitrina.exports.readers.csv import read
from vitrina.exports.readers.dialect import Dialect
from vitrina.exports.source import Amount, Csv, Day, Fields, Id, Quantity, Region, Source

NAMES = ("id", "product", "pieces", "amount")
HEADER = "id,product,pieces,amount\n"


def source(*columns: str, totals: tuple[str, ...] = (), **csv: str) -> Source:
    """A source that wants these columns."""
    fields = Fields(
        sale_id=Id(columns=columns or NAMES),
        product_id=Id(constant="1"),
        quantity=Quantity(constant="1"),
        sale_date=Day(constant="2026-11-01"),
        sale_amount=Amount(constant="1"),
        region=Region(constant="North"),
    )
    return Source(files=("*",), fields=fields, totals=totals, csv=Csv.model_validate(csv))


def pieces(file: bytes | str, wanted: Source | None = None) -> Iterator[Piece]:
    content = file.encode() if isinstance(file, str) else file
    return read(io.BytesIO(content), "shop.csv", wanted or source())


def rows(file: bytes | str, wanted: Source | None = None) -> list[tuple[Any, ...]]:
    """Each row: its line, and its values or what became of it (with its raw text)."""
    found: list[tuple[Any, ...]] = []
    for piece in pieces(file, wanted):
        columns = [column.to_pylist() for column in piece.columns.values()]
        values = list(zip(*columns, strict=True))
        for place, line in enumerate(piece.lines.to_pylist()):
            problems, set_aside, repaired, raw = (
                note and note[place].as_py()
                for note in (piece.problems, piece.set_aside, piece.repaired, piece.raw)
            )
            if problems:
                found.append((line, *problems, raw))
            elif set_aside:
                found.append((line, set_aside))
            else:
                found.append((line, *values[place], *(repaired or ())))
    return found


def refusal(file: bytes | str, wanted: Source | None = None) -> str:
    with pytest.raises(ExportError) as refused:
        list(pieces(file, wanted))
    return str(refused.value)


def test_a_quoted_empty_field_is_as_missing_as_an_empty_one() -> None:
    file = '\ufeff"id","product","pieces","amount"\r\n"1","","2",\r\n"2","a","NA","null"\r\n'
    assert rows(file) == [(2, "1", None, "2", None), (3, "2", "a", "NA", "null")]


def test_columns_are_taken_by_name_and_others_are_passed_over() -> None:
    file = "note,amount,id\nx,2.50,1\n"
    assert rows(file, source("id", "amount")) == [(2, "1", "2.50")]


def test_windows_1251_with_no_break_spaces_is_read_as_declared() -> None:
    file = "Номер;Сумма\r\nК-1;1\u00a0234,50\r\n".encode("cp1251")
    wanted = source("Номер", "Сумма", delimiter=";", encoding="windows-1251")
    assert rows(file, wanted) == [(2, "К-1", "1\u00a0234,50")]


def test_utf_16_with_tabs_is_read_as_declared() -> None:
    file = "id\tamount\r\n1\t1\u00a0234,50\r\nЖ\t5\r\n".encode("utf-16")
    wanted = source("id", "amount", delimiter="\t", encoding="utf-16")
    assert rows(file, wanted) == [(2, "1", "1\u00a0234,50"), (3, "Ж", "5")]


REPORT = """Sales by product;;;
Shop: "Peak";;;
;;;
id;product;pieces;amount
1;Mug;1;5,00
2;Cup;2;6,00
Total 1 Nov;;3;11,00
3;Mug;1;5,00
Total;;4;16,00
;;;
Signed: ______;;;
"""


def test_a_title_subtotals_and_a_signature_are_no_sales() -> None:
    assert rows(REPORT, source(totals=("Total",), delimiter=";")) == [
        (5, "1", "Mug", "1", "5,00"),
        (6, "2", "Cup", "2", "6,00"),
        (7, "total row"),
        (8, "3", "Mug", "1", "5,00"),
        (9, "total row"),
    ]


def test_a_line_of_one_value_is_a_row_unless_it_stands_below_the_last_total() -> None:
    file = REPORT.replace("3;Mug;1;5,00", "Ann;;;\n3;Mug;1;5,00")
    found = rows(file, source(totals=("Total",), delimiter=";"))
    assert found[3:5] == [(8, "Ann", None, None, None), (9, "3", "Mug", "1", "5,00")]
    without_totals = rows(REPORT, source(delimiter=";"))
    assert without_totals[-1] == (11, "Signed: ______", None, None, None)


def test_a_line_of_one_value_is_no_foot_if_rows_follow_in_a_later_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "_HEAD", 64)
    monkeypatch.setattr(decoding, "CHUNK", 1)
    file = (
        HEADER
        + "1,Mug,1,5.00\nTotal,,,5.00\n"
        + "".join(f"Ann {n},,,\n{n},Cup,1,5.00\n" for n in range(20))
    )
    found = rows(file + "Signed: Ann,,,\n", source(totals=("Total",)))
    assert [row[0] for row in found] == list(range(2, 44))
    assert [row[1] for row in found[2::2]] == [f"Ann {n}" for n in range(20)]


def test_a_sale_cut_off_below_a_total_is_not_taken_for_a_signature() -> None:
    file = REPORT.replace("Signed: ______;;;\n", "4")
    found = rows(file, source(totals=("Total",), delimiter=";"))
    assert found[-1] == (11, "line_cut_off", "4")


def test_a_long_foot_is_given_as_rows() -> None:
    file = REPORT + "x;;;\n" * 100
    assert len(rows(file, source(totals=("Total",), delimiter=";"))) == 5 + 101


def test_a_total_of_another_width_is_a_total() -> None:
    file = HEADER + "1,Mug,1,5.00\n Total,5.00\n"
    assert rows(file, source(totals=("Total",)))[1:] == [(3, "total row")]


def test_a_header_that_comes_again_is_set_aside_wherever_it_stands() -> None:
    first, second = HEADER + "1,a,1,2\n", "\ufeff" + HEADER + "\n2,b,1,2\n"
    glued = gzip.decompress(gzip.compress(first.encode()) + gzip.compress(second.encode()))
    assert rows(glued) == [
        (2, "1", "a", "1", "2"),
        (3, "repeated header"),
        (5, "2", "b", "1", "2"),
    ]


@pytest.mark.parametrize("other", ["product,id,pieces,amount", "id,new,product,pieces,amount"])
def test_a_later_header_with_other_columns_refuses_the_file(other: str) -> None:
    assert "line 3 is a header with other columns" in refusal(f"{HEADER}1,a,1,2\n{other}\n")


def test_rows_of_another_width_are_rejected_and_never_shifted() -> None:
    file = HEADER + "1,Bowl, large,2,18.00\n2,Mug,1\n3,Cup,1,2.00,\n4,Cup,1,2.00\n"
    assert rows(file) == [
        (2, "row_has_5_fields_of_4", "1,Bowl, large,2,18.00"),
        (3, "row_has_3_fields_of_4", "2,Mug,1"),
        (4, "3", "Cup", "1", "2.00", "trailing_delimiter"),
        (5, "4", "Cup", "1", "2.00"),
    ]


def test_a_file_whose_rows_all_end_with_a_delimiter_is_read_with_each_row_repaired() -> None:
    file = HEADER + "1,Cup,1,2.00,\n2,Mug,1,3.00\n3,Jug,1,4.00,x\n,,,,\n4,Pot,,5.00,\n5,Pan,1\n"
    assert rows(file) == [
        (2, "1", "Cup", "1", "2.00", "trailing_delimiter"),
        (3, "2", "Mug", "1", "3.00"),
        (4, "row_has_5_fields_of_4", "3,Jug,1,4.00,x"),
        (6, "4", "Pot", None, "5.00", "trailing_delimiter"),
        (7, "row_has_3_fields_of_4", "5,Pan,1"),
    ]
    plain = HEADER + "0,Cup,1,2.00\n" + file.removeprefix(HEADER)
    assert [row[1:] for row in rows(plain)[1:]] == [row[1:] for row in rows(file)]


@example('"a"a\n')
@example('a"a"\n')
@example('"\n"\n')
@example('a","\n')
@example('a,"\n')
@given(st.text(st.sampled_from('a",\n\r'), max_size=40))
def test_plain_quotes_are_found_as_all_are(text: str) -> None:
    dialect, raw = Dialect(",", '"'), text.encode()
    # From 1 on, nothing is taken for granted.
    assert dialect.sound_until(raw, 0) == dialect.sound_until(b"\n" + raw, 1) - 1


def test_quotes_line_breaks_and_inch_marks_are_read_by_the_standard() -> None:
    file = (
        HEADER
        + '1,"Card\r\n""Best, ever"""  \n'.replace("  ", ",1,2")
        + '2,Monitor 24" LED,1,2\n3,"C:\\",1,2\n4,\'x\',1,2\n'
    )
    assert rows(file) == [
        (2, "1", 'Card\r\n"Best, ever"', "1", "2"),
        (4, "2", 'Monitor 24" LED', "1", "2"),
        (5, "3", "C:\\", "1", "2"),
        (6, "4", "'x'", "1", "2"),
    ]


def test_a_quoted_text_may_have_very_many_lines() -> None:
    text = "\n".join(f"note {n}, seen" for n in range(5000))
    assert rows(f'{HEADER}1,"{text}",1,2\n2,a,1,2\n') == [
        (2, "1", text, "1", "2"),
        (5002, "2", "a", "1", "2"),
    ]


@pytest.mark.parametrize(
    "closing",
    ['3,Plate 10",1,3', '3,"Plate, big",1,3', '3,"Plate",1,3', '3,"",1,3', "3,Plate,1,3"],
)
def test_an_unclosed_quote_costs_its_own_line_and_no_other(closing: str) -> None:
    file = f'{HEADER}1,"Mug,1,1\n2,Bowl,1,2\n{closing}\n4,Cup,1,4\n'
    found = rows(file)
    assert found[0] == (2, "unclosed_quote", '1,"Mug,1,1')
    assert [row[0] for row in found] == [2, 3, 4, 5]
    assert found[1] == (3, "2", "Bowl", "1", "2")
    assert found[2][1] == "3"
    assert found[3] == (5, "4", "Cup", "1", "4")


def test_a_text_over_lines_is_taken_apart_only_if_most_of_them_are_rows() -> None:
    half = rows(f'{HEADER}1,"Mug,1,1\nnote\n3,Plate 10",1,3\n4,Cup,1,4\n')
    assert half == [(2, "1", "Mug,1,1\nnote\n3,Plate 10", "1", "3"), (5, "4", "Cup", "1", "4")]
    most = rows(f'{HEADER}1,"Mug,1,1\n2,Bowl,1,2\nnote\n3,Plate 10",1,3\n4,Cup,1,4\n')
    assert [row[:2] for row in most] == [
        (2, "unclosed_quote"),
        (3, "2"),
        (4, "row_has_1_fields_of_4"),
        (5, "3"),
        (6, "4"),
    ]


def test_a_stray_quote_costs_its_own_line_and_no_other() -> None:
    file = HEADER + '1,"24" screen",1,2\n2,"a",1,2\n'
    assert rows(file) == [(2, "stray_quote", '1,"24" screen",1,2'), (3, "2", "a", "1", "2")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_below_a_stray_quote_keep_their_numbers(line_end: str) -> None:
    file = HEADER + '1,a,1,2\n2,"a"b,1,2\n\n3,"a"b,1,2\n4,b,1,2\n'
    found = rows(file.replace("\n", line_end))
    assert [(row[0], row[1]) for row in found] == [
        (2, "1"),
        (3, "stray_quote"),
        (5, "stray_quote"),
        (6, "4"),
    ]


def test_a_store_without_quotes_may_have_them_anywhere() -> None:
    file = HEADER + '1,"24" screen,1,2\n2,"a,1,2\n'
    assert rows(file, source(quote="")) == [
        (2, "1", '"24" screen', "1", "2"),
        (3, "2", '"a', "1", "2"),
    ]


@pytest.mark.parametrize("last", ["2", "2,Mug,1", '2,"Mug', "2,Му".encode()[:-1].decode("latin-1")])
def test_a_line_cut_off_at_the_end_is_rejected(last: str) -> None:
    file = f"{HEADER}1,Mug,1,2\n".encode() + last.encode("latin-1")
    told = last if last.isascii() else "2,М\ufffd"
    assert rows(file) == [(2, "1", "Mug", "1", "2"), (3, "line_cut_off", told)]


def test_a_last_line_without_line_end_is_a_row() -> None:
    assert rows(HEADER + "1,Mug,1,2") == [(2, "1", "Mug", "1", "2")]


def test_nul_and_byte_order_marks_in_cells_are_kept() -> None:
    file = HEADER + "\ufeff1,M\0g,1,2\n"
    assert rows(file) == [(2, "\ufeff1", "M\0g", "1", "2")]


def test_a_first_line_for_spreadsheets_overrules_the_delimiter() -> None:
    file = "sep=;\r\nid;amount;x\r\n1;1,50;\r\nsep=;\r\nid;amount;x\r\n2;2;\r\n"
    assert rows(file, source("id", "amount")) == [
        (3, "1", "1,50"),
        (4, "repeated header"),
        (5, "repeated header"),
        (6, "2", "2"),
    ]


def test_bytes_that_are_not_of_the_encoding_refuse_the_file_with_byte_and_line() -> None:
    head = "id,amount,note\r\n1,1,\u0436\r\n".encode()
    told = refusal(head + b"2,1,caf\xe9\r\n", source("id", "amount"))
    assert told.startswith(f"shop.csv: byte {len(head) + 7}, line 3: E9 is no text in utf-8")
    told = refusal(b"id,amount\n1,\x98\n", source("id", "amount", encoding="cp1251"))
    assert "byte 12, line 2: 98 is no text in cp1251" in told


def test_bytes_of_another_encoding_are_found_in_later_chunks_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "_HEAD", 24)
    monkeypatch.setattr(decoding, "CHUNK", 5)
    text = "id,amount\r\n" + "".join(f"{n},\u0436\r\n" for n in range(50))
    for encoding, wrong in [("utf-8", b"\xff"), ("utf-16-le", b"\x00\xdc\x00\x00")]:
        whole = text.encode(encoding)
        told = refusal(whole + wrong, source("id", "amount", encoding=encoding))
        assert f"byte {len(whole)}, line 52:" in told


def test_names_in_another_encoding_are_told_with_those_that_would_show_them() -> None:
    file = "Номер;Сумма\r\n1;2\r\n".encode("cp866")
    told = refusal(file, source("Номер", "Сумма", delimiter=";", encoding="cp1251"))
    assert "the file has ЌR¬Ґа".replace("R", "®") in told
    assert told.endswith("they are there if csv.encoding is cp866")
    told = refusal("Номер;Сумма\n".encode("cp1251"), source("Номер", "Сумма", delimiter=";"))
    assert "csv.encoding is cp1251" in told


def test_names_behind_another_delimiter_are_told_with_it() -> None:
    assert refusal("id\tamount\n1\t2\n", source("id", "amount")).endswith(r'csv.delimiter is "\t"')


def test_a_delimiter_beyond_ascii_is_refused() -> None:
    assert "characters of ASCII" in refusal("id§amount\n1§2\n", source(delimiter="§"))


def test_a_pivoted_table_is_refused_with_both_lists_of_names() -> None:
    told = refusal("item,shop,d_1,d_2\n1,North,0,2\n")
    assert "not in the file: id, product, pieces, amount; the file has item, shop, d_1" in told


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"\r\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "this is a web page"),
        (b"PK\x03\x04\x14\x00\xff\xfe", "this is a workbook"),
        (b'[{"id": 1}]', "this is JSON"),
        (b"", "it has no text"),
        (b"\n\r\n", "it has no text"),
    ],
)
def test_what_is_no_table_is_refused_by_what_it_is(file: bytes, told: str) -> None:
    assert told in refusal(file)


def test_a_header_is_looked_for_in_the_first_lines_only() -> None:
    assert rows("x\n" * 99 + HEADER + "1,a,1,2\n") == [(101, "1", "a", "1", "2")]
    assert "mapped columns not in the file" in refusal("x\n" * 100 + HEADER)


def test_a_record_may_be_longer_than_what_is_read_at_once_and_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "_HEAD", 64)
    monkeypatch.setattr(decoding, "CHUNK", 100)
    monkeypatch.setattr(blocks, "LONGEST", 1000)
    text = "x\n" * 400
    assert rows(f'{HEADER}1,"{text}",1,2\n2,a,1,2\n')[0] == (2, "1", text, "1", "2")
    open_end = rows(f'{HEADER}1,"{text}\n' + "2,b,1,2\n" * 100)
    assert open_end[0] == (2, "unclosed_quote", '1,"x')
    assert open_end[-100:] == [(403 + n, "2", "b", "1", "2") for n in range(100)]
    assert "line 2 is longer than 1,000 bytes" in refusal(HEADER + "x" * 2000)


MARKS = "\"',;|\t\n\r\0\ufeff\\ 0189abжЯé\u00a0"
CELLS = st.text(st.sampled_from(MARKS), max_size=8)
ENCODINGS = ("utf-8", "utf-16", "cp1251", "cp866", "koi8-r", "latin-1")


def written(cell: str, delimiter: str, quote: str, is_quoted: bool) -> str:
    """A cell as RFC 4180 has it; a quote within is a letter where the cell need not be quoted."""
    marked = is_quoted or cell.startswith(quote) or re.search(rf"[{delimiter}\r\n]", cell)
    return f"{quote}{cell.replace(quote, quote * 2)}{quote}" if marked else cell


@settings(max_examples=100)
@given(
    table=st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)
    ),
    delimiter=st.sampled_from(",;|\t"),
    quote=st.sampled_from("\"'"),
    encoding=st.sampled_from(ENCODINGS),
    data=st.data(),
)
def test_a_table_of_any_text_comes_back_in_any_dialect(
    table: list[list[str]], delimiter: str, quote: str, encoding: str, data: st.DataObject
) -> None:
    width = len(table[0]) if table else 2
    table = [[cell.encode(encoding, "ignore").decode(encoding) for cell in row] for row in table]
    # Lines of a text that are rows of the same table are the one thing that is read otherwise.
    assume(
        width < 3
        or not any(
            re.search(r"[\r\n]", cell) and cell.count(delimiter) >= width - 2
            for row in table
            for cell in row
        )
    )
    names = [f"column {n}" for n in range(width)]
    line_end = st.sampled_from(["\n", "\r\n", "\r"])
    file, line, expected = delimiter.join(names) + data.draw(line_end), 2, []
    for row in table:
        if any(row):
            expected.append((line, *(cell or None for cell in row)))
        cells = [written(cell, delimiter, quote, data.draw(st.booleans())) for cell in row]
        file += delimiter.join(cells) + data.draw(line_end)
        line = len(re.findall(r"\r\n?|\n", file)) + 1
    wanted = source(*names, delimiter=delimiter, quote=quote, encoding=encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_HEAD", 4 * len(file.split("\r")[0].split("\n")[0]) + 8)
        patch.setattr(decoding, "CHUNK", data.draw(st.integers(20, 400)))
        found = rows(file.encode(encoding), wanted)
    assert found == expected


WORDS = st.sampled_from(
    ["Mug", "Bowl, large", 'Screen 24" LED', '"Best" of', "", "Чай", "a;b", ", x", 'x "'],
)
DAMAGE = st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"7", b"x", b" ", b"\xff", b""])


def lines_of(text: str) -> list[str]:
    return re.split(r"\r\n?|\n", text)


@settings(max_examples=300)
@given(
    words=st.lists(WORDS, min_size=1, max_size=12),
    is_quoted=st.lists(st.booleans(), min_size=12, max_size=12),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    damage=DAMAGE,
    share=st.floats(0, 1, exclude_max=True),
    is_cut=st.booleans(),
)
@example(
    words=["Mug", ", x", 'x "'],
    is_quoted=[False] * 12,
    line_end="\n",
    damage=b"\n",
    share=25.5 / 53,
    is_cut=False,
)
@example(
    words=[", x", ", x"],
    is_quoted=[False] * 12,
    line_end="\n",
    damage=b"\n",
    share=8.5 / 38,
    is_cut=False,
)
def test_damage_at_a_byte_hides_no_row_and_makes_none_unseen(
    words: list[str],
    is_quoted: list[bool],
    line_end: str,
    damage: bytes,
    share: float,
    is_cut: bool,
) -> None:
    sales = [
        (str(n), word or None, str(n % 9), f"{n}.50") for n, word in enumerate(words, start=101)
    ]
    records = [
        f"{sale[0]},{written(sale[1] or '', ',', chr(34), marked)},{sale[2]},{sale[3]}{line_end}"
        for sale, marked in zip(sales, is_quoted, strict=False)
    ]
    head, body = HEADER.replace("\n", line_end).encode(), "".join(records).encode()
    place = int(share * len(body))
    broken = body[:place] + (b"" if is_cut else damage + body[place + 1 :])
    try:
        found = rows(head + broken)
    except ExportError:
        with pytest.raises(UnicodeDecodeError):
            broken.decode()
        return
    # Counted by another reader: every line with text is part of a row or of a reject's text.
    told: set[int] = set()
    for line, *values in found:
        text = values[-1] if len(values) == 2 else ",".join(value or "" for value in values)
        told |= {line + n for n in range(len(lines_of(text)))}
    lines = lines_of((head + broken).decode(errors="replace"))
    # A line of delimiters alone has no value, and is no row.
    full = [n for n, line in enumerate(lines, start=1) if line.strip().strip(',"') and n > 1]
    assert [line for line in sorted(told) if line in full] == full
    # All sales that were not touched are there, and nothing else but what is left of the others.
    begin = 0
    touched = set()
    for sale, record in zip(sales, records, strict=True):
        end = begin + len(record.encode())
        if begin - 1 <= place <= end or (is_cut and place <= end):
            touched.add(sale[0])
        begin = end
    read_well = [tuple(row[1:5]) for row in found if len(row) > 3]
    intact = untouched = [sale for sale in sales if sale[0] not in touched]
    # A quote that lost its end may find another in a later row, and its quotes are valid again.
    with suppress(csv.Error, UnicodeDecodeError):
        standard = [*csv.reader(io.StringIO(broken.decode(), newline=""), strict=True)]
        untouched = [sale for sale in untouched if [each or "" for each in sale] in standard]
    assert [sale for sale in read_well if sale in untouched] == untouched
    assert len([sale for sale in read_well if sale not in intact]) <= len(touched)


def test_a_file_whose_only_row_spans_lines_is_read() -> None:
    assert rows('id,name\n"",",\n"\n', source("id", "name"))[0][0] == 2
