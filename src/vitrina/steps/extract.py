"""Extract: a store's files in, the feed out, with the file and the line of every row.

Files are found and kept in the archive; those that bear on the batch are read and mapped, several
pieces at once, and written. Where rows depend on others of their order, Spark then completes
them. At the end each row outside the window is set aside.

A refused file does not keep the others from being read, so that all refusals of a run are told
together; but then the step leaves nothing, and the archive takes in none of the new files.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from pyspark.sql import SparkSession

from vitrina.counts import Extracted
from vitrina.errors import ExportError, FeedError
from vitrina.exports import orders
from vitrina.exports.feed import (
    FILE_NUMBER,
    PROBLEMS,
    SET_ASIDE,
    Piece,
    feed_schema,
)
from vitrina.exports.intake import Input, Intake, Tally, take_in
from vitrina.exports.mapping import mapped, mapped_schema
from vitrina.store import Batch, Store
from vitrina.stores.lake import Dataset, Lake
from vitrina.stores.lake_parts import Work, write_parts

BEFORE, AFTER = "before the window", "after the window"
"""Why a row outside the window is set aside."""

_READ_ROWS = 1 << 16


def days_of(rows: pa.RecordBatch) -> pa.Array:
    """date32: the day of each row of the feed, null where the text is none."""
    days = rows.column("sale_date").dictionary_encode()
    return pa.array(map(_day, days.dictionary.to_pylist()), pa.date32()).take(days.indices)


def set_aside_outside(
    rows: pa.RecordBatch, days: pa.Array, batch: Batch, seen: Mapping[int, date]
) -> pa.RecordBatch:
    """Set aside the rows of the feed whose day, of `days_of`, is outside the window.

    `seen` has the day on which each file was first seen, by its number: a day after that is in
    the future, which validation judges. A row that is set aside already stays so.
    """
    before = pc.less(days, batch.first_day)
    after = pc.greater_equal(days, batch.as_of)
    if pc.any(after).as_py():
        numbers = pa.array(seen.keys(), pa.int32())
        first_seen = pa.array(seen.values(), pa.date32())
        places = pc.index_in(rows.column(FILE_NUMBER), numbers)
        after = pc.and_(after, pc.less_equal(days, first_seen.take(places)))
    elif not pc.any(before).as_py():
        return rows
    why = pc.if_else(before, BEFORE, pc.if_else(after, AFTER, pa.scalar(None, pa.string())))
    at = rows.schema.get_field_index(SET_ASIDE)
    return rows.set_column(at, rows.schema.field(at), pc.coalesce(rows.column(SET_ASIDE), why))


def tallies(rows: pa.RecordBatch, days: pa.Array) -> dict[int, Tally]:
    """What is to be known of the rows of each file, by its number; `days` are those of the rows."""
    files, set_aside = rows.column(FILE_NUMBER), rows.column(SET_ASIDE)
    found: dict[int, Tally] = {}
    for file in pc.unique(files).to_pylist():
        # Most pieces are of one file; then nothing is copied.
        is_alone = len(found) == 0 and pc.all(pc.equal(files, file)).as_py()
        span = pc.min_max(days if is_alone else days.filter(pc.equal(files, file)))
        found[file] = Tally(first_day=span["min"].as_py(), last_day=span["max"].as_py())
    if set_aside.null_count < len(rows):
        aside = pa.table({"file": files, "why": set_aside}).filter(set_aside.is_valid())
        for file, why, count in _counted(aside):
            found[file].set_aside[why] = count
    if rows.column(PROBLEMS).null_count == len(rows):
        return found
    is_sale = set_aside.is_null()
    wrong = rows.filter(pc.and_(is_sale, pc.is_valid(rows.column(PROBLEMS))))
    problems = wrong.column(PROBLEMS)
    reasons = {
        "file": wrong.column(FILE_NUMBER).take(pc.list_parent_indices(problems)),
        "reason": pc.list_flatten(problems),
    }
    for file, reason, count in _counted(pa.table(reasons)):
        found[file].problems[reason] = count
    return found


def run(spark: SparkSession, lake: Lake, batch: Batch) -> Extracted:
    """Read the store's files; leaves `feed`, and `report.json` with each file's fate.

    Raises:
        ExportError: files are refused, or there is none to read.
        CorruptFile: a file of the archive is not the one that was kept.
        FeedError: completing orders lost or invented rows.
        StoreError: S3 refuses what was asked; `StoreUnavailable`: it does not answer.
    """
    store = batch.store
    if store.source is None:
        raise FeedError(f"store {store.name} has no files: its feed is generated")
    with lake.step("extract") as left:
        intake = take_in(lake, batch, store.source)
        judge = _Judge(batch, intake.seen)
        read = (partial(_mapped, intake, each, piece, store) for each, piece in intake.pieces())
        if orders.needs_orders(store.source):
            lines, _ = write_parts(lake, left, "lines", mapped_schema(store), read)
            intake.raise_refusals()
            mapped_rows = lake.read(spark, lines)
            for numbers, error in orders.cut_orders(mapped_rows, store, intake.moments):
                intake.refuse_together(numbers, error)
            intake.raise_refusals()
            whole = orders.complete(mapped_rows, store)
            completed = lake.write(left, "completed", whole, "parquet")
            judged = (partial(judge, rows) for rows in _batches(lake, completed))
        else:
            judged = (partial(_then, each, judge) for each in read)
        schema = feed_schema(store.contract)
        _, feed_rows = write_parts(lake, left, "feed", schema, judged)
        intake.raise_refusals()
        for name in {*left.datasets} - {"feed"}:
            lake.discard(left, name)
        counts = Extracted(
            source=intake.summary,
            files=len(intake.inputs),
            rows_in=intake.rows,
            feed_rows=feed_rows,
            refunds=judge.refunds,
            added_up=judge.added_up,
        )
        _balance(counts)
        lake.document("extract", "report.json", intake.report(judge.tallies))
        left.counts = counts.document()
        intake.remember(judge.tallies)
    return counts


class _Judge:
    """Sets aside what is outside the window, and counts; called by several workers at once."""

    def __init__(self, batch: Batch, seen: Mapping[int, date]) -> None:
        self.tallies: dict[int, Tally] = {}
        self.refunds = self.added_up = 0
        self._batch, self._seen = batch, seen
        self._schema = feed_schema(batch.contract)
        self._lock = Lock()

    def __call__(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of the feed that these are."""
        feed = pa.RecordBatch.from_arrays(
            [rows.column(field.name).cast(field.type) for field in self._schema],
            schema=self._schema,
        )
        days = days_of(feed)
        feed = set_aside_outside(feed, days, self._batch, self._seen)
        counted = tallies(feed, days)
        with self._lock:
            for number, tally in counted.items():
                self.tallies.setdefault(number, Tally()).add(tally)
            if orders.IS_REFUND in rows.schema.names:
                self.refunds += pc.sum(rows.column(orders.IS_REFUND)).as_py() or 0
                self.added_up += pc.sum(rows.column(orders.ROWS_ADDED)).as_py() or 0
        return feed


