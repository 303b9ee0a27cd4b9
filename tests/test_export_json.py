"""JSON Lines and arrays of objects, read as a store's sales."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exports import rows_of, source_of, unmapped_of
from vitrina.errors import ExportError
from vitrina.exports.readers import jsonl

BOM = b"\xef\xbb\xbf"


def read(
    data: bytes, *columns: str, file: str = "sales.jsonl", **given: Any
) -> list[dict[str, Any]]:
    return rows_of(jsonl.read(io.BytesIO(data), file, source_of(*columns, **given)))


def array(data: bytes, *columns: str) -> list[dict[str, Any]]:
    return read(data, *columns, file="sales.json")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("9007199254740993", "9007199254740993"),
        ("92233720368547758079", "92233720368547758079"),
        ("19.990000000000002", "19.990000000000002"),
        ("0.10", "0.10"),
        ("2.0", "2.0"),
        ("1e3", "1000"),
        ("-1.50E-2", "-0.0150"),
        ("1e999999999", "1e999999999"),
        ("true", "true"),
        ("false", "false"),
    ],
)
def test_numbers_are_their_text_without_an_exponent(number: str, text: str) -> None:
    [row] = read(b'{"a": %s}' % number.encode(), "a")
    assert row == {"line": 1, "a": text, "typed": {"a"}}


def test_text_is_not_typed_even_where_others_of_the_column_are_numbers() -> None:
    found = read(b'{"a": "1e3"}\n{"a": 1e3}\n{"a": "caf\\u00e9"}\n{"a": null}\n{}\n', "a")
    assert [(row["a"], row["typed"]) for row in found] == [
        ("1e3", set()),
        ("1000", {"a"}),
        ("café", set()),
        (None, set()),
        (None, set()),
    ]


def test_lists_and_objects_are_their_json() -> None:
    [row] = read('{"a": {"b": [1.0, true, null, "é"], "c": {}}}'.encode(), "a")
    assert row == {"line": 1, "a": '{"b":[1.0,true,null,"é"],"c":{}}', "typed": set()}


def test_lines_that_are_no_row_are_rejected_and_those_after_them_read() -> None:
    lines = [
        BOM + b'{"a": 1}\r',
        b'{"a": 2',
        b"",
        b"  \t\r",
        b'[{"a": 3}]',
        b'{"a": 4, "a": 5}',
        b'{"a": NaN}',
        b'{"a": 6} {"a": 7}',
        b'{"a": "\\ud800"}',
        b'{"b": 1, "b": 2, "a": 8}',
        b'{"\\u0061": 9, "a": 10}',
        b'{"note": "\\"a\\" and \\"a\\"", "a": 11, "rest": {"a": 12, "x": "a"}}',
        b"{" * 20_000,
        b'{"a": 13}',
    ]
    found = read(b"\n".join(lines), "a")
    assert [(row["line"], row["a"] or (row["problems"], row["raw"])) for row in found] == [
        (1, "1"),
        (2, (["not_json"], '{"a": 2')),
        (5, (["not_an_object"], '[{"a": 3}]')),
        (6, (["key_repeated"], '{"a": 4, "a": 5}')),
        (7, (["not_json"], '{"a": NaN}')),
        (8, (["not_json"], '{"a": 6} {"a": 7}')),
        (9, (["not_json"], '{"a": "\\ud800"}')),
        (10, "8"),
        (11, (["key_repeated"], '{"\\u0061": 9, "a": 10}')),
        (12, "11"),
        (13, (["not_json"], "{" * 20_000)),
        (14, "13"),
    ]


def test_an_array_is_read_object_by_object_with_their_lines() -> None:
    data = BOM + b' [\n{"a": 1,\n"b": 2},\n{"a": 3}, 5,\n{"a": NaN}, {"a": 4, "a": 5}\n]\n'
    found = array(data, "a")
    assert [(row["line"], row["a"] or (row["problems"], row["raw"])) for row in found] == [
        (2, "1"),
        (4, "3"),
        (4, (["not_an_object"], "5")),
        (5, (["not_json"], '{"a": NaN}')),
        (5, (["key_repeated"], '{"a": 4, "a": 5}')),
    ]
    assert array(b" [ ] ", "a") == []


def test_the_format_that_is_declared_goes_before_the_name() -> None:
    assert read(b'{"a": 1}', "a", file="sales.json", format="jsonl")[0]["a"] == "1"
    assert read(b'[{"a": 1}]', "a", file="sales.txt", format="json")[0]["a"] == "1"
    assert read(b'[{"a": 1}]', "a", file="Sales.JSON.gz")[0]["a"] == "1"


WHOLE = '[{"a": 1}, {"a": "é\\u00e9\\\\", "b": [1, {"c": tr'.encode()


@pytest.mark.parametrize("cut", range(12, len(WHOLE)))
def test_an_object_that_the_end_cuts_off_is_rejected_with_its_text(cut: int) -> None:
    data = WHOLE[:cut]
    try:
        rest = data[11:].decode()
    except UnicodeDecodeError:
        with pytest.raises(ExportError, match="line 1, byte 19: 0xC3 is not UTF-8"):
            array(data, "a")
        return
    first, last = array(data, "a")
    assert first["a"] == "1"
    assert (last["line"], last["a"], last["problems"]) == (1, None, ["not_json"])
    assert last["raw"] == rest.rstrip()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"a": 1}', "line 1: the array does not end; the file is cut off"),
        (b'[{"a": 1},', "line 1: the array does not end; the file is cut off"),
        (b"[", "line 1: the array does not end; the file is cut off"),
        (b'[{"a": 1}\n{"a": 2}]', "line 2: '{' stands where a comma"),
        (b'[{"a": 1},\n{"a" 2}, {"a": 3, "b": "and so on, for long"}]', "line 2: this is no JSON"),
        (b'[{"a": 1},]' + b" " * 20 + b"x", "line 1: this is no JSON"),
        (b'[{"a": 1}]\nx', "line 2: 'x' stands after the array's end"),
        (b'{"a": 1}', 'begins with { and is no array of objects; .* set format = "jsonl"'),
        (b"", "the file is empty"),
        (b"[1, 2]", "no row is a JSON object; the first begins with '1'"),
    ],
)
def test_an_array_whose_rest_cannot_be_trusted_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        array(data, "a")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1}\n{"a": "\xe9t\xe9"}', "line 2, byte 17: 0xE9 is not UTF-8"),
        (b'{"Sale_ID": 1}', "columns not in the file: a; the file has Sale_ID"),
        (
            b"<html>\n<body>Sign in</body>",
            "no row is a JSON object; .* '<html>'",
        ),
    ],
)
def test_lines_that_cannot_be_trusted_refuse_the_file(data: bytes, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        read(data, "a")


def test_a_name_that_only_looks_alike_is_told() -> None:
    with pytest.raises(ExportError, match=r"sale_id is like column 1, «Sale_ID» \(case\)"):
        read(b'{"Sale_ID": 1}', "sale_id")


def test_a_file_without_rows_is_no_mistake() -> None:
    assert read(b"\n \n", "a") == []


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_LONGEST_ROW", 100)
    with pytest.raises(ExportError, match=r'line 2: .* more than 100 .* format = "json"'):
        read(b'{"a": 1}\n' + b"[" + b'{"a": 2},' * 50, "a")
    monkeypatch.setattr(jsonl, "_BLOCK", 64)
    with pytest.raises(ExportError, match="line 1: an element has more than 100 characters"):
        array(b'[{"a": "' + b"x" * 500 + b'"}]', "a")


VALUES = st.none() | st.booleans() | st.text() | st.integers()


@given(
    rows=st.lists(st.fixed_dictionaries({"a": VALUES, "б": st.text()})),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
    block=st.integers(1, 40),
)
def test_what_was_written_comes_back(
    rows: list[dict[str, Any]], ascii_only: bool, indent: int | None, block: int
) -> None:
    expected = [tuple(_text(row[name]) for name in ("a", "б")) for row in rows]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jsonl, "_BLOCK", block)
        lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
        assert _values(read(lines.encode(), "a", "б")) == expected
        whole = json.dumps(rows, ensure_ascii=ascii_only, indent=indent)
        assert _values(array(whole.encode(), "a", "б")) == expected


def _values(rows: Iterable[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    return [(row["a"], row["б"]) for row in rows]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_keys_that_nothing_asks_for_are_told() -> None:
    stream = io.BytesIO(b'{"a": 1, "b": 2}\n{"c": 3, "b": 4}\n')
    assert unmapped_of(jsonl.read(stream, "sales.jsonl", source_of("a"))) == ["b", "c"]


@pytest.mark.parametrize("block", range(9, 19))
def test_an_element_is_whole_wherever_a_block_ends(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK", block)
    first, second = array(b'[{"a": 1}, 1234567]', "a")
    assert (first["a"], second["raw"]) == ("1", "1234567")
