"""How a record is written: RFC 4180, with any delimiter and quote, and quotes within a text.

A quoted field ends at the first quote that is not doubled; nothing else escapes. In a field that
does not begin with a quote, a quote is a letter: `Monitor 24" LED`.

A group is nowhere repeated possessively: Python before 3.11.5 matches that wrongly, or without end
(python/cpython#106052). Instead, what follows a quoted field says that it has ended.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Dialect:
    """Characters of ASCII; `quote` may be empty, and then a quote is a letter everywhere."""

    delimiter: str
    quote: str

    def sound_until(self, text: bytes, start: int) -> int:
        """Where the first quoted field begins that does not end on its line, or not well.

        The length of the text if there is none. `start` is outside any quoted field.
        """
        if not self.quote or self.quote.encode() not in text:
            return len(text)
        # In most files no quote is doubled, and the look at the bytes is a fraction of the time.
        start = start or self._plain_until(text)
        # A repetition remembers every round, so that the rounds of one match are bounded.
        while (found := self._sound.match(text, start)) and found.end() > start:
            start = found.end()
        return start

    def quoted_until(self, text: bytes, start: int) -> int | None:
        """Where a quoted field that begins at `start` ends; None if it does not."""
        found = self._quoted.match(text, start)
        return found.end() if found else None

    def ends_field(self, byte: int) -> bool:
        """Whether a field ends before this byte."""
        return byte in self.delimiter.encode() + b"\r\n"

    def fields(self, record: str) -> list[str]:
        """The fields of one record, without its line end.

        >>> Dialect(",", '"').fields('1,"a ""b"", c",24",')
        ['1', 'a "b", c', '24"', '']
        """
        if not self.quote or self.quote not in record:
            return record.split(self.delimiter)
        found = []
        for field in self._field.finditer(record):
            quoted, plain = field.groups()
            found.append(plain if quoted is None else quoted.replace(self.quote * 2, self.quote))
        return found

    def record_until(self, text: str, start: int) -> int:
        """Where the record that begins at `start` ends; the end of its line if it is not sound."""
        found = self._record.match(text, start) or _LINE.match(text, start)
        return found.end() if found else start

    def _plain_until(self, text: bytes) -> int:
        """Where the last line ends, if up to there all quotes stand at the ends of a field.

        0 if some do not, or such a field does not end on its line.
        """
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        data = np.frombuffer(text, np.uint8)[:end]
        quotes = np.flatnonzero(data == ord(self.quote))
        ends_line = (data == _LF) | (data == _CR)
        if (np.searchsorted(quotes, np.flatnonzero(ends_line)) % 2).any():
            return 0
        is_edge = ends_line | (data == ord(self.delimiter))
        first, last = quotes[::2], quotes[1::2]
        before = first[first > 0] - 1
        return end if is_edge[before].all() and is_edge[last + 1].all() else 0

    @cached_property
    def _sound(self) -> re.Pattern[bytes]:
        delimiter, quote = re.escape(self.delimiter.encode()), re.escape(self.quote.encode())
        return re.compile(
            rb"""[^Q]*+(?:(?:
                (?<![^D\r\n])Q[^Q\r\n]*+(?:QQ[^Q\r\n]*+)*Q(?=[D\r\n])  # a quoted field
                |(?<=[^D\r\n])Q                                        # a quote that is a letter
            )[^Q]*+){0,1000}""".replace(b"Q", quote).replace(b"D", delimiter),
            re.VERBOSE,
        )

    @cached_property
    def _quoted(self) -> re.Pattern[bytes]:
        quote = re.escape(self.quote.encode())
        return re.compile(rb"Q[^Q]*+(?:QQ[^Q]*+)*Q(?!Q)".replace(b"Q", quote))

    @cached_property
    def _field(self) -> re.Pattern[str]:
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        return re.compile(
            r"(?:^|D)(?:Q([^Q]*+(?:QQ[^Q]*+)*)Q(?=D|\Z)|([^D]*+))".replace("Q", quote).replace(
                "D", delimiter
            )
        )

    @cached_property
    def _record(self) -> re.Pattern[str]:
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        if not quote:
            return _LINE
        field = r"(?:Q[^Q]*+(?:QQ[^Q]*+)*Q(?=[D\r\n]|\Z)|(?!Q)[^D\r\n]*+)"
        return re.compile(
            rf"{field}(?:D{field})*(?=[\r\n]|\Z)".replace("Q", quote).replace("D", delimiter)
        )


_LF, _CR = b"\n\r"
_LINE = re.compile(r"[^\r\n]*+")
