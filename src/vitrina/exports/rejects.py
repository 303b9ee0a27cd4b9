"""The rejected rows of a batch, as they stood in the store's files, so that people can mend them.

A row is found again in the archive, by its file and line. What is held in memory is the place and
the reasons of each rejected row, and some megabytes of one file; where rows depend on others of
their order and are to be mended, also the orders of a file's rows, and of the files after it.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from vitrina.documents import read
from vitrina.errors import BatchError, CorruptFile, SettingsError
from vitrina.exports.archive import Archive
from vitrina.exports.feed import FILE, FILE_NUMBER, LINE, RAW
from vitrina.exports.intake import read_file
from vitrina.exports.orders import needs_orders
from vitrina.exports.readers.decoding import Text
from vitrina.exports.readers.dialect import Dialect
from vitrina.exports.readers.heading import find_heading
from vitrina.exports.source import Source
from vitrina.exports.unpacking import Unpacked, members
from vitrina.exports.whole_orders import keys, lines_of_orders, read_keys
from vitrina.output import output
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.store import Batch
from vitrina.stores.lake import Dataset, Lake

REASONS = "reasons"

_ROWS = 1 << 14
_FEW, _LONGEST = 1 << 12, 1 << 20
"""Bytes that are looked through for the end of a row."""
_LINE_END = re.compile(rb"\r\n?|\n")


@dataclass(frozen=True)
class Reject:
    """A rejected row."""

    file: str | None
    """None for a generated row, which stood in no file."""
    line: int | None
    reasons: tuple[str, ...]
    values: Mapping[str, str | None]
    """By the store's own columns; empty for a row that cannot be told apart into columns."""
    raw: str | None = None
    """The row's text, where the file is text."""
    head: "Head | None" = None


@dataclass(frozen=True)
class Head:
    """What stands above the rows of a text file: its header, as a line of its dialect."""

    text: str
    encoding: str


def rejects(lake: Lake, batch: Batch, reason: str | None = None) -> Iterator[Reject]:
    """The rejected rows of a batch, in the order of file and line; of one reason, if it is given.

    Raises:
        BatchError: validate has not judged this batch.
        SettingsError: no row was rejected for this reason.
        CorruptFile: a file of the lake or of the archive is not the one that was written.
    """
    source = batch.store.source
    if source is None:
        return _of_reason(_generated(lake, batch), reason, lake)
    return _of_reason(_of_files(lake, batch, source), reason, lake)


@dataclass(frozen=True)
class Mendable:
    """What was written to be mended."""

    files: list[Path]
    left_out: int
    """Rejected rows whose order a later file has, too: that is the one to mend."""


def write_mendable(lake: Lake, batch: Batch, file: Path, reason: str | None = None) -> Mendable:
    """Write the rejected rows as they stood, to be mended and put where the store's files are.

    Where rows depend on others of their order, all lines of the order are written, so that each
    becomes the sale that it was. Rows from under different headers, and those of such a store
    from different files, go to files of their own: `mend.csv`, `mend-2.csv`.

    Raises:
        SettingsError: a file is there already or cannot be written; the store has no text files;
            or its rows become other sales in another file; or no row has this reason.
        BatchError, CorruptFile: see `rejects`.
    """
    source = batch.store.source
    if source is None:
        raise SettingsError("generated rows stand in no file; leave out --csv")
    if source.fields.sale_id.place == "file":
        raise SettingsError(
            'sale_id has the place of each row in its file (place = "file"), so that a row of '
            "another file is another sale; leave out --csv, mend the rows in the store's files "
            "themselves, by the lines that are shown, and put these back under their names"
        )
    if not needs_orders(source):
        return Mendable(_write(rejects(lake, batch, reason), file, by_file=False), 0)
    orders = _Orders(lake, batch, source, reason)
    return Mendable(_write(orders.rows(), file, by_file=True), orders.left_out)


