"""Where a table begins: its header, with a title above it or a line for a spreadsheet."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vitrina.errors import ExportError
from vitrina.exports.header import alike, listed, positions
from vitrina.exports.readers.decoding import BOM
from vitrina.exports.readers.dialect import Dialect

SEARCHED = 100
"""Lines with text, or rows of a sheet with a value, among which the header has to be."""

_ENCODINGS = ("utf-8", "cp1251", "cp866", "cp437", "cp1252", "koi8-r", "utf-16")
_DELIMITERS = (",", ";", "\t", "|")
_LINE_END = re.compile(r"\r\n?|\n")
_SEPARATOR = re.compile(r'"?sep=([\x01-\x7f])"?[\t,;]*', re.IGNORECASE)
_PAGES = {
    "<": "a web page, such as one to sign in at",
    "PK\x03\x04": "a workbook or a zip archive",
    "%PDF": "a PDF",
    "PAR1": "a Parquet file",
    "{": "JSON",
    "[": "JSON",
}


@dataclass(frozen=True)
class Heading:
    """The header, and what follows from the lines above it."""

    names: tuple[str, ...]
    positions: dict[str, int]
    """Of each column that is wanted, from 0."""
    dialect: Dialect
    end: int
    """Where the text goes on below it, in bytes."""
    next_line: int


def find_heading(
    text: bytes, raw: bytes, file: str, dialect: Dialect, wanted: Sequence[str]
) -> Heading:
    """The header: the first line of the text that has all names that are wanted.

    `raw` is the beginning of the file as it came.

    Raises:
        ExportError: no line among the first `SEARCHED` has them all, or one of them twice; says
            what the file has, and what the file may be.
    """
    start = text.decode(errors="ignore")
    delimiter = named_delimiter(start[: _end_of_line(start, 0)].rstrip("\r\n"))
    if delimiter:
        dialect = replace(dialect, delimiter=delimiter)
    best: list[str] = []
    for record in _records(start, dialect):
        if set(wanted) <= set(record.names):
            return Heading(
                tuple(record.names),
                positions(file, record.names, wanted),
                dialect,
                len(start[: record.end].encode()),
                record.next_line,
            )
        best = max(best or record.names, record.names, key=lambda names: _likeness(names, wanted))
    raise ExportError(_refusal(file, best, raw, dialect, wanted))


def named_delimiter(line: str) -> str | None:
    """The delimiter, if the line is one that tells it to a spreadsheet.

    >>> named_delimiter("sep=;")
    ';'
    """
    found = _SEPARATOR.fullmatch(line)
    return found and found[1]


def hint(raw: bytes, dialect: Dialect, wanted: Sequence[str]) -> str:
    """What else the declared encoding or delimiter could be, so that the header is found."""
    encodings = [each for each in _ENCODINGS if _has_header(raw, each, dialect, wanted)]
    if encodings:
        return f"they are there if csv.encoding is {' or '.join(encodings)}"
    delimiters = {
        "\\t" if each == "\t" else each: None
        for each in _DELIMITERS
        for encoding in _ENCODINGS
        if _has_header(raw, encoding, replace(dialect, delimiter=each), wanted)
    }
    if delimiters:
        told = " or ".join(f'"{each}"' for each in delimiters)
        return f"they are there if csv.delimiter is {told}"
    return ""


def looks_like(raw: bytes) -> str:
    """What a file without a header may be, by its first bytes; empty if that is not known."""
    start = raw[:1024].decode("latin-1").removeprefix("\xef\xbb\xbf").lstrip()
    return next((page for mark, page in _PAGES.items() if start.startswith(mark)), "")


@dataclass(frozen=True)
class _Record:
    names: list[str]
    end: int
    next_line: int


def _records(text: str, dialect: Dialect) -> Iterator[_Record]:
    """The records that begin on the first lines with any text."""
    place, line, found = 0, 1, 0
    while place < len(text) and found < SEARCHED:
        next_place = _end_of_line(text, place)
        if text[place:next_place].strip():
            found += 1
            end = _end_of_line(text, dialect.record_until(text, place))
            record = text[place:end].rstrip("\r\n")
            lines = len(_LINE_END.findall(text, place, end))
            yield _Record(dialect.fields(record.removeprefix(BOM)), end, line + lines)
        place, line = next_place, line + 1


def _end_of_line(text: str, start: int) -> int:
    """Where the next line begins."""
    found = _LINE_END.search(text, start)
    return found.end() if found else len(text)


def _likeness(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, int]:
    """How many of the names wanted are there, and how many at least look like one of these."""
    keys = {alike(name) for name in names}
    return len(set(names) & set(wanted)), sum(alike(name) in keys for name in wanted)


def _refusal(
    file: str, best: list[str], raw: bytes, dialect: Dialect, wanted: Sequence[str]
) -> str:
    """What to say of a file without the header."""
    if not best:
        return f"{file}: the file has no header: it has no text"
    kind = looks_like(raw)
    if kind:
        return f"{file}: this is {kind}, not separated values; it begins with {listed(best[:3])}"
    try:
        positions(file, best, wanted)
        told = f"{file}: mapped columns not in the file"
    except ExportError as error:
        told = str(error)
    if any(_likeness(best, wanted)):
        return told
    more = hint(raw, dialect, wanted)
    return f"{told}; {more or f'looked at the first {SEARCHED} lines'}"


def _has_header(raw: bytes, encoding: str, dialect: Dialect, wanted: Sequence[str]) -> bool:
    """Whether the header is found in the beginning of the file, decoded so."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(raw).removeprefix(BOM)
    except UnicodeError:
        return False
    return any(set(wanted) <= set(record.names) for record in _records(text, dialect))
