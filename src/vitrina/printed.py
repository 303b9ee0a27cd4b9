"""What the commands print: on a terminal, into a pipe, a file or nothing, in any encoding.

Rows are printed a block at a time, however many there are.
"""

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from io import BufferedWriter, FileIO, TextIOWrapper
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, chop_cells
from rich.console import Console

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GAP = "   "
_INDENT = 2
_OF_STREAMS = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)

# Where a stream was closed before the program began, Python has none.
_IS_TERMINAL = sys.stdout is not None and sys.stdout.isatty()
# Lines are cut to the width of a terminal, and not at all for a pipe.
out = Console() if _IS_TERMINAL else Console(width=1000)
err = Console(stderr=True)


class _Heedless(FileIO):
    """A file that takes what the system does not."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Tell on a terminal what is being done, for as long as it takes."""
    with err.status(what):
        yield


def ready_streams() -> None:
    """Let there be a stdout and a stderr to write to; the one takes any character, the other all.

    A command does not fail because its progress can be told to nobody.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            # At its own number: else the next file that is opened would get it, and what a
            # library prints.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    real = sys.__stderr__
    if real is not None and sys.stderr is real:
        raw = BufferedWriter(_Heedless(2, "w", closefd=False))
        sys.stderr = TextIOWrapper(raw, real.encoding, "backslashreplace", line_buffering=True)


def drop_output() -> None:
    """Let the rest of stdout, which cannot be written, go nowhere: Python writes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lost(error: OSError) -> str:
    """What the system refused, in a line; stdout, or a file."""
    # The errors of files that are opened have a name; streams of the lake map their own.
    if error.filename is None and error.errno in _OF_STREAMS:
        drop_output()
        return f"the output cannot be written: {error.strerror}"
    place = "" if error.filename is None else f"{error.filename}: "
    return f"{place}{error.strerror or error}"


def json_text(value: Any, indented: int | None = _INDENT) -> str:
    """JSON; exact decimals and dates as text. Where stdout has few characters, as numbers."""
    return json.dumps(value, ensure_ascii=not _has_all(), indent=indented, default=_text)


def print_json(value: Any) -> None:
    sys.stdout.write(json_text(value) + "\n")


def print_json_rows(names: Sequence[str], blocks: Iterable[Sequence[Sequence[Any]]]) -> None:
    """A list with an object for each row."""
    separator = "[\n"
    for block in blocks:
        for row in block:
            one = json_text(dict(zip(names, row, strict=True)))
            # Not by `textwrap.indent`, which takes more than a line feed for the end of a line.
            sys.stdout.write(separator + ("\n" + one).replace("\n", "\n" + " " * _INDENT)[1:])
            separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def print_table(names: Sequence[str], blocks: Iterable[Sequence[Sequence[Any]]]) -> int:
    """A table for people, and how many rows it has.

    Its first rows say how wide a column is; a wider cell further on makes its own line longer, or
    is folded where the terminal ends.
    """
    rest = iter(blocks)
    first = next(rest, [])
    cells = [names, *([_cell(value) for value in row] for row in first)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    if _IS_TERMINAL:
        widths = _fitting(widths, out.width)
    right = [_is_number(column) for column in zip(*first, strict=True)] or [False] * len(names)
    for line in _lines(names, widths, right):
        sys.stdout.write(line)
    rule = "─" if _has_all() else "-"
    sys.stdout.write(rule * (sum(widths) + len(_GAP) * (len(widths) - 1)) + "\n")
    rows = 0
    for block in chain([first], rest):
        rows += len(block)
        for row in block:
            sys.stdout.writelines(_lines([*map(_cell, row)], widths, right))
    return rows


def in_one_line(text: str) -> str:
    """The text, with each character that cannot be printed as its number."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _has_all() -> bool:
    """Whether stdout has all characters; a stream of this process's own has."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _is_number(column: Iterable[Any]) -> bool:
    values = [value for value in column if value is not None]
    return bool(values) and all(isinstance(value, int | float | Decimal) for value in values)


def _width(text: str) -> int:
    if "\n" in text:
        return max(map(_width, text.split("\n")))
    return len(text) if text.isascii() else cell_len(text)


def _fitting(widths: Sequence[int], room: int) -> list[int]:
    """The widths, of which the widest are narrowed until all fit."""
    fitting = list(widths)
    room -= len(_GAP) * (len(fitting) - 1)
    while sum(fitting) > room and max(fitting) > 1:
        fitting[fitting.index(max(fitting))] -= 1
    return fitting


def _lines(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """The lines of one row: one, unless a cell has line breaks or is folded."""
    if not _IS_TERMINAL:
        # Of most rows, each character is as wide as any, and no line ends within a cell.
        plain = _GAP.join(
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(cells, widths, right, strict=True)
        )
        if plain.isascii() and plain.isprintable():
            yield plain.rstrip() + "\n"
            return
    folded = [_folded(*each) for each in zip(cells, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        padded = []
        for part, width, to_the_right in zip(parts, widths, right, strict=True):
            padding = " " * (width - _width(part))
            padded.append(padding + part if to_the_right else part + padding)
        yield _GAP.join(padded).rstrip() + "\n"


def _folded(cell: str, width: int) -> list[str]:
    lines = [cell] if cell.isprintable() else [*map(in_one_line, cell.split("\n"))]
    if not _IS_TERMINAL:
        return lines
    return [*chain.from_iterable(chop_cells(line, max(1, width)) or [""] for line in lines)]
