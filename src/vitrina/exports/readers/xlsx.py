"""Workbooks: the sheets that are asked for, cell by cell, each with its own type.

A cell holds a float, a text, a truth, a day or time by its number format, or an error. A formula
counts as what it gave when the workbook was saved last; one that nobody has computed is a
missing value. Hidden rows are rows. Blank ones are none, nor is the foot of a report: where totals
are declared, the last rows below the last total, of which none has two cells with a value.
"""

import datetime
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.feed import Piece
from vitrina.exports.readers.heading import SEARCHED
from vitrina.exports.readers.rows import REPEATED_HEADER, TOTAL_ROW
from vitrina.exports.readers.typed import as_text, repaired
from vitrina.exports.source import Source

_ROWS = 10_000
"""Rows of a piece."""

_Cells = list[Any]
_Errors = dict[int, dict[int, str]]
"""The texts of error cells, by the row, from 1, and the column, from 0."""


def read(stream: BinaryIO, file: str, source: Source) -> Iterator[Piece]:
    """The rows of the sheets that `source.xlsx` names, or of all that have a value.

    Each sheet has a header of its own: the first row with all mapped names. Lines are the
    sheet's rows.

    Raises:
        ExportError: a sheet is not there or has no such header, or the file is damaged or no
            XLSX at all.
    """
    if not zipfile.is_zipfile(stream):
        raise ExportError(
            f"{file}: it is damaged, or no XLSX workbook; open it, and save it as one"
        )
    try:
        stream.seek(0)
        workbook = CalamineWorkbook.from_filelike(stream)
        sheets = _sheets(workbook, file, source.xlsx.sheets)
        for sheet in sheets:
            part = sheet.name if len(sheets) > 1 else ""
            errors, hidden = _beside_cells(stream, sheet.name)
            for piece in _pieces(sheet, f"{file}[{sheet.name}]", part, errors, source):
                yield replace(piece, hidden=hidden)
                hidden = 0
    except (CalamineError, zipfile.BadZipFile, ElementTree.ParseError, KeyError) as error:
        raise ExportError(f"{file}: it is damaged: {error}; save it again as XLSX") from error


# Sheets


def _sheets(workbook: CalamineWorkbook, file: str, wanted: Sequence[str]) -> list[CalamineSheet]:
    there = [
        sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet
    ]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ExportError(
            f"{file}: it has no sheet {header.listed(missing)}; it has {header.listed(there)}"
        )
    sheets = [workbook.get_sheet_by_name(name) for name in wanted or there]
    filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise ExportError(f"{file}: {header.listed(wanted or there)} has no cell with a value")
    return filled


def _pieces(
    sheet: CalamineSheet, shown: str, part: str, errors: _Errors, source: Source
) -> Iterator[Piece]:
    rows = _rows(sheet, errors)
    names, places = _header(rows, shown, source.columns)
    rows = _without_foot(rows, source.totals)
    unmapped = tuple(header.unmapped(names, source.columns))
    while chunk := list(islice(rows, _ROWS)):
        yield replace(_piece(chunk, places, source.totals), part=part, unmapped=unmapped)


