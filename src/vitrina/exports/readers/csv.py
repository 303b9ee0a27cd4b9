"""Separated values: blocks of whole records, parsed by pyarrow on all cores, in order.

    bytes ─► Text ─► header ─► blocks ─► rows ─► `Piece`s
             strict            quotes    widths

Every line below the header is part of exactly one row, except blank ones, those whose cells are
all empty, and the foot of a report: where totals are declared, the last lines of the file, all
below the last total, of which none has two cells with a value. A sale has more than one.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from os import cpu_count
from typing import BinaryIO

from vitrina.errors import ExportError
from vitrina.exports.feed import Piece
from vitrina.exports.header import unmapped
from vitrina.exports.readers.blocks import Block, RowShape, blocks
from vitrina.exports.readers.decoding import Text
from vitrina.exports.readers.dialect import Dialect
from vitrina.exports.readers.heading import find_heading, hint, looks_like
from vitrina.exports.readers.rows import FOOT, Parsed, Table, parse, sliced
from vitrina.exports.source import Source


def read(stream: BinaryIO, file: str, source: Source) -> Iterator[Piece]:
    """The rows of a file, in its order, in pieces of some megabytes.

    Line ends are LF, CR LF and CR, mixed as they come. The file's title above the header, a line
    `sep=;` and a byte order mark are passed over; that line overrules the delimiter declared.

    Raises:
        ExportError: bytes are not of the encoding, a mapped column is not there or not once, the
            header comes again with other columns, or a line is longer than `blocks.LONGEST`.
    """
    declared = Dialect(source.csv.delimiter, source.csv.quote)
    if not f"{declared.delimiter}{declared.quote}".isascii():
        raise ExportError(f"{file}: csv.delimiter and csv.quote have to be characters of ASCII")
    text = Text(stream, file, source.csv.encoding)
    chunks = iter(text)
    try:
        top = next(chunks, b"")
    except ExportError as error:
        raise ExportError(f"{error}{_told(text.head, declared, source.columns)}") from None
    heading = find_heading(top, text.head, file, declared, source.columns)
    below = top[heading.end :]
    shape = RowShape.of(heading.dialect, len(heading.names), _sample(below))
    table = Table(file, heading, source.columns, source.totals)
    others = tuple(unmapped(heading.names, source.columns))
    cut = blocks(chain([below], chunks), file, heading.next_line, heading.dialect, shape)
    with ThreadPoolExecutor(_CORES) as cores:
        parsed = ((block, table, block.is_unended and text.cut_off) for block in cut)
        for piece in _without_foot(_in_order(cores, parsed)):
            yield replace(piece, unmapped=others)


def _told(raw: bytes, declared: Dialect, wanted: Sequence[str]) -> str:
    """What to add of a file whose first bytes are not of the encoding."""
    kind = looks_like(raw)
    if kind:
        return f"; this is {kind}"
    more = hint(raw, declared, wanted)
    return f"; of the mapped columns: {more}" if more else ""


_CORES = cpu_count() or 1
_SAMPLED = 2**16
"""Bytes below the header by which rows are known."""


def _sample(text: bytes) -> list[bytes]:
    """The first whole lines."""
    lines = text[:_SAMPLED].splitlines()
    return lines[:-1] if len(text) > _SAMPLED else lines


def _in_order(
    cores: ThreadPoolExecutor, tasks: Iterable[tuple[Block, Table, bool]]
) -> Iterator[Parsed]:
    """The blocks parsed: several at once, few ahead."""
    waiting: deque[Future[Parsed]] = deque()
    for task in tasks:
        waiting.append(cores.submit(parse, *task))
        if len(waiting) > _CORES:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _without_foot(parsed: Iterable[Parsed]) -> Iterator[Piece]:
    """The pieces, less the foot of a report; what only looks like it is given when that is seen."""
    held: list[Piece] = []
    after_total = False
    for each in parsed:
        after_total |= each.has_total
        rows = len(each.piece.lines)
        foot = each.foot if after_total else 0
        if foot < rows or _rows(held) > FOOT:
            yield from held
            held = []
        if foot < rows:
            yield sliced(each.piece, 0, rows - foot)
        if foot:
            held.append(sliced(each.piece, rows - foot, foot))
    if _rows(held) > FOOT:
        yield from held


def _rows(pieces: Iterable[Piece]) -> int:
    return sum(len(piece.lines) for piece in pieces)
