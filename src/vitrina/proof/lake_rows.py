"""Rows of the lake as a proof reads them: without Spark, and few at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from vitrina.columns import arrow_schema
from vitrina.contract import Contract
from vitrina.stores.lake import Dataset, Lake

Range = tuple[date | None, date | None]
"""Days `first <= day < end`; None leaves that side open."""

_AT_A_TIME = 2_000_000
"""Sales in memory at a time."""


def ranges(lake: Lake, clean: Dataset) -> Iterator[Range]:
    """Days in a row with few sales each; together every day that there is."""
    days = Counter[date]()
    for rows in _batches(lake, clean, ["sale_date"]):
        for each in pc.value_counts(rows.column(0)).to_pylist():
            days[each["values"]] += each["counts"]
    first: date | None = None
    count = 0
    for day in sorted(days):
        if count and count + days[day] > _AT_A_TIME:
            yield first, day
            first, count = day, 0
        count += days[day]
    yield first, None


def clean_sales(lake: Lake, clean: Dataset, contract: Contract, days: Range) -> pa.Table:
    """The clean sales of some days, in no order, each type exactly as declared."""
    schema = arrow_schema(contract.fields)
    first, end = days
    found = []
    for batch in _batches(lake, clean, schema.names):
        rows = batch.select(schema.names).cast(schema)
        if first is not None:
            rows = rows.filter(pc.greater_equal(rows.column("sale_date"), first))
        if end is not None:
            rows = rows.filter(pc.less(rows.column("sale_date"), end))
        found.append(rows)
    return pa.Table.from_batches(found, schema)


def feed_rows(lake: Lake, feed: Dataset, contract: Contract) -> pa.RecordBatchReader:
    """The feed, each field as the text that stands there."""
    texts = pa.schema([(name, pa.string()) for name in contract.names])
    is_parquet = feed.format == "parquet"
    rows = _batches(lake, feed) if is_parquet else _texts(lake, feed, texts)
    first = next(rows, None)
    if first is None:
        return pa.RecordBatchReader.from_batches(texts, [])
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], rows))


def _batches(
    lake: Lake, dataset: Dataset, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    for file in dataset.files:
        with lake.open(file) as stream:
            yield from parquet.ParquetFile(stream).iter_batches(columns=columns)


def _texts(lake: Lake, dataset: Dataset, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    types = {field.name: field.type for field in schema}
    for file in dataset.files:
        with lake.open(file) as stream:
            yield from arrow_csv.open_csv(
                stream,
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(column_types=types),
            )
