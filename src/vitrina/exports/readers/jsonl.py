"""JSON Lines, and a JSON array of objects: numbers by their text, never through a float.

An object is a row, and its keys are the columns. A row need not have every key, so the names
are judged by the first `_ROWS_THAT_TELL` rows: a mapped name that is in none of them refuses
the file.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.feed import Piece
from vitrina.exports.files import format_of
from vitrina.exports.readers.typed import plain
from vitrina.exports.source import Source
from vitrina.rules import RowRule

_BLOCK = 4 * 2**20
"""Bytes that are read at once; a piece has the rows that end in them."""
_LONGEST_ROW = 32 * 2**20
"""Characters of one row at most."""
_ROWS_THAT_TELL = 100_000
_MOST_NAMES = 1_000
"""Names that are kept to be shown."""


def read(stream: BinaryIO, file: str, source: Source) -> Iterator[Piece]:
    """The rows of a file: of an array if `source.format` or the file's name says `json`.

    A row that is no JSON, no object, or has a mapped key twice comes with the reason and its
    text. A broken element of an array refuses the file, since nothing tells where the next one
    begins; one that the end of the file cuts off is a row with a reason.

    Raises:
        ExportError: a byte is not UTF-8, a row is too long, a mapped name is in no row, or the
            file is something else than what was declared.
    """
    is_array = format_of(file, source.format) == "json"
    texts = _Texts(stream, file)
    names = _Names(file, source.columns)
    decoder = _Decoder(source.columns)
    for rows in _elements(texts, decoder) if is_array else _lines(texts, decoder):
        if rows:
            names.look_at(rows)
            yield replace(_piece(rows, source.columns), unmapped=names.unmapped)
    names.judge()


class _Row(NamedTuple):
    line: int
    value: Any
    """What JSON made of it; `_BROKEN` if nothing."""
    raw: str
    """Its text, unless it is an object of keys that occur once."""


_BROKEN = object()


# What JSON makes of a text

_Decode = Callable[[str, int], tuple[Any, int]]


class _Number(str):
    """The text of a number."""

    __slots__ = ()


class _Repeated(list[tuple[str, Any]]):
    """The keys and values of an object in which a key occurs twice."""


class _Decoder:
    """JSON by the letter of RFC 8259: no NaN, and no half of a surrogate pair."""

    def __init__(self, names: Iterable[str]) -> None:
        self._constants: list[str] = []
        self._keys = [json.dumps(name, ensure_ascii=False) for name in names]
        self._fast = self._decode(None)
        self._exact = self._decode(_object)

    def _decode(self, hook: Callable[[list[tuple[str, Any]]], Any] | None) -> _Decode:
        return json.JSONDecoder(
            object_pairs_hook=hook,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=self._constants.append,
        ).raw_decode

    def row(self, text: str, start: int, line: int) -> tuple[_Row, int]:
        """The row that begins at `start`, and where it ends.

        Raises:
            json.JSONDecodeError: there is no JSON.
            RecursionError: it is too deep.
        """
        self._constants.clear()
        value, end = self._fast(text, start)
        if self._constants:
            value = _BROKEN
        elif text.find("\\", start, end) >= 0:
            # Any letter may be written as an escape, of a key as well.
            value, _ = self._exact(text, start)
            value = value if _is_unicode(value) else _BROKEN
        elif any(text.count(key, start, end) > 1 for key in self._keys):
            value, _ = self._exact(text, start)
        return _Row(line, value, "" if type(value) is dict else text[start:end]), end


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeated(pairs)


def _is_unicode(value: Any) -> bool:
    try:
        _text(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> str:
    """A value as text; objects and lists as JSON, with numbers as they were written."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value)


