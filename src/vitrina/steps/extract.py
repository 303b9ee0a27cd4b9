"""Extract: a store's files in, the feed out, with the file and the line of every row."""

from pyspark.sql import SparkSession

from vitrina.counts import Extracted
from vitrina.store import Batch
from vitrina.stores.lake import Lake


def run(spark: SparkSession, lake: Lake, batch: Batch) -> Extracted:
    """Read the store's files; leaves `feed`."""
    raise NotImplementedError
