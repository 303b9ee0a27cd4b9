"""The first rows of a file of unknown make: its encoding, its delimiter, its header, its cells."""

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.feed import Piece
from vitrina.exports.source import Format, Source, Xlsx
from vitrina.exports.unpacking import Unpacked

BYTES = 8 * 2**20
"""How much of a text file is looked at."""
ROWS = 100_000
"""How many rows of any file are."""

DELIMITERS = (",", ";", "\t", "|")
_HEADER_LINES = 100
_ENCODINGS = ("cp1251", "cp866", "koi8-r", "cp1252", "cp437")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMON = frozenset("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфё" + "áéíóúñäöüßçèàêôåæøœ")
"""Letters of which most text of Russian and of Western languages is made, in lower case."""
_SEPARATOR = re.compile(r'"?sep=(.)"?[\t,;]*', re.IGNORECASE)
_NUMBER_OR_DAY = re.compile(r"[\d\s.,:/+-]+")


@dataclass(frozen=True)
class Sample:
    """What was seen of a file."""

    name: str
    format: Format
    columns: dict[str, list[str | None]]
    """The cells of each column whose name occurs once; None where a cell is empty."""
    texts: dict[str, list[str | None]]
    """The same without what is a number, a day or a time by the file's own types."""
    encoding: str = "utf-8"
    delimiter: str = ","
    sheets: tuple[str, ...] = ()
    """Of a workbook with others besides, those that were looked at."""
    findings: list[str] = field(default_factory=list)
    """What else is worth telling."""

    @property
    def rows(self) -> int:
        return max(map(len, self.columns.values()), default=0)

    def only(self, rows: Sequence[int]) -> "Sample":
        """The sample with these of its rows."""
        columns, texts = (
            {name: [cells[row] for row in rows] for name, cells in table.items()}
            for table in (self.columns, self.texts)
        )
        return replace(self, columns=columns, texts=texts)


def sample(file: Unpacked) -> Sample:
    """The first rows of a file.

    Raises:
        ExportError: it is damaged, or has no rows with a header.
    """
    with file.open() as stream:
        if file.format == "csv":
            return _separated(stream, file.name)
        if file.format == "xlsx":
            return _workbook(stream, file.name)
        return _self_describing(stream, file)


# Separated values


def _separated(stream: BinaryIO, name: str) -> Sample:
    data = stream.read(BYTES)
    encoding, why = _encoding(data)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff")
    findings = [f"{name}: {why}"] if why else []
    if match := _SEPARATOR.match(text):
        # A line for a spreadsheet alone.
        text = text[match.end() :].lstrip("\r\n")
        delimiter = match[1]
    else:
        delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    rows = list(itertools.islice(_records(reader), ROWS))
    if len(data) == BYTES:
        # The last record may be cut off.
        rows = rows[:-1]
    return _table(name, "csv", rows, findings, encoding=encoding, delimiter=delimiter)


