"""A batch recomputed from its feed by DuckDB: every fate, every sale, every cell of the marts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from vitrina.documents import Document
from vitrina.errors import BatchError, CorruptFile
from vitrina.marts import Mart, marts
from vitrina.proof.checks import Check, few
from vitrina.proof.differences import differences
from vitrina.proof.lake_rows import clean_sales, feed_rows, ranges
from vitrina.proof.recomputed import (
    OfFiles,
    counts,
    create_marts,
    recompute_sales,
    rows_of_mart,
    sales_of,
    working_memory,
)
from vitrina.proof.rows import SALE_ORDER, in_order, sha256
from vitrina.store import Batch
from vitrina.stores.lake import Lake

if TYPE_CHECKING:
    import duckdb


@contextmanager
def recomputed(
    lake: Lake, batch: Batch, folder: Path | None = None, mebibytes: int = 1024
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """The batch's sales and marts, from the feed that the lake holds. What needs more goes to disk.

    Raises:
        BatchError, CorruptFile: the feed is not there, or is not the one that was written.
    """
    store, contract = batch.store, batch.contract
    of_files = None
    if store.source is not None:
        of_files = OfFiles(adds_up=store.source.add_up is not None)
    feed = feed_rows(lake, lake.dataset(store.feed_step, "feed"), contract)
    with working_memory(folder, mebibytes) as database:
        recompute_sales(database, feed, contract, batch.as_of, of_files)
        create_marts(
            database,
            batch.as_of,
            contract.days,
            contract.regions,
            has_orders=contract.has_orders,
        )
        yield database


def check_feed(
    lake: Lake,
    batch: Batch,
    said: Document,
    published: Callable[[Mart], pa.Table | None],
    folder: Path,
    mebibytes: int,
) -> Check:
    """The recomputed batch against the manifest, the clean sales and the marts as published."""
    try:
        with recomputed(lake, batch, folder, mebibytes) as database:
            found = counts(database)
            wrong = _fates(found, said, batch)
            wrong += clean_differences(database, lake, batch)
            for mart in marts(batch.contract):
                rows = in_order(rows_of_mart(database, mart), mart.key)
                if sha256(rows, mart.columns) != said["tables"][mart.name]["sha256"]:
                    wrong += _of_mart(mart, rows, published(mart))
    except (BatchError, CorruptFile) as error:
        return Check("feed", "", (f"nothing was recomputed: {error}",))
    return Check("feed", f"{found['rows_in']:,} rows, recomputed", few(wrong))


def clean_differences(database: "duckdb.DuckDBPyConnection", lake: Lake, batch: Batch) -> list[str]:
    """Where the clean sales of the lake are not the recomputed ones."""
    wrong = []
    clean = lake.dataset("clean", "clean")
    for days in ranges(lake, clean):
        expected = in_order(sales_of(database, batch.contract, *days), SALE_ORDER)
        actual = in_order(clean_sales(lake, clean, batch.contract, days), SALE_ORDER)
        told = differences(expected, actual, batch.contract.fields, ("sale_id",))
        wrong += [f"the clean sales, {each}" for each in told]
    return wrong


def _fates(found: Mapping[str, int], said: Document, batch: Batch) -> list[str]:
    """The fates of the manifest that are not the recomputed ones."""
    added_up = said["steps"][batch.store.feed_step]["counts"].get("added_up", 0)
    expected = {
        "rows_in": found["rows_in"] + added_up,
        "clean": found["clean"],
        "rejected": found["rejected"] + found["conflicting"],
        "set_aside": found["set_aside"] - found["superseded_set_aside"],
        "collapsed": found["collapsed"] + added_up,
        "superseded": found["superseded"],
    }
    return [
        f"the manifest: {name} is {said['fates'][name]}, expected {rows}"
        for name, rows in expected.items()
        if said["fates"][name] != rows
    ]


def _of_mart(mart: Mart, rows: pa.Table, published: pa.Table | None) -> list[str]:
    """How the published rows of a mart differ from the recomputed ones."""
    if published is None:
        return [f"{mart.name}: the published rows are not the recomputed ones"]
    told = differences(rows, published, mart.columns, mart.key)
    return [f"{mart.name} as published, {each}" for each in told]