def _mapped(intake: Intake, input_: Input, piece: Piece, store: Store) -> pa.RecordBatch:
    """The rows of a piece; none of one that is refused."""
    try:
        return mapped(piece, store, _shown(input_.name, piece.part), input_.number)
    except ExportError as error:
        intake.refuse(input_, error)
        return pa.RecordBatch.from_pylist([], mapped_schema(store))


def _then(make: Work, judge: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.RecordBatch:
    return judge(make())


def _batches(lake: Lake, dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """The rows of a dataset of Parquet."""
    for file in dataset.files:
        with lake.open(file) as stream:
            yield from parquet.ParquetFile(stream).iter_batches(_READ_ROWS)


def _shown(name: str, part: str) -> str:
    """A file's name, with the sheet where there are several."""
    return f"{name}[{part}]" if part else name


def _balance(counts: Extracted) -> None:
    """Compare the rows that were read with those that were written.

    Raises:
        FeedError: some were lost or invented.
    """
    expected = counts.rows_in + counts.refunds - counts.added_up
    if counts.feed_rows != expected:
        raise FeedError(
            f"extract: {counts.rows_in:,} rows were read, and {counts.feed_rows:,} are in the feed "
            f"instead of {expected:,}; please report this"
        )


def _day(text: str) -> date | None:
    # A few other forms would do for Python, none for `steps/validate.py`.
    if len(text) != len("yyyy-mm-dd"):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _counted(table: pa.Table) -> Iterator[tuple[int, str, int]]:
    """The rows of two columns, each pair of values with how often it occurs."""
    pairs = table.group_by(table.column_names).aggregate([([], "count_all")])
    return zip(*(column.to_pylist() for column in pairs.columns), strict=True)