class _Orders:
    """The lines of all orders that have a rejected row."""

    def __init__(self, lake: Lake, batch: Batch, source: Source, reason: str | None) -> None:
        self.left_out = 0
        self._store, self._source = batch.store, source
        self._places = _places(lake, _rejected(lake)).of_reason(reason, lake)
        self._inputs = _inputs(lake, source)

    def rows(self) -> Iterator[Reject]:
        """Line by line, of the files that have rejected rows; their order is from new to old."""
        files = dict(self._places.files())
        later = pa.array([], pa.string())
        for number, name in files.items():
            if number not in self._inputs or self._inputs[number].format not in _OF_LINES:
                raise _no_text(name)
        for number in sorted(self._inputs, reverse=True):
            if number < min(files, default=number + 1):
                return
            rows = read_keys(self._inputs[number], self._store)
            if number in files:
                wanted = self._places.of(number, files[number])
                whole = self._whole(wanted, rows, later)
                yield from _in_file(self._inputs[number], self._source, files[number], whole)
            key = rows[keys(self._source)[0]]
            later = pa.chunked_array([later, *key.chunks]).unique().drop_null()

    def _whole(self, wanted: "_Wanted", rows: pa.Table, later: pa.Array) -> "_Wanted":
        """The rejected rows of a file and the rest of their orders."""
        unsure, cells = [], []
        of_key = tuple(f"{name}_" for name in keys(self._source))
        for line, reasons, raw in zip(*wanted.columns(), strict=True):
            if raw is not None or any(each.startswith(of_key) for each in reasons.split(" ")):
                unsure.append(line)
                parts = (raw or "").split(self._source.csv.delimiter)
                cells += [each.strip().strip(self._source.csv.quote or None) for each in parts]
        whole = lines_of_orders(
            rows,
            wanted.lines,
            pa.array(unsure, pa.int64()),
            pa.array(filter(None, cells), pa.string()),
            later,
        )
        is_left = pc.is_in(wanted.lines, value_set=whole)
        self.left_out += len(wanted.lines) - (pc.sum(is_left).as_py() or 0)
        at = pc.index_in(whole, value_set=wanted.lines)
        return _Wanted(whole, wanted.reasons.cast(pa.string()).take(at), wanted.raw.take(at))


_OF_LINES = ("csv", "jsonl")
"""Formats whose rows are lines of text, which can stand in another file."""


def _no_text(file: str | None) -> SettingsError:
    return SettingsError(
        f"{file} has no lines of text; mend the rows there, by the lines that are shown "
        "without --csv"
    )


def _write(found: Iterable[Reject], file: Path, *, by_file: bool) -> list[Path]:
    written: dict[tuple[Head, str | None], tuple[Path, TextIO]] = {}
    with ExitStack() as files:
        for reject in found:
            if reject.head is None or reject.raw is None:
                raise _no_text(reject.file)
            key = reject.head, reject.file if by_file else None
            if key not in written:
                path = file if not written else _numbered(file, len(written) + 1)
                # As the rows stood in the file: their own line ends within quotes, too.
                new = output(path, "--csv", encoding=reject.head.encoding)
                written[key] = path, files.enter_context(new)
                written[key][1].write(reject.head.text)
            written[key][1].write(f"{reject.raw}\n")
    return [path for path, _ in written.values()]


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}-{number}{file.suffix}")


def _of_reason(found: Iterator[Reject], reason: str | None, lake: Lake) -> Iterator[Reject]:
    """Those of this reason."""
    others: dict[str, None] = {}
    any_found = False
    for reject in found:
        if reason is None or reason in reject.reasons:
            any_found = True
            yield reject
        else:
            others |= dict.fromkeys(reject.reasons)
    if reason is not None and not any_found:
        raise _no_such_reason(reason, others, lake)


def _no_such_reason(reason: str, others: Iterable[str], lake: Lake) -> SettingsError:
    known = ", ".join(sorted(others)) or "no row is rejected at all"
    return SettingsError(f"batch {lake.as_of} has no row rejected for {reason}; it has {known}")


def _generated(lake: Lake, batch: Batch) -> Iterator[Reject]:
    """Rows of the generated feed, by its fields; last those in conflict, once clean has ended."""
    names = batch.contract.names
    for row in _rows(lake, _rejected(lake)):
        yield Reject(None, None, tuple(row[REASONS]), {name: row[name] for name in names})
    if lake.read_document("clean", "step.json") is not None:
        for row in _rows(lake, lake.dataset("clean", "conflicts")):
            values = {name: None if row[name] is None else str(row[name]) for name in names}
            yield Reject(None, None, (CONFLICTING_DUPLICATE,), values)


def _of_files(lake: Lake, batch: Batch, source: Source) -> Iterator[Reject]:
    """Rows of a store's files, file by file."""
    dataset = _rejected(lake)
    places = _places(lake, dataset)
    inputs = _inputs(lake, source)
    for number, file in places.files():
        rows = places.of(number, file)
        if number in inputs:
            yield from _in_file(inputs[number], source, file, rows)
        else:
            # A table of PostgreSQL is not kept; what is known of the row are its fields.
            names = batch.contract.names
            for row in _rows(lake, dataset):
                if row[FILE_NUMBER] == number:
                    values = {name: row[name] for name in names}
                    yield Reject(row[FILE], row[LINE], tuple(row[REASONS]), values)


