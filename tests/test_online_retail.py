"""The example of UCI Online Retail, in which every figure is that of DuckDB from the same file.

`python -m tests.online_retail FILE` does the same for the whole data set.
"""

import datetime
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from tests.online_retail import Figures, by_duckdb, by_vitrina, compare, store_of
from vitrina.pipeline import Opened
from vitrina.settings import Settings

EXAMPLE = Path(__file__).parents[1] / "examples/stores/online-retail/exports/november.csv"
AS_OF = datetime.date(2026, 12, 1)


def test_every_fate_and_every_cell_of_the_marts_is_duckdbs(
    spark: SparkSession, home: Path, database: str
) -> None:
    # One row of so few is more than a run lets pass.
    settings = Settings(
        home=home, postgres_dsn=SecretStr(database), max_rejected_share=Decimal("0.2")
    )
    found = by_vitrina(EXAMPLE, AS_OF, settings, Opened(spark=spark))
    expected = by_duckdb(EXAMPLE, AS_OF, store_of(EXAMPLE))
    assert found.fates.total() == 10
    assert {name: len(found.marts["ClickHouse"][name].rows) for name in found.marts["ClickHouse"]}[
        "sales_by_product"
    ] == 5
    assert compare(found, expected) == []


@pytest.mark.parametrize("column", ["total_returns_amount", "total_orders", "sales_rank"])
def test_one_altered_cell_is_found(column: str) -> None:
    expected = by_duckdb(EXAMPLE, AS_OF, store_of(EXAMPLE))
    table = expected.marts["DuckDB"]["sales_by_product"]
    place = table.columns.index(column)
    first = list(table.rows[0])
    first[place] = Decimal(first[place]) + 1
    altered = replace(table, rows=[tuple(first), *table.rows[1:]])
    marts = {**expected.marts["DuckDB"], "sales_by_product": altered}
    (difference,) = compare(Figures(expected.fates, {"there": marts}), expected)
    assert column in difference
