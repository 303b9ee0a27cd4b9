"""Feeds of a store's files, row by row, as reading the files leaves them."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from tests.rows import GOOD
from vitrina.contract import Contract
from vitrina.counts import Extracted
from vitrina.exports.feed import FILE, FILE_NUMBER, LINE, feed_schema
from vitrina.exports.store_file import StoreFile
from vitrina.store import Store
from vitrina.stores.lake import Lake

FILES = ("a.csv", "b.csv", "c.csv")


def own_store(*, days: int = 365, fields: Mapping[str, Any] | None = None, **source: Any) -> Store:
    """A store with columns named like the fields; text ids and any region unless `fields` say."""
    columns: dict[str, Any] = {name: {"column": name} for name in GOOD}
    columns["customer_id"]["optional"] = True
    for name, more in (fields or {}).items():
        columns[name] = {**columns.get(name, {}), **more}
    document = {
        "name": "own",
        "title": "Own",
        "days": days,
        "source": {"files": ["*.csv"], "fields": columns, **source},
    }
    return StoreFile.model_validate(document).store()


def exported(
    spark: SparkSession, contract: Contract, *rows: Mapping[str, Any], file: int = 1
) -> DataFrame:
    """A feed: each row a good sale of its own with some values changed, on lines 2, 3, … of a file.

    `file_number` names the file too: 1 is `a.csv`.
    """
    made = []
    for line, row in enumerate(rows, 2):
        whole = {**dict.fromkeys(contract.names), **GOOD, "sale_id": str(line), LINE: line, **row}
        number = whole.setdefault(FILE_NUMBER, file)
        made.append({FILE: FILES[number - 1], **whole})
    return spark.createDataFrame(pa.Table.from_pylist(made, feed_schema(contract)))


def leave_feed(
    spark: SparkSession, lake: Lake, store: Store, *rows: Mapping[str, Any], **counts: Any
) -> None:
    """What extract leaves of these rows, and `counts` of it."""
    with lake.step("extract") as left:
        lake.write(left, "feed", exported(spark, store.contract, *rows), "parquet")
        extracted: dict[str, Any] = {
            "source": "a.csv",
            "files": 1,
            "rows_in": len(rows),
            "feed_rows": len(rows),
            "refunds": 0,
            "added_up": 0,
        }
        left.counts = Extracted(**extracted | counts).document()
