"""The rows of a block: parsed by pyarrow, each with its line, and what is wrong with the odd ones.

A row is never shifted: one with a field too few or too many is rejected, or repaired if the field
too many is a last one without a value.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from vitrina.errors import ExportError
from vitrina.exports.feed import Piece
from vitrina.exports.header import listed
from vitrina.exports.readers.blocks import Block
from vitrina.exports.readers.decoding import BOM
from vitrina.exports.readers.heading import Heading, named_delimiter
from vitrina.rules import RowRepair, RowRule, wrong_width

REPEATED_HEADER, TOTAL_ROW = "repeated header", "total row"

FOOT = 100
"""Lines that the foot of a report may have."""


@dataclass(frozen=True)
class Table:
    """What a file of separated values has that its rows are read by."""

    file: str
    heading: Heading
    wanted: tuple[str, ...]
    totals: tuple[str, ...]


@dataclass(frozen=True)
class Parsed:
    """The rows of one block."""

    piece: Piece
    has_total: bool
    foot: int
    """How many of the last rows may be the foot of a report: they have fewer than two values."""


def parse(block: Block, table: Table, is_cut_off: bool) -> Parsed:
    """The rows of a block; the last of them is cut off within a character, or not.

    Raises:
        ExportError: the header comes again with its columns in another order.
    """
    return _Parser(block, table, is_cut_off).parsed()


@dataclass(frozen=True)
class _Odd:
    """A row that pyarrow does not give, or that is not what it gives."""

    line: int
    fields: Sequence[str] | None = None
    problem: str | None = None
    repaired: str | None = None
    set_aside: str | None = None
    raw: str | None = None


def sliced(piece: Piece, start: int, length: int) -> Piece:
    """Some rows of a piece."""
    given = {
        name: value.slice(start, length)
        for name in ("problems", "repaired", "set_aside", "raw")
        if (value := getattr(piece, name)) is not None
    }
    columns = {name: column.slice(start, length) for name, column in piece.columns.items()}
    return replace(piece, columns=columns, lines=piece.lines.slice(start, length), **given)


class _Parser:
    def __init__(self, block: Block, table: Table, is_cut_off: bool) -> None:
        self._block = block
        self._table = table
        self._dialect = table.heading.dialect
        self._width = len(table.heading.names)
        self._is_cut_off = is_cut_off
        self._invalid: list[pyarrow.csv.InvalidRow] = []
        self._is_trailing = self._first_trails()
        """Whether pyarrow is told of one more column, without a value, as in the first row."""
        self._values = self._read()
        self._rows = self._values.num_rows + len(self._invalid)
        if self._has_row_per_line:
            return
        if len(self._starts) != self._rows:
            last = block.first_line + block.lines - 1
            raise ExportError(
                f"{table.file}: the rows of lines {block.first_line} to {last} cannot be told "
                "apart; check the quotes there"
            )

    def parsed(self) -> Parsed:
        marks = dict(self._marked())
        odd = self._odd(marks)
        foot = self._foot(odd) if self._table.totals else 0
        return Parsed(self._piece(odd), TOTAL_ROW in marks.values(), foot)

    def _odd(self, marks: dict[int, str]) -> dict[int, _Odd | None]:
        """The rows that are not as pyarrow gives them, by their place; None for no row."""
        odd: dict[int, _Odd | None] = {
            place: _Odd(self._line(place), self._fields(place), set_aside=why)
            for place, why in marks.items()
        }
        for row in self._invalid:
            odd[row.number - 1] = self._ragged(row.number - 1, row.actual_columns, marks)
        if self._is_trailing:
            too_wide = self._values.column(-1).is_valid().to_numpy()
            for place in map(int, self._places_of_values[too_wide]):
                odd[place] = self._ragged(place, self._width + 1, marks)
        odd.update((place, None) for place in self._empty() if place not in odd)
        last = self._rows - 1
        if self._is_cut_off and self._rows:
            odd[last] = _Odd(self._line(last), problem=RowRule.line_cut_off, raw=self._raw(last))
        return odd

    def _first_trails(self) -> bool:
        """Whether the first line has a delimiter at its end; then most of a file have.

        It decides how fast the rows are read, and not what comes of them.
        """
        line = self._block.text[: self._block.text.find(b"\n") + 1].decode()
        fields = self._dialect.fields(line.rstrip("\r\n"))
        return len(fields) == self._width + 1 and not fields[-1]

    def _read(self) -> pa.Table:
        """What pyarrow makes of the block; rows of another width go to `_invalid`.

        Of the wanted columns and, where rows trail, of the one behind the last.
        """

        def note(row: pyarrow.csv.InvalidRow) -> str:
            self._invalid.append(row)
            return "skip"

        names = [str(place) for place in range(self._width + self._is_trailing)]
        taken = [str(place) for place in self._table.heading.positions.values()]
        taken += [str(self._width)] * self._is_trailing
        text = self._block.text
        if text.startswith(BOM.encode()):
            text = b"\n" + text  # or else it would be left out; the blank line is
        quote = self._dialect.quote
        return pyarrow.csv.read_csv(
            pa.BufferReader(text),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(text) + 1, column_names=names
            ),
            pyarrow.csv.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=quote or False,
                double_quote=bool(quote),
                newlines_in_values=bool(self._block.spans),
                invalid_row_handler=note,
            ),
            pyarrow.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(taken, pa.string()),
                include_columns=taken,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _marked(self) -> Iterator[tuple[int, str]]:
        """The rows that are totals or the header again, by their place."""
        for total in self._table.totals:
            for place in self._places_of(total):
                if self._fields(place)[0].lstrip().startswith(total):
                    yield place, TOTAL_ROW
        if not self._table.wanted:
            return
        heading = self._table.heading
        for place in self._places_of(max(self._table.wanted, key=len)):
            fields = tuple(self._fields(place))
            if fields in (heading.names, (*heading.names, "")):
                yield place, REPEATED_HEADER
            elif set(self._table.wanted) <= set(fields):
                raise ExportError(
                    f"{self._table.file}: line {self._line(place)} is a header with other columns "
                    f"than the first, {listed(fields)}; make two files of it, cut there"
                )

    def _places_of(self, mark: str) -> Iterable[int]:
        """The rows in whose text this stands, by their place."""
        parts = mark.split(self._dialect.quote) if self._dialect.quote else [mark]
        part = max(parts, key=len).encode()
        text, places = self._block.text, {}
        found = text.find(part)
        while found >= 0:
            place = int(np.searchsorted(self._starts, found, "right")) - 1
            end = self._end(place)
            if found < end and place >= 0:
                places[place] = True
            found = text.find(part, max(end, found + 1))
        return places

    def _empty(self) -> Iterator[int]:
        """The rows whose cells are all empty, by their place."""
        columns = self._values.columns
        if not columns or not all(column.null_count for column in columns):
            return
        nothing = np.ones(self._values.num_rows, bool)
        for column in columns:
            nothing &= column.is_null().to_numpy()
        places = self._places_of_values[nothing]
        yield from (int(place) for place in places if not any(self._fields(int(place))))

    def _ragged(self, place: int, found: int, marks: dict[int, str]) -> _Odd | None:
        """A row of another width than the others; None if it is none."""
        line, raw, fields = self._line(place), self._raw(place), self._fields(place)
        mark = marks.get(place)
        if named_delimiter(raw.removeprefix(BOM)):
            mark = REPEATED_HEADER
        if mark is not None:
            return _Odd(line, set_aside=mark, raw=raw)
        if found == self._width:
            fields = self._dialect.fields(raw)
            return _Odd(line, fields) if any(fields) else None
        if not _values(fields):
            return None
        if found == self._width + 1 and not fields[-1]:
            return _Odd(line, fields, repaired=RowRepair.trailing_delimiter)
        is_last = self._block.is_unended and place == self._rows - 1
        cut_off = is_last and found < self._width
        problem = RowRule.line_cut_off if cut_off else wrong_width(found, self._width)
        return _Odd(line, problem=problem, raw=raw)

    def _foot(self, odd: dict[int, _Odd | None]) -> int:
        """How many of the last rows have fewer than two values."""
        foot, broken = 0, max((each.line for each in self._block.broken), default=0)
        for place in range(self._rows - 1, -1, -1):
            found = odd.get(place)
            if place in odd and found is None:
                continue
            is_whole = found is None or (
                found.set_aside is None and found.problem != RowRule.line_cut_off
            )
            if not is_whole or self._line(place) < broken or _values(self._fields(place)) > 1:
                break
            foot += 1
        return foot

    def _piece(self, odd: dict[int, _Odd | None]) -> Piece:
        """The rows in their order."""
        names = self._table.wanted
        columns = [_whole(column) for column in self._values.columns[: len(names)]]
        lines = _int64s(self._lines[self._places_of_values])
        rows = [each for each in odd.values() if each is not None]
        rows += (
            _Odd(each.line, problem=each.reason, raw=each.raw.decode().rstrip("\r\n"))
            for each in self._block.broken
        )
        if odd:
            is_plain = np.ones(self._rows, bool)
            is_plain[list(odd)] = False
            plain = _int64s(np.flatnonzero(is_plain[self._places_of_values]))
            columns, lines = [column.take(plain) for column in columns], lines.take(plain)
        repaired = pa.nulls(len(lines), _TEXTS)
        if self._is_trailing and len(lines) > 0:  # Arrow repeats no list 0 times
            repaired = pa.repeat(pa.scalar([RowRepair.trailing_delimiter], _TEXTS), len(lines))
        if not rows:
            return Piece(
                dict(zip(names, columns, strict=True)),
                lines,
                repaired=repaired if self._is_trailing else None,
            )
        lines = pa.concat_arrays([lines, pa.array([row.line for row in rows], pa.int64())])
        order = _int64s(np.argsort(lines.to_numpy(), kind="stable"))

        def placed(column: pa.Array, odd_values: list[object]) -> pa.Array:
            return pa.concat_arrays([column, pa.array(odd_values, column.type)]).take(order)

        def noted(values: list[object], type_: pa.DataType) -> pa.Array:
            return placed(pa.nulls(len(lines) - len(rows), type_), values)

        places = self._table.heading.positions
        return Piece(
            {
                name: placed(
                    column,
                    [row.fields[places[name]] or None if row.fields else None for row in rows],
                )
                for name, column in zip(names, columns, strict=True)
            },
            lines.take(order),
            problems=noted([row.problem and [row.problem] for row in rows], _TEXTS),
            repaired=placed(repaired, [row.repaired and [row.repaired] for row in rows]),
            set_aside=noted([row.set_aside for row in rows], pa.string()),
            raw=noted([row.raw for row in rows], pa.string()),
        )

    @property
    def _has_row_per_line(self) -> bool:
        return bool(self._rows == self._block.lines)

    @cached_property
    def _lines(self) -> npt.NDArray[np.int64]:
        """The line of each row, of another width as well."""
        if self._has_row_per_line:
            first = self._block.first_line
            return np.arange(first, first + self._rows, dtype=np.int64)
        return self._begins[1]

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each row begins in the text."""
        return self._begins[0]

    @cached_property
    def _begins(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where each row begins in the text, and on which line."""
        data = np.frombuffer(self._block.text, np.uint8)
        ends = data == _LF
        returns = data == _CR
        returns[:-1] &= ~ends[1:]
        starts = np.concatenate(([0], np.flatnonzero(ends | returns)[:-1] + 1)).astype(np.int64)
        is_row = (data[starts] != _LF) & (data[starts] != _CR)
        if self._block.spans:
            begins, span_ends = np.array(self._block.spans).T
            span = np.searchsorted(begins, starts, "left") - 1
            is_row &= (span < 0) | (starts >= span_ends[span])
        lines = np.flatnonzero(is_row) + self._block.first_line
        return starts[is_row], lines.astype(np.int64)

    @cached_property
    def _places_of_values(self) -> npt.NDArray[np.int64]:
        """The place among all rows of each that pyarrow gives."""
        places = np.arange(self._rows, dtype=np.int64)
        if not self._invalid:
            return places
        return np.delete(places, [row.number - 1 for row in self._invalid])

    def _line(self, place: int) -> int:
        return int(self._lines[place])

    def _end(self, place: int) -> int:
        """Where the text of a row ends; blank lines below it belong to it here."""
        return int(self._starts[place + 1]) if place + 1 < self._rows else len(self._block.text)

    def _raw(self, place: int) -> str:
        """The text of a row."""
        return self._block.text[self._starts[place] : self._end(place)].decode().rstrip("\r\n")

    def _fields(self, place: int) -> list[str]:
        """Its fields, all of them; a byte order mark in front of them left out."""
        return self._dialect.fields(self._raw(place).removeprefix(BOM))


_LF, _CR = b"\n\r"
_TEXTS = pa.list_(pa.string())


def _int64s(values: npt.NDArray[np.int64]) -> pa.Array:
    """An array of these; `pa.array` would import pandas for it, which takes a second."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; pyarrow parses a block at once, so that it is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _values(fields: Sequence[str]) -> int:
    """How many of them have a value."""
    return sum(1 for field in fields if field.strip())
