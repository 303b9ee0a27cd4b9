"""The pipeline: six steps, in order, for one batch. `cli.py` and `dags/sales.py` read this list."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vitrina.contract import SALES, Batch, Contract
from vitrina.generator.recipe import Recipe
from vitrina.observability.lineage import Lineage
from vitrina.observability.metrics import send_metrics
from vitrina.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from vitrina.stores.clickhouse.store import ClickHouse
    from vitrina.stores.lake import Lake
    from vitrina.stores.postgres.store import Postgres

Counts = dict[str, Any]

# The steps are imported when they run: reading this list must cost a DAG parser, or a
# command that runs no step, neither Spark nor a store.


def _generate(run: "Run") -> Counts:
    from vitrina.steps import generate

    return generate.run(run.spark, run.lake, run.batch, run.recipe)


def _validate(run: "Run") -> Counts:
    from vitrina.steps import validate

    return validate.run(run.spark, run.lake, run.batch, run.settings.max_rejected_share)


def _clean(run: "Run") -> Counts:
    from vitrina.steps import clean

    return clean.run(run.spark, run.lake, run.batch)


def _load(run: "Run") -> Counts:
    from vitrina.steps import load

    return load.run(run.lake, run.postgres, run.batch)


def _analyze(run: "Run") -> Counts:
    from vitrina.steps import analyze

    return analyze.run(run.spark, run.lake, run.postgres, run.batch)


def _publish(run: "Run") -> Counts:
    from vitrina.steps import publish

    return publish.run(run.lake, run.postgres, run.clickhouse, run.batch)


@dataclass(frozen=True)
class Step:
    name: str
    summary: str
    work: Callable[["Run"], Counts]


STEPS = (
    Step("generate", "Generate a feed of sales, with defects planted and counted", _generate),
    Step("validate", "Type every field; reject bad rows with every reason", _validate),
    Step("clean", "Keep one row per sale", _clean),
    Step("load", "Replace the sales in PostgreSQL", _load),
    Step("analyze", "Compute the marts and reconcile them with the sales", _analyze),
    Step("publish", "Publish the marts to ClickHouse under the batch's date", _publish),
)


class Run:
    """One batch under way: what its steps share, opened when first needed, closed together."""

    def __init__(
        self,
        settings: Settings,
        as_of: date,
        recipe: Recipe,
        contract: Contract = SALES,
    ) -> None:

        self.settings = settings
        self.batch = Batch(as_of, contract)
        self.recipe = recipe
        self._open = ExitStack()
        self._lineage = Lineage(settings, self.batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def step(self, step: Step) -> Counts:
        """Run one step. What later steps left of this batch in the lake is forgotten first.

        Raises:
            VitrinaError: the step cannot be done; what readers see is as it was before.
        """
        names = [each.name for each in STEPS]
        self.lake.forget(names[names.index(step.name) + 1 :])
        with self._lineage.run(step.name):
            started = time.perf_counter()
            counts = step.work(self)
            seconds = time.perf_counter() - started
        send_metrics(self.settings.statsd, step.name, counts, seconds)
        return counts

    @cached_property
    def lake(self) -> "Lake":
        from vitrina.stores.lake import Lake

        return Lake(self.settings.lake_root, self.batch.as_of)

    @cached_property
    def spark(self) -> "SparkSession":
        from vitrina.engine import spark_session

        return self._open.enter_context(spark_session(self.settings))

    @cached_property
    def postgres(self) -> "Postgres":
        from vitrina.stores.opening import open_postgres

        return self._open.enter_context(open_postgres(self.settings))

    @cached_property
    def clickhouse(self) -> "ClickHouse":
        from vitrina.stores.opening import open_clickhouse

        return self._open.enter_context(open_clickhouse(self.settings))
