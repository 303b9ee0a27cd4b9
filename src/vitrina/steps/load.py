"""Load: the clean sales in, a partition of PostgreSQL's sales out, with the batch in the ledger."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import pyarrow as pa
from pyarrow import parquet

from vitrina.columns import arrow_schema
from vitrina.counts import (
    Cleaned,
    Extracted,
    Fates,
    Generated,
    Loaded,
    Result,
    Validated,
    fates,
    read_feed_result,
    read_result,
    rejects_by_reason,
)
from vitrina.errors import CorruptFile, FeedError, ReconciliationError
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
    attempt: str | None,
) -> LedgerEntry:
    """What the ledger says of a batch, from what its steps counted. It began with its feed.

    Raises:
        ReconciliationError: the rows in are not clean + rejected + set aside + collapsed +
            superseded.
    """
    rows = fates(fed.counts, validated, cleaned)
    _require_every_row(rows, batch)
    return LedgerEntry(
        as_of=batch.as_of,
        source=fed.counts.source,
        seed=fed.counts.seed,
        rows_in=rows.rows_in,
        clean=rows.clean,
        rejected=rows.rejected,
        repaired=validated.repaired,
        collapsed=rows.collapsed,
        set_aside=rows.set_aside,
        superseded=rows.superseded,
        total_sales_amount=cleaned.total_sales_amount,
        started_at=fed.started,
        loaded_at=datetime.now(UTC),
        attempt=attempt,
    )


def require_enough(entry: LedgerEntry, ledger: Iterable[LedgerEntry]) -> None:
    """Refuse a batch with no sales, or less than half of those of the newest batch before it.

    Raises:
        FeedError: names the setting that lets it pass.
    """
    earlier = [each for each in ledger if each.as_of < entry.as_of]
    before = max(earlier, key=lambda each: each.as_of, default=None)
    if entry.clean > 0 and (before is None or 2 * entry.clean >= before.clean):
        return
    than = "" if before is None else f", and batch {before.as_of} has {before.clean:,}"
    raise FeedError(
        f"batch {entry.as_of} has {entry.clean:,} sales{than}; of {entry.rows_in:,} rows "
        f"{entry.rejected:,} were rejected, {entry.set_aside:,} set aside, {entry.collapsed:,} "
        f"collapsed and {entry.superseded:,} superseded. Nothing was loaded; if that is right, "
        "set VITRINA_ALLOW_FEW=true"
    )


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
                # Else Arrow keeps what a row group took, and for each a little more.
                pa.default_memory_pool().release_unused()
            except (pa.ArrowException, KeyError, OSError) as error:
                raise CorruptFile(
                    f"{lake.root}/{file.path} does not have the contract's columns: {error}; "
                    f"run: vitrina clean --as-of {batch.as_of}"
                ) from error

    return [share() for _ in range(_CONNECTIONS)]


def run(
    lake: Lake,
    postgres: Postgres,
    batch: Batch,
    *,
    allow_few: bool = False,
    monthly_above: int | None = None,
) -> Loaded:
    """Load the batch beside the others; readers of `sale` see it once it is published.

    More sales than `monthly_above` are kept by month; all in one piece unless given. How many
    sales are generated is for whoever runs it; of a store's own, few are refused unless
    `allow_few`.

    Raises:
        BatchError: clean has not ended for this batch, or was made from another attempt.
        CorruptFile: a clean file is not the one that was written, or rows are missing.
        FeedError: there are no sales, or less than half of those of the batch before.
        ReconciliationError: rows or money went astray; readers see what they saw before.
        StoreError: two sales have one `sale_id`; the same.
        StoreUnavailable: another load of the batch, or a reader of one that is no longer kept, was
            not done in time.
    """
    before = [lake.result(step) for step in (batch.store.feed_step, "validate", "clean")]
    with lake.step("load", *before) as left:
        feed, validation, cleaning = before
        validated = read_result(validation, Validated).counts
        cleaned = read_result(cleaning, Cleaned).counts
        fed = read_feed_result(feed, batch.store)
        entry = ledger_entry(batch, fed, validated, cleaned, left.attempt)
        dataset = lake.handed_over(cleaning, "clean", cleaned.clean)
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
        if not batch.store.is_generated and not allow_few:
            require_enough(entry, postgres.ledger())
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


def _require_every_row(rows: Fates, batch: Batch) -> None:
    if rows.rows_in != rows.accounted_for:
        raise ReconciliationError(
            "batch",
            "rows_in",
            expected=(f"the step {batch.store.feed_step}", rows.rows_in),
            actual=("clean + rejected + set aside + collapsed + superseded", rows.accounted_for),
            left=f"nothing was loaded; run: vitrina validate --as-of {batch.as_of}",
        )