def _json(value: Any) -> str:
    if isinstance(value, dict | _Repeated):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(f"{_json(key)}:{_json(each)}" for key, each in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return value if type(value) is _Number else json.dumps(value, ensure_ascii=False)


# Texts and rows


class _Texts:
    """The file's text, block by block, without a byte order mark; UTF-8 and nothing else."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self.file = file
        self._stream = stream
        self._offset = 0
        self._line = 1

    def __iter__(self) -> Iterator[str]:
        rest = b""
        while block := self._stream.read(_BLOCK):
            text, rest = self._decoded(rest + block, is_last=False)
            yield text
        if rest:
            self._decoded(rest, is_last=True)

    def _decoded(self, data: bytes, *, is_last: bool) -> tuple[str, bytes]:
        """The text of the bytes, and the bytes of a letter that is not whole yet."""
        try:
            text, used = codecs.utf_8_decode(data, "strict", is_last)
        except UnicodeDecodeError as error:
            line = self._line + data.count(b"\n", 0, error.start)
            raise ExportError(
                f"{self.file}, line {line}, byte {self._offset + error.start + 1}: "
                f"0x{data[error.start]:02X} is not UTF-8, as JSON always is; "
                "export the file again, or save it as UTF-8"
            ) from error
        is_first = self._offset == 0
        self._offset += used
        self._line += text.count("\n")
        return text.removeprefix("\ufeff") if is_first else text, data[used:]


def _lines(texts: _Texts, decoder: _Decoder) -> Iterator[list[_Row]]:
    """The rows of JSON Lines."""
    line = 1
    rest = ""
    for block in texts:
        *whole, rest = (rest + block).split("\n")
        yield [
            _line(decoder, text, number)
            for number, text in enumerate(whole, line)
            if text and not text.isspace()
        ]
        line += len(whole)
        if len(rest) > _LONGEST_ROW:
            raise ExportError(
                f"{texts.file}, line {line}: the line has more than {_LONGEST_ROW:,} characters; "
                'if the file is one array of objects, set format = "json" under source'
            )
    if rest and not rest.isspace():
        yield [_line(decoder, rest, line)]


def _line(decoder: _Decoder, text: str, line: int) -> _Row:
    text = text.strip(" \t\r")
    try:
        row, end = decoder.row(text, 0, line)
    except (json.JSONDecodeError, RecursionError):
        return _Row(line, _BROKEN, text)
    return row if end == len(text) else _Row(line, _BROKEN, text)


def _elements(texts: _Texts, decoder: _Decoder) -> Iterator[list[_Row]]:
    """The rows of an array of objects."""
    window = _Window(texts)
    if (first := window.peek()) != "[":
        if not first:
            raise ExportError(f"{texts.file}: the file is empty; an array without rows is []")
        raise ExportError(
            f"{texts.file} begins with {first} and is no array of objects; if each of its lines "
            'is an object, set format = "jsonl" under source'
        )
    window.advance(1)
    rows: list[_Row] = []
    is_more = window.peek() != "]"
    while is_more:
        row = window.element(decoder)
        rows.append(row)
        if window.is_at_end:
            yield rows
            return
        if window.blocks > 1:
            # The rows of one block are a piece.
            window.blocks = 1
            yield rows
            rows = []
        mark = window.peek()
        if mark not in (",", "]"):
            raise window.error(
                _CUT_OFF if not mark else f"{mark!r} stands where a comma or the array's end should"
            )
        is_more = mark == ","
        if is_more:
            window.advance(1)
            window.peek()
    window.advance(1)
    if after := window.peek():
        raise window.error(f"{after!r} stands after the array's end")
    yield rows


_CUT_OFF = "the array does not end; the file is cut off"
_SPACES = re.compile(r"[ \t\n\r]*")
_LONGEST_MARK = 16
"""More characters than a literal, a number's sign or an escape has, which a block may cut."""


class _Window:
    """The part of a file's text that is looked at."""

    def __init__(self, texts: _Texts) -> None:
        self.blocks = 0
        """How many were read; set back by who counts them."""
        self.is_at_end = False
        """Whether the file ended within an element."""
        self._file = texts.file
        self._texts = iter(texts)
        self._text = ""
        self._at = 0
        self._line = 1

    def peek(self) -> str:
        """Pass over spaces; the character behind them, or nothing at the end of the file."""
        while True:
            spaces = _SPACES.match(self._text, self._at)
            self.advance(spaces.end() - self._at if spaces else 0)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def advance(self, characters: int) -> None:
        end = self._at + characters
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def element(self, decoder: _Decoder) -> _Row:
        """The element that begins here.

        Raises:
            ExportError: it is broken, and not by the end of the file; or it is too long.
        """
        while True:
            try:
                row, end = decoder.row(self._text, self._at, self._line)
            except RecursionError:
                raise self.error("an element is too deep") from None
            except json.JSONDecodeError as error:
                is_cut = error.pos > len(self._text) - _LONGEST_MARK or "Unterminated" in error.msg
                if is_cut and self._more():
                    continue
                if self._at == len(self._text):
                    raise self.error(_CUT_OFF) from None
                if is_cut:
                    self.is_at_end = True
                    return _Row(self._line, _BROKEN, self._text[self._at :].rstrip())
                self.advance(error.pos - self._at)
                raise self.error(f"this is no JSON: {error.msg}") from None
            # A number at the end of a block may go on in the next.
            if end < len(self._text) or not self._more():
                self.advance(end - self._at)
                return row

    def error(self, what: str) -> ExportError:
        return ExportError(f"{self._file}, line {self._line}: {what}; export the file again")

    def _more(self) -> bool:
        """Read a block; whether there was one."""
        if len(self._text) - self._at > _LONGEST_ROW:
            raise self.error(f"an element has more than {_LONGEST_ROW:,} characters")
        block = next(self._texts, None)
        if block is None:
            return False
        self._text = self._text[self._at :] + block
        self._at = 0
        self.blocks += 1
        return True


# Names and pieces


class _Names:
    """Which names the rows have, as far as that decides whether the file is read."""

    def __init__(self, file: str, wanted: Sequence[str]) -> None:
        self._file = file
        self._wanted = wanted
        self._absent = set(wanted)
        self._seen: dict[str, None] = {}
        self._rows = 0
        self._first = ""

    def look_at(self, rows: Iterable[_Row]) -> None:
        is_first = not self._rows
        for row in rows:
            if not self._absent and not is_first:
                return
            self._first = self._first or row.raw
            self._rows += 1
            if isinstance(row.value, dict | _Repeated):
                keys = dict(row.value)
                self._absent.difference_update(keys)
                if len(self._seen) < _MOST_NAMES:
                    self._seen.update(dict.fromkeys(keys))
        if self._rows >= _ROWS_THAT_TELL:
            self.judge()

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Names that nobody wants, of those seen so far."""
        return tuple(header.unmapped(list(self._seen), self._wanted))

    def judge(self) -> None:
        """Refuse a file whose rows so far have not every wanted name.

        Raises:
            ExportError: see `header.positions`; or no row is an object.
        """
        if not self._absent or not self._rows:
            return
        if not self._seen:
            raise ExportError(
                f"{self._file}: no row is a JSON object; the first begins with {self._first[:60]!r}"
            )
        header.positions(self._file, list(self._seen), self._wanted)


def _piece(rows: Sequence[_Row], names: Sequence[str]) -> Piece:
    bad = {number: row for number, row in enumerate(rows) if type(row.value) is not dict}
    objects = [row.value for row in rows]
    reasons: dict[int, str] = {}
    for number, row in bad.items():
        objects[number], reason = _judged(row.value, names)
        if reason:
            reasons[number] = reason
    columns, typed = {}, {}
    for name in names:
        columns[name], is_typed = _column([each.get(name) for each in objects])
        if is_typed is not None:
            typed[name] = is_typed
    everywhere = range(len(rows))
    return Piece(
        columns,
        pa.array([row.line for row in rows], pa.int64()),
        typed,
        problems=pa.array(
            [[reasons[number]] if number in reasons else None for number in everywhere],
            pa.list_(pa.string()),
        )
        if reasons
        else None,
        raw=pa.array(
            [rows[number].raw if number in reasons else None for number in everywhere],
            pa.string(),
        )
        if reasons
        else None,
    )


def _judged(value: Any, names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """What a row that is no plain object gives, and why it is rejected, if it is."""
    if value is _BROKEN:
        return {}, RowRule.not_json
    if not isinstance(value, _Repeated):
        return {}, RowRule.not_an_object
    keys = [key for key, _ in value]
    is_repeated = any(keys.count(name) > 1 for name in names)
    return ({}, RowRule.key_repeated) if is_repeated else (dict(value), "")


def _column(values: list[Any]) -> tuple[pa.Array, pa.Array | None]:
    """The values as text, and which of them were no text; None: all were."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= {str, _Number}:
        text = pa.array([None if each is None else _text(each) for each in values], pa.string())
    else:
        text = pa.array(values, pa.string())
    if not kinds & {_Number, bool}:
        return text, None
    if kinds == {_Number}:
        typed = text.is_valid()
    else:
        typed = pa.array([type(each) in (_Number, bool) for each in values])
    return _without_exponents(text, typed), typed


def _without_exponents(text: pa.Array, typed: pa.Array) -> pa.Array:
    has_exponent = pc.and_(typed, pc.match_substring_regex(text, "[0-9][eE]")).fill_null(False)
    if not pc.any(has_exponent).as_py():
        return text
    numbers = [plain(number) for number in text.filter(has_exponent).to_pylist()]
    return pc.replace_with_mask(text, has_exponent, pa.array(numbers, pa.string()))