def _rows(sheet: CalamineSheet, errors: _Errors) -> Iterator[tuple[int, _Cells]]:
    """The rows with a value, by their number from 1."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        for column, text in errors.get(number, {}).items():
            cells[column] = text
        if any(not _is_blank(cell) for cell in cells):
            yield number, cells


def _is_blank(cell: Any) -> bool:
    return type(cell) is str and (not cell or cell.isspace())


def _header(
    rows: Iterator[tuple[int, _Cells]], shown: str, wanted: Sequence[str]
) -> tuple[list[str], dict[str, int]]:
    """The first row with all wanted names, and where these stand; `rows` go on below it.

    Raises:
        ExportError: see `header.positions`.
    """
    alike = set(map(header.alike, wanted))
    best: list[str] = []
    for _, cells in islice(rows, SEARCHED):
        found = [text or "" for text in _column(cells)[0].to_pylist()]
        if set(wanted) <= set(found):
            return found, header.positions(shown, found, wanted)
        best = max(best, found, key=lambda names: len(alike & set(map(header.alike, names))))
    try:
        return best, header.positions(shown, best, wanted)
    except ExportError as error:
        raise ExportError(
            f"{error}; if this sheet has no sales, name those that have in xlsx.sheets under source"
        ) from None


# Rows


def _without_foot(
    rows: Iterator[tuple[int, _Cells]], totals: tuple[str, ...]
) -> Iterator[tuple[int, _Cells]]:
    """The rows without signatures and notes below the last total."""
    is_below_total = False
    held: list[tuple[int, _Cells]] = []
    for number, cells in rows:
        is_total = _is_total(cells, totals)
        is_below_total |= is_total
        if is_below_total and not is_total and sum(not _is_blank(cell) for cell in cells) == 1:
            held.append((number, cells))
        else:
            yield from held
            held.clear()
            yield number, cells


def _piece(
    rows: Sequence[tuple[int, _Cells]],
    places: Mapping[str, int],
    totals: tuple[str, ...],
) -> Piece:
    columns, typed, noisy = {}, {}, []
    for name, place in places.items():
        columns[name], is_typed, is_noisy = _column([cells[place] for _, cells in rows])
        if is_typed is not None:
            typed[name] = is_typed
        noisy.append(is_noisy)
    set_aside = [_no_sale(cells, places, totals) for _, cells in rows]
    return Piece(
        columns,
        pa.array([number for number, _ in rows], pa.int64()),
        typed,
        repaired=repaired(noisy),
        set_aside=pa.array(set_aside, pa.string()) if any(set_aside) else None,
    )


def _no_sale(
    cells: Sequence[Any], places: Mapping[str, int], totals: tuple[str, ...]
) -> str | None:
    """Why a row is none of the sales; the first cell is the first that has a value."""
    if all(cells[place] == name for name, place in places.items()):
        return REPEATED_HEADER
    return TOTAL_ROW if _is_total(cells, totals) else None


def _is_total(cells: Sequence[Any], totals: tuple[str, ...]) -> bool:
    if not totals:
        return False
    first = next(cell for cell in cells if not _is_blank(cell))
    return type(first) is str and first.lstrip().startswith(totals)


def _column(cells: Sequence[Any]) -> tuple[pa.Array, pa.Array | None, pa.Array | None]:
    """Cells as text, which of them were no text, and which numbers were noisy."""
    kinds = set(map(type, cells))
    texts = pa.array(
        [None if type(cell) is float or cell == "" else _text(cell) for cell in cells],
        pa.string(),
    )
    if kinds <= {str}:
        return texts, None, None
    typed = pa.array([type(cell) is not str for cell in cells])
    if float not in kinds:
        return texts, typed, None
    numbers = as_text(
        pa.array([cell if type(cell) is float else None for cell in cells], pa.float64())
    )
    return pc.coalesce(numbers.values, texts), typed, numbers.noisy


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)


# Errors, which calamine reads as blanks, and what is hidden, which it does not tell

_AN_ERROR = re.compile(rb"""\st=["']e["']""")
_HIDDEN = re.compile(
    rb"""<(?:\w+:)?row\s[^<>]*\bhidden=["'](?:1|true)["'][^<>]*>\s*<(?:\w+:)?c\b"""
)
_CHUNK, _LONGEST_TAG = 2**20, 2**12
_OFFICE = re.compile(r"\{.*\}")


def _beside_cells(stream: BinaryIO, sheet: str) -> tuple[_Errors, int]:
    """The texts of a sheet's errors, such as `#N/A`, and how many rows with cells are hidden."""
    with zipfile.ZipFile(stream) as archive:
        part = _part(archive, sheet)
        with archive.open(part) as cells:
            has_error, hidden = _look_through(cells)
        if not has_error:
            return {}, hidden
        with archive.open(part) as cells:
            return _errors(cells), hidden


def _part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Which file of a workbook holds a sheet."""
    links = {
        link.get("Id"): link.get("Target", "")
        for link in _tree(archive, "xl/_rels/workbook.xml.rels")
    }
    for element in _tree(archive, "xl/workbook.xml"):
        if _tag(element) == "sheet" and element.get("name") == sheet:
            number = next(value for key, value in element.items() if _OFFICE.sub("", key) == "id")
            target = links[number]
            return target[1:] if target.startswith("/") else f"xl/{target}"
    raise KeyError(sheet)


def _tree(archive: zipfile.ZipFile, name: str) -> Iterable[ElementTree.Element]:
    # The parser itself refuses entities that grow without end.
    return ElementTree.fromstring(archive.read(name)).iter()  # noqa: S314


def _tag(element: ElementTree.Element) -> str:
    return _OFFICE.sub("", element.tag)


def _look_through(cells: IO[bytes]) -> tuple[bool, int]:
    """Whether a sheet has an error, and its hidden rows."""
    has_error, hidden, held = False, 0, b""
    while chunk := cells.read(_CHUNK):
        # Up to the last tag that closes, so that a row's tag and its first cell stay together.
        text = held + chunk
        end = text.rfind(b"</") + 1
        whole, held = text[:end], text[end:][-_LONGEST_TAG:]
        has_error = has_error or _AN_ERROR.search(whole) is not None
        if b"hidden" in whole:
            hidden += sum(1 for _ in _HIDDEN.finditer(whole))
    return has_error, hidden


def _errors(cells: IO[bytes]) -> _Errors:
    found: _Errors = {}
    row = column = 0
    for event, element in ElementTree.iterparse(cells, ("start", "end")):  # noqa: S314
        tag = _tag(element)
        if tag == "row" and event == "start":
            row, column = int(element.get("r", row + 1)), -1
        elif tag == "c" and event == "end":
            place = element.get("r")
            column = _number(place) if place else column + 1
            if element.get("t") == "e":
                value = next((each.text for each in element if _tag(each) == "v"), None)
                found.setdefault(row, {})[column] = value or "#ERROR"
        elif tag == "row":
            element.clear()
    return found


def _number(place: str) -> int:
    """The column of a cell such as `AB12`, from 0."""
    number = 0
    for letter in place.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
