"""A text, cut into blocks of whole records; what has no sound quotes is taken out on the way.

What is done about a quote that does not end as it should (nothing is guessed beyond this):

* its field ends on the line, and then something else than a delimiter follows: `stray_quote`;
* it ends on a later line in the same way, or nowhere within `LONGEST` bytes: `unclosed_quote`;
* it ends well on a later line, but its own line has all fields but one if the quote is a letter,
  and most lines down to the end look like rows of their own (`RowShape`): `unclosed_quote`.
  A file of one or two columns does not tell so much.

Then the record is rejected up to the end of the line with that quote, and the next line is read
as if nothing had been. So a quoted field is read over many lines, unless these are themselves a
table with the file's columns.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vitrina.errors import ExportError
from vitrina.exports.readers.decoding import line_ends
from vitrina.exports.readers.dialect import Dialect
from vitrina.rules import RowRule

LONGEST = 16 * 2**20
"""Bytes that one record may have."""

_LINE_END = re.compile(rb"\r\n?|\n")


@dataclass(frozen=True)
class Broken:
    """Lines that are no record."""

    line: int
    reason: RowRule
    raw: bytes


@dataclass(frozen=True)
class Block:
    """Whole records, each with its line end; lines that were taken out are empty rows."""

    text: bytes
    first_line: int
    lines: int
    spans: tuple[tuple[int, int], ...] = ()
    """Where in `text` the quoted fields begin and end that have line ends within."""
    broken: tuple[Broken, ...] = ()
    is_unended: bool = False
    """Whether the last line had no line end in the file."""


@dataclass(frozen=True)
class RowShape:
    """What the lines of a file look like that hold one row each."""

    dialect: Dialect
    width: int
    with_digits: frozenset[int]
    """The columns that have a digit in nearly every row, such as days and amounts."""

    @classmethod
    def of(cls, dialect: Dialect, width: int, sample: Iterable[bytes]) -> "RowShape":
        """The shape of the lines in a sample that have this many fields."""
        rows = [row for line in sample if len(row := _fields(dialect, line)) == width]
        often = frozenset(
            column
            for column in range(width)
            if (values := [row[column] for row in rows if row[column]])
            and sum(map(_has_digit, values)) >= 0.9 * len(values)
        )
        return cls(dialect, width, often)

    def fits(self, line: bytes) -> bool:
        """Whether a line looks like a row; none does in a file without digits."""
        row = _fields(self.dialect, line)
        return (
            len(row) == self.width
            and any(_has_digit(row[column]) for column in self.with_digits)
            and all(not row[column] or _has_digit(row[column]) for column in self.with_digits)
        )


def blocks(
    text: Iterable[bytes], file: str, line: int, dialect: Dialect, shape: RowShape
) -> Iterator[Block]:
    """The blocks of a text whose first line is this one, in order.

    Raises:
        ExportError: a record without quotes is longer than `LONGEST` bytes.
    """
    held = b""
    for chunk in text:
        held += chunk
        block, used = _Scan(held, False, dialect, shape, line).block()
        held = held[used:]
        if block.lines:
            line += block.lines
            yield block
        if len(held) > LONGEST:
            raise ExportError(
                f"{file}: line {line} is longer than {LONGEST:,} bytes; is this a table?"
            )
    if held:
        is_unended = not held.endswith((b"\n", b"\r"))
        whole = held + b"\n" if is_unended else held
        yield _Scan(whole, is_unended, dialect, shape, line, at_end=True).block()[0]


class _Scan:
    """One way through a text for its quotes."""

    def __init__(
        self,
        text: bytes,
        is_unended: bool,
        dialect: Dialect,
        shape: RowShape,
        line: int,
        at_end: bool = False,
    ) -> None:
        self._text = text
        self._is_unended = is_unended
        self._dialect = dialect
        self._shape = shape
        self._line = line
        self._at_end = at_end
        self._record = 0  # where the current record begins
        self._kept: list[bytes] = []  # what stays of the text before `_kept_until`
        self._kept_until = 0
        self._shift = 0  # by how much shorter that is
        self._spans: list[tuple[int, int]] = []
        self._broken: list[Broken] = []
        self._counted = 0  # up to where `_line` has counted

    def block(self) -> tuple[Block, int]:
        """The whole records, and where they end in the text."""
        first_line, place = self._line, 0
        while True:
            stop = self._dialect.sound_until(self._text, place)
            self._record = max(self._record, self._last_end(place, stop))
            if stop == len(self._text):
                break
            after = self._after_quote(stop)
            if after is None:
                break
            place = after
        end = self._record
        spans = tuple(span for span in self._spans if span[0] < end - self._shift)
        text = self._text[self._kept_until : end]
        if self._kept:
            text = b"".join((*self._kept, text))
        lines = self._line_of(end) - first_line
        block = Block(text, first_line, lines, spans, tuple(self._broken), self._is_unended)
        return block, end

    def _after_quote(self, quote: int) -> int | None:
        """Where to go on after a quoted field that does not end on its line, or not well.

        None if it takes more text to tell.
        """
        may_wait = not self._at_end and len(self._text) - self._record < LONGEST
        next_line = self._next_line(quote)
        end = self._dialect.quoted_until(self._text, quote)
        if next_line is None or ((end is None or end == len(self._text)) and may_wait):
            return None
        if end is None or end == len(self._text):
            is_last = self._is_unended and next_line == len(self._text)
            return self._take_out(
                next_line, RowRule.line_cut_off if is_last else RowRule.unclosed_quote
            )
        if not self._dialect.ends_field(self._text[end]):
            return self._take_out(
                next_line, RowRule.stray_quote if end < next_line else RowRule.unclosed_quote
            )
        last_line = self._next_line(end)
        if last_line is None and may_wait:
            return None
        if self._swallows_rows(quote, next_line, end, last_line or len(self._text)):
            return self._take_out(next_line, RowRule.unclosed_quote)
        self._spans.append((quote - self._shift, end - self._shift))
        return end

    def _swallows_rows(self, quote: int, next_line: int, end: int, last_line: int) -> bool:
        """Whether most lines of a field over many lines are rows, and so is its first."""
        # The damage may have cost a delimiter.
        delimiter, least = self._dialect.delimiter.encode(), self._shape.width - 1
        if least < 2 or self._text.count(delimiter, quote, end) < least - 1:
            return False
        before = len(_fields(self._dialect, self._text[self._record : quote]))
        if before + self._text.count(delimiter, quote, next_line) < least:
            return False
        later = [line for line in self._text[next_line:last_line].splitlines() if line.strip()]
        return 2 * sum(map(self._shape.fits, later)) > len(later)

    def _take_out(self, end: int, reason: RowRule) -> int:
        """Replace the record, up to here, by rows without a value."""
        start = self._record
        raw = self._text[start:end]
        self._broken.append(Broken(self._line_of(start), reason, raw))
        # Not only a line end: after a CR, it would be part of that one.
        empty = self._dialect.quote * 2 + self._dialect.delimiter * (self._shape.width - 1) + "\n"
        blank = empty.encode() * (self._line_of(end) - self._broken[-1].line)
        self._kept += (self._text[self._kept_until : start], blank)
        self._spans = [span for span in self._spans if span[0] < start - self._shift]
        self._shift += len(raw) - len(blank)
        self._kept_until = self._record = end
        return end

    def _line_of(self, place: int) -> int:
        """The line of the record that begins here; places only grow."""
        self._line += line_ends(self._text, self._counted, place)
        self._counted = place
        return self._line

    def _last_end(self, start: int, stop: int) -> int:
        """Where the last line end in this part ends; 0 if it has none."""
        return max(self._text.rfind(b"\n", start, stop), self._text.rfind(b"\r", start, stop)) + 1

    def _next_line(self, start: int) -> int | None:
        """Where the line after this place begins."""
        found = _LINE_END.search(self._text, start)
        return found.end() if found else None


def _fields(dialect: Dialect, line: bytes) -> list[str]:
    return dialect.fields(line.decode().rstrip("\r\n"))


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))
