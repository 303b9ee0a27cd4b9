"""Load: the clean sales in, PostgreSQL's `sale` out, with the batch in the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import pyarrow as pa
from pyarrow import parquet

from vitrina.columns import arrow_schema
from vitrina.counts import (
    Cleaned,
    Extracted,
    Generated,
    Loaded,
    Result,
    Validated,
    read_result,
    rejects_by_reason,
)
from vitrina.errors import CorruptFile, ReconciliationError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.store import Batch
from vitrina.stores.lake import Dataset, File, Lake
from vitrina.stores.postgres.store import Postgres

# Two connections copy twice as fast as one; more than two gain nothing on a few cores.
_CONNECTIONS = 2
# Rows held in memory at a time, by each connection.
_BATCH_ROWS = 65_536


def ledger_entry(
    batch: Batch,
    fed: Result[Generated] | Result[Extracted],
    validated: Validated,
    cleaned: Cleaned,
) -> LedgerEntry:
    """What the ledger says of a batch, from what its steps counted. It began with its feed.

    Raises:
        ReconciliationError: the rows in are not clean + rejected + collapsed.
    """
    entry = LedgerEntry(
        as_of=batch.as_of,
        source=fed.counts.source,
        seed=fed.counts.seed,
        rows_in=validated.rows_in,
        clean=cleaned.clean,
        rejected=validated.rejected + cleaned.conflicting,
        repaired=validated.repaired,
        collapsed=cleaned.collapsed,
        set_aside=0,
        superseded=0,
        total_sales_amount=cleaned.total_sales_amount,
        started_at=fed.started,
        loaded_at=datetime.now(UTC),
    )
    accounted_for = entry.clean + entry.rejected + entry.collapsed
    if entry.rows_in != accounted_for:
        raise ReconciliationError(
            "batch",
            "rows_in",
            expected=("the feed", entry.rows_in),
            actual=("clean + rejected + collapsed", accounted_for),
            left=f"nothing was loaded; run: vitrina validate --as-of {batch.as_of}",
        )
    return entry


def read_feed_result(lake: Lake, batch: Batch) -> Result[Generated] | Result[Extracted]:
    """What the step that left the feed counted."""
    document = lake.result(batch.store.feed_step)
    if batch.store.source is None:
        return read_result(document, Generated)
    return read_result(document, Extracted)


def shares(lake: Lake, dataset: Dataset, batch: Batch) -> list[Iterator[pa.RecordBatch]]:
    """The rows of a dataset as streams of record batches, to be read in parallel.

    Together they yield each row once. Each takes the next row group that no other has taken,
    so that all end at the same time, whether there are many files or one.
    """
    schema = arrow_schema(batch.contract.fields)
    row_groups: SimpleQueue[tuple[File, int]] = SimpleQueue()
    for file in dataset.files:
        with lake.open(file) as source:
            for group in range(parquet.ParquetFile(source).num_row_groups):
                row_groups.put((file, group))

    def share() -> Iterator[pa.RecordBatch]:
        while True:
            try:
                file, group = row_groups.get_nowait()
            except Empty:
                return
            try:
                with lake.open(file) as source:
                    for rows in parquet.ParquetFile(source).iter_batches(
                        _BATCH_ROWS, row_groups=[group], columns=schema.names
                    ):
                        yield rows.select(schema.names).cast(schema)
            except (pa.ArrowException, KeyError, OSError) as error:
                raise CorruptFile(
                    f"{lake.root}/{file.path} does not have the contract's columns: {error}; "
                    f"run: vitrina clean --as-of {batch.as_of}"
                ) from error

    return [share() for _ in range(_CONNECTIONS)]


def run(
    lake: Lake, postgres: Postgres, batch: Batch, *, monthly_above: int | None = None
) -> Loaded:
    """Load the batch; readers of `sale` see the old batch until they see the new one, whole.

    More sales than `monthly_above` are kept by month; PostgreSQL's own limit unless given.

    Raises:
        BatchError: clean has not ended for this batch.
        CorruptFile: a clean file is not the one that was written.
        ReconciliationError: rows or money went astray; `sale` holds what it held before.
        StoreError: two sales have one `sale_id`; the same.
        StoreUnavailable: other writers or readers were not done in time.
    """
    with lake.step("load") as left:
        fed = read_feed_result(lake, batch)
        validated = read_result(lake.result("validate"), Validated).counts
        cleaned = read_result(lake.result("clean"), Cleaned).counts
        entry = ledger_entry(batch, fed, validated, cleaned)
        dataset = lake.dataset("clean", "clean")
        expected = ControlTotals(
            "spark",
            "sale",
            cleaned.clean - cleaned.total_returns,
            cleaned.total_quantity,
            cleaned.total_sales_amount,
            cleaned.total_returns,
            cleaned.total_returns_amount,
        )
        postgres.create_tables(batch.contract)
        loaded = postgres.replace_sales(
            batch,
            entry,
            rejects_by_reason(validated, cleaned),
            expected,
            shares(lake, dataset, batch),
            monthly_above=monthly_above,
        )
        counts = Loaded(
            loaded.total_sales,
            loaded.total_quantity,
            loaded.total_sales_amount,
            loaded.total_returns,
            loaded.total_returns_amount,
        )
        left.counts = counts.document()
    return counts
