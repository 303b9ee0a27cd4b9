"""Batches that take the way through the steps: generated ones, and some made by hand."""

import datetime
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession

from tests.lakes import generated
from tests.odd_feed import odd_feed
from tests.recomputation import Table
from tests.rows import BATCH, feed
from vitrina.contract import SALES
from vitrina.counts import Cleaned, Extracted, Validated
from vitrina.generator.recipe import Dirt, Recipe
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.settings import Settings
from vitrina.store import Batch
from vitrina.stores.lake import Lake

_FILTHY = Dirt(Decimal("0.04"), Decimal("0.03"), Decimal("0.02"))
_LEAP_DAY = datetime.date(2024, 2, 29)

GENERATED = {
    "default dirt": (Batch(datetime.date(2026, 11, 17)), Recipe(8_000, 7)),
    # The leap day is the window's last day here, and the first after it below.
    "much dirt": (Batch(_LEAP_DAY + datetime.timedelta(1)), Recipe(5_000, 2024, _FILTHY)),
    "few sales": (Batch(_LEAP_DAY), Recipe(150, 29, _FILTHY)),
}
BY_HAND: dict[str, tuple[Batch, list[dict[str, str | None]]]] = {
    "nothing valid": (Batch(datetime.date(2026, 11, 10)), [{"quantity": "0"}, {"region": None}]),
    "odd cases": (BATCH, odd_feed()),
}
BATCHES = {name: batch for name, (batch, _) in [*GENERATED.items(), *BY_HAND.items()]}


def prepare(spark: SparkSession, name: str, root: str) -> Lake:
    """A lake in which the batch is generated, validated and clean."""
    batch, recipe = GENERATED.get(name, (BATCHES[name], Recipe()))
    settings = Settings(lake=root, max_rejected_share=Decimal(1))
    with Run(settings, batch.as_of, recipe, opened=Opened(spark=spark, alone=True)) as run:
        if name in BY_HAND:
            rows = BY_HAND[name][1]
            with run.lake.step("generate") as left:
                # CSV would not tell an empty text from a missing one.
                run.lake.write(left, "feed", feed(spark, *rows), "parquet")
                left.counts = generated(len(rows)).document()
        for step in STEPS[name in BY_HAND : 3]:
            run.step(step)
        return run.lake


def until_clean(run: Run) -> tuple[Extracted, Validated, Cleaned]:
    """Take a store's own files through the steps before the stores; what each counted."""
    extracted, validated, cleaned = (run.step(step) for step in run.steps[:3])
    assert isinstance(extracted, Extracted)
    assert isinstance(validated, Validated)
    assert isinstance(cleaned, Cleaned)
    return extracted, validated, cleaned


def read(spark: SparkSession, lake: Lake, step: str, name: str) -> DataFrame:
    return lake.read(spark, lake.dataset(step, name))


def valid_rows(typed: DataFrame) -> DataFrame:
    """The fields and the repairs of the rows that validation lets through."""
    return typed.where("reasons IS NULL").selectExpr(
        *SALES.names, "coalesce(repairs, cast(array() AS array<string>)) AS repairs"
    )


def collect(frame: DataFrame) -> Table:
    return Table.of(frame.columns, frame.collect())