@dataclass(frozen=True)
class _Places:
    """Where the rejected rows stood, in the order of file and line, and why."""

    rows: pa.Table

    def files(self) -> list[tuple[int, str]]:
        """The number and the name of each file, in their order."""
        pairs = self.rows.group_by([FILE_NUMBER, FILE], use_threads=False).aggregate([]).to_pylist()
        return [(pair[FILE_NUMBER], pair[FILE]) for pair in pairs]

    def of(self, number: int, file: str) -> "_Wanted":
        """The rows of one file."""
        is_mine = pc.and_(pc.equal(self.rows[FILE_NUMBER], number), pc.equal(self.rows[FILE], file))
        mine = self.rows.filter(is_mine).combine_chunks()
        return _Wanted(*(mine[name].combine_chunks() for name in (LINE, REASONS, RAW)))

    def of_reason(self, reason: str | None, lake: Lake) -> "_Places":
        """Those of one reason, if it is given."""
        if reason is None:
            return self
        known = {each: each.split(" ") for each in self.rows[REASONS].unique().to_pylist()}
        mine = [each for each, reasons in known.items() if reason in reasons]
        if not mine:
            raise _no_such_reason(reason, {*chain(*known.values())}, lake)
        is_mine = pc.is_in(self.rows[REASONS].cast(pa.string()), value_set=pa.array(mine))
        return _Places(self.rows.filter(is_mine))


@dataclass
class _Wanted:
    """Rows of one file, in the order of their lines. Several may be made of one line."""

    lines: pa.Array
    reasons: pa.Array
    raw: pa.Array
    at: int = 0

    @property
    def next_line(self) -> int | None:
        return self.lines[self.at].as_py() if self.at < len(self.lines) else None

    def take(self) -> tuple[tuple[str, ...], str | None]:
        """The reasons and the raw text of the next row."""
        reasons, raw = self.reasons[self.at].as_py(), self.raw[self.at].as_py()
        self.at += 1
        return tuple(reasons.split(" ")) if reasons else (), raw

    def columns(self) -> list[list[Any]]:
        """The lines, the reasons and the raw texts."""
        return [self.lines.to_pylist(), self.reasons.to_pylist(), self.raw.to_pylist()]


def _places(lake: Lake, dataset: Dataset) -> _Places:
    columns = [FILE_NUMBER, FILE, LINE, REASONS, RAW]
    parts = []
    for batch in _batches(lake, dataset, columns):
        reasons = pc.binary_join(batch.column(REASONS), " ")
        # A few values that repeat take a number each.
        found = {REASONS: reasons.dictionary_encode()}
        parts.append(pa.table({name: found.get(name, batch.column(name)) for name in columns}))
    if not parts:
        empty = {name: pa.array([], pa.string()) for name in columns}
        return _Places(pa.table(empty))
    rows = pa.concat_tables(parts).unify_dictionaries()
    return _Places(rows.sort_by([(name, "ascending") for name in (FILE_NUMBER, FILE, LINE)]))


def _rejected(lake: Lake) -> Dataset:
    """The rows that validate has rejected, also where they were too many to go on.

    Raises:
        BatchError: validate has not judged this batch.
    """
    # The second says what to run.
    return lake.documented("validate", "rejects.json") or lake.dataset("validate", "rejects")


def _rows(lake: Lake, dataset: Dataset) -> Iterator[dict[str, Any]]:
    for batch in _batches(lake, dataset):
        yield from batch.to_pylist()