def _records(reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ExportError(f"line {reader.line_num} is no separated values: {error}") from error


def _encoding(data: bytes) -> tuple[str, str]:
    """The encoding, and what speaks for it unless it is plain."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, f"{encoding}, by its byte order mark" if encoding != "utf-8" else ""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        scores = {encoding: _likeness(data, encoding) for encoding in _ENCODINGS}
        best, next_best = sorted(scores, key=lambda each: -scores[each])[:2]
        return best, (
            f"not UTF-8; of the letters beyond ASCII, {scores[best]:.0%} are common ones as "
            f"{best}, {scores[next_best]:.0%} as {next_best}"
        )
    return "utf-8", ""


def _likeness(data: bytes, encoding: str) -> float:
    """The share of common letters among what is not ASCII."""
    foreign = [each for each in data.decode(encoding, "replace") if not each.isascii()]
    # Spaces between thousands, quotation marks and signs tell nothing.
    letters = [each for each in foreign if each != "\N{NO-BREAK SPACE}"]
    if not letters:
        return 0.0
    # Capitals are few in any language.
    common = sum(each in _COMMON for each in letters)
    capitals = sum(each.isupper() and each.lower() in _COMMON for each in letters)
    return (common + 0.5 * capitals) / len(letters)


def _delimiter(text: str) -> str:
    """The one that cuts most lines of the sample into the same number of fields."""
    lines = [line for line in text[: 2**16].splitlines()[:_HEADER_LINES] if line.strip()]

    def agreement(delimiter: str) -> tuple[float, int]:
        widths = Counter(map(len, csv.reader(lines, delimiter=delimiter)))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return (count / len(lines) if width > 1 else 0.0, width)

    return max(DELIMITERS, key=agreement) if lines else ","


def _table(
    name: str,
    format_: Format,
    rows: Sequence[Sequence[str]],
    findings: list[str],
    **known: Any,
) -> Sample:
    """The columns below the header that the rows have among them."""
    place = _header_row(rows)
    if place is None:
        raise ExportError(f"{name}: no row looks like a header")
    names = [cell.strip("\ufeff") for cell in rows[place]]
    if place:
        findings.append(f"{name}: {place} rows above the header are a title")
    repeated = [each for each, count in Counter(names).items() if count > 1 and each.strip()]
    if repeated:
        findings.append(f"{name}: {header.listed(repeated)} is the name of several columns")
    # A row with one cell is a note: a group's name, a signature.
    least = min(2, len(names))
    below = [row for row in rows[place + 1 :] if sum(bool(c.strip()) for c in row) >= least]
    headers = [row for row in below if [cell.strip("\ufeff") for cell in row] == names]
    if headers:
        findings.append(f"{name}: the header comes again {len(headers)} times; it is no row then")
    ragged = [row for row in below if len(row) != len(names)]
    if ragged:
        findings.append(
            f"{name}: {len(ragged)} of {len(below)} rows have more or fewer fields than the "
            f"header's {len(names)}"
        )
    whole = [row for row in below if len(row) == len(names) and row not in headers]
    columns = {
        each: [row[number] if row[number].strip() else None for row in whole]
        for number, each in enumerate(names)
        if each.strip() and names.count(each) == 1
    }
    return Sample(name, format_, columns, columns, findings=findings, **known)


def _header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """The first row that is as full as the rows mostly are, and has words alone."""
    first = rows[:_HEADER_LINES]
    filled = [sum(bool(cell.strip()) for cell in row) for row in first]
    if not filled:
        return None
    most = max(filled)
    for place, row in enumerate(first):
        words = [cell for cell in row if cell.strip() and not _NUMBER_OR_DAY.fullmatch(cell)]
        if filled[place] >= max(1, 0.7 * most) and len(words) >= 0.7 * filled[place]:
            return place
    return None


# Workbooks, and formats that tell their names


def _workbook(stream: BinaryIO, name: str) -> Sample:
    from python_calamine import CalamineError, CalamineWorkbook

    from vitrina.exports.readers import xlsx

    try:
        book = CalamineWorkbook.from_filelike(stream)
        sheets = [sheet for sheet in map(book.get_sheet_by_name, book.sheet_names) if sheet.height]
    except CalamineError as error:
        raise ExportError(f"{name}: it is damaged, or no workbook: {error}") from error
    if not sheets:
        raise ExportError(f"{name} has no cell with a value")
    sheet = max(sheets, key=lambda each: each.height)
    found = _table(name, "xlsx", _first_rows(sheet), [])
    findings = [each for each in found.findings if "header comes again" not in each]
    alike = [each for each in sheets if each is sheet or _has_names(each, found.columns)]
    others = [each.name for each in sheets if each not in alike]
    if others:
        findings.append(
            f"{name}: the sheet {sheet.name} has most rows and was looked at; there are also "
            f"{header.listed(others)}"
        )
    looked_at = tuple(each.name for each in alike)
    stream.seek(0)
    source = _asking_for(found.columns, Xlsx(sheets=looked_at))
    columns, texts = _columns(xlsx.read(stream, name, source), found.columns)
    return Sample(
        name, "xlsx", columns, texts, sheets=looked_at if others else (), findings=findings
    )


def _first_rows(sheet: Any) -> list[list[str]]:
    return [
        ["" if type(cell) is float else str(cell) for cell in row]
        for row in itertools.islice(sheet.iter_rows(), _HEADER_LINES)
    ]


def _has_names(sheet: Any, names: Iterable[str]) -> bool:
    """Whether a row at a sheet's top has all these names."""
    return any({*names} <= {*row} for row in _first_rows(sheet))


def _self_describing(stream: BinaryIO, file: Unpacked) -> Sample:
    """JSON and Parquet: the reader itself tells the names."""
    from vitrina.exports.readers import jsonl, parquet

    read = parquet.read if file.format == "parquet" else jsonl.read
    first = next(read(stream, file.name, _asking_for((), format_=file.format)), None)
    if first is None or not first.unmapped:
        raise ExportError(f"{file.name} has no rows")
    with file.open() as again:
        source = _asking_for(first.unmapped, format_=file.format)
        columns, texts = _columns(read(again, file.name, source), first.unmapped)
    return Sample(file.name, file.format, columns, texts)


def _asking_for(
    names: Iterable[str], xlsx: Xlsx | None = None, format_: Format | None = None
) -> Source:
    """A source that has these columns, whatever they are."""
    fixed = ("sale_id", "product_id", "quantity", "sale_date", "sale_amount", "region")
    fields: dict[str, Any] = {name: {"constant": "-"} for name in fixed}
    fields["extra"] = {f"c{place}": {"column": name} for place, name in enumerate(names)}
    return Source.model_validate(
        {"files": ("-",), "format": format_, "xlsx": xlsx or Xlsx(), "fields": fields}
    )


def _columns(
    pieces: Iterable[Piece], names: Iterable[str]
) -> tuple[dict[str, list[str | None]], dict[str, list[str | None]]]:
    """The cells of the first rows, and those that are texts."""
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    texts: dict[str, list[str | None]] = {name: [] for name in columns}
    rows = 0
    for piece in pieces:
        # What cannot be read, or is a repeated header, shows nothing.
        good = pa.repeat(pa.scalar(value=True), len(piece.lines))
        for bad in (piece.problems, piece.set_aside):
            good = good if bad is None else pc.and_(good, bad.is_null())
        for name, values in piece.columns.items():
            typed = piece.typed.get(name)
            written = values if typed is None else _where_not(values, typed)
            columns[name] += values.filter(good).to_pylist()
            texts[name] += written.filter(good).to_pylist()
        rows += len(piece.lines)
        if rows >= ROWS:
            break
    return columns, texts


def _where_not(values: pa.Array, typed: pa.Array) -> pa.Array:
    return pc.if_else(typed, pa.scalar(None, pa.string()), values)