def _batches(
    lake: Lake, dataset: Dataset, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    for file in dataset.files:
        with lake.open(file) as stream:
            yield from parquet.ParquetFile(stream).iter_batches(_ROWS, columns=columns)


@dataclass(frozen=True)
class _File:
    number: int
    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class _Report:
    """What is needed of extract's report."""

    read: list[_File]


def _inputs(lake: Lake, source: Source) -> dict[int, Unpacked]:
    """The files that the batch was read from, by their numbers."""
    report = lake.read_document("extract", "report.json")
    if report is None:
        raise BatchError(
            f"batch {lake.as_of}: extract has left nothing in {lake.root}; "
            f"run: vitrina extract --as-of {lake.as_of}"
        )
    archive = Archive(lake.batches)
    known = archive.all()
    found = {}
    with lake.reading("extract", "report.json"):
        files = read(_Report, report).read
    for each in files:
        if each.sha256 is None:
            continue
        kept = known.get(each.sha256)
        if kept is None:
            raise CorruptFile(f"{archive.root} has no {each.name} any more; put the export back")
        held = members(kept.name, partial(archive.open, kept.sha256), source.format).files
        found[each.number] = next((one for one in held if one.name == each.name), held[0])
    return found


def _in_file(file: Unpacked, source: Source, shown: str, wanted: _Wanted) -> Iterator[Reject]:
    if file.format not in _OF_LINES:
        yield from _in_pieces(file, source, shown, wanted)
        return
    with file.open() as stream:
        if file.format == "csv":
            yield from _in_csv(stream, source, shown, wanted)
        else:
            yield from _in_lines(stream, shown, wanted)


def _in_csv(stream: BinaryIO, source: Source, file: str, wanted: _Wanted) -> Iterator[Reject]:
    text = Text(stream, file, source.csv.encoding)
    chunks = iter(text)
    top = next(chunks, b"")
    dialect = Dialect(source.csv.delimiter, source.csv.quote)
    heading = find_heading(top, text.head, file, dialect, source.columns)
    # Where the file itself names another delimiter than the declared one, for a spreadsheet.
    delimiter = heading.dialect.delimiter
    separator = "" if delimiter == source.csv.delimiter else f"sep={delimiter}\n"
    head = Head(f"{separator}{_line(heading.names, heading.dialect)}\n", source.csv.encoding)
    below = chain([top[heading.end :]], chunks)
    for line, row in _records(below, heading.next_line, wanted, heading.dialect):
        reasons, raw = wanted.take()
        fields = heading.dialect.fields(row)
        values = {} if raw is not None or len(fields) != len(heading.names) else fields
        named = dict(zip(heading.names, values, strict=False))
        yield Reject(file, line, reasons, named, row if raw is None else raw, head)


def _in_lines(stream: BinaryIO, file: str, wanted: _Wanted) -> Iterator[Reject]:
    """Of a file of JSON Lines."""
    text = Text(stream, file, "utf-8")
    for line, row in _records(text, 1, wanted, None):
        reasons, _ = wanted.take()
        try:
            found = json.loads(row, parse_float=str, parse_int=str)
        except ValueError:
            found = None
        values = found if isinstance(found, dict) else {}
        named = {key: _as_text(value) for key, value in values.items()}
        yield Reject(file, line, reasons, named, row, Head("", "utf-8"))


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _records(
    chunks: Iterable[bytes], line: int, wanted: _Wanted, dialect: Dialect | None
) -> Iterator[tuple[int, str]]:
    """The text of each row that is wanted, without its line end; `line` is that of the first."""
    held = b""
    for chunk, is_last in _with_last(chunks):
        held += chunk
        start, ends = 0, _LINE_END.finditer(held)
        while (next_line := wanted.next_line) is not None:
            while line < next_line and (end := next(ends, None)) is not None:
                start, line = end.end(), line + 1
            if line < next_line or (not is_last and len(held) - start < _LONGEST):
                break
            yield line, _record(held, start, dialect)
        if wanted.next_line is None:
            return
        held = held[start:]


def _record(text: bytes, start: int, dialect: Dialect | None) -> str:
    """The row that begins there. Few are long, so not all of the text is looked through."""
    part = text[start : start + _FEW].decode(errors="ignore")
    end = _end(part, dialect)
    # A quote more than pairs: the other may be further down.
    if end == len(part) or (dialect and dialect.quote and part.count(dialect.quote, 0, end) % 2):
        part = text[start : start + _LONGEST].decode(errors="ignore")
        end = _end(part, dialect)
    return part[:end]


def _end(text: str, dialect: Dialect | None) -> int:
    """Where the first row of a text ends."""
    if dialect is not None:
        return dialect.record_until(text, 0)
    return min((at for at in (text.find("\n"), text.find("\r")) if at >= 0), default=len(text))


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The chunks, the last of them told; there is always one."""
    held: bytes | None = None
    for chunk in chunks:
        if held is not None:
            yield held, False
        held = chunk
    yield held or b"", True


def _line(names: Sequence[str], dialect: Dialect) -> str:
    """A header as the dialect writes it."""
    line = io.StringIO()
    csv.writer(
        line,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        lineterminator="",
    ).writerow(names)
    return line.getvalue()


def _in_pieces(file: Unpacked, source: Source, shown: str, wanted: _Wanted) -> Iterator[Reject]:
    """Of a workbook, or of Parquet, by the columns that the store's file names."""
    for piece in read_file(file, source):
        part = f"{file.name}[{piece.part}]" if piece.part else file.name
        if part != shown:
            continue
        for at, line in enumerate(piece.lines.to_pylist()):
            while wanted.next_line == line:
                reasons, raw = wanted.take()
                values = {name: column[at].as_py() for name, column in piece.columns.items()}
                yield Reject(shown, line, reasons, values if raw is None else {}, raw)
