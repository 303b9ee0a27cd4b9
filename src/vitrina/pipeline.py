"""The pipeline: its steps, in order, each declared once, and the run of a batch through them.

The command and the Airflow task of a step, its lineage, its metrics and its row in the summary
all follow from its entry in `STEPS`. A further step is one more entry and one file in `steps/`.
"""

import os
import re
import shlex
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from vitrina import __version__, ledger
from vitrina.counts import (
    Analyzed,
    Cleaned,
    Counts,
    Extracted,
    Generated,
    Loaded,
    Published,
    Result,
    Validated,
    read_result,
)
from vitrina.engine import import_ahead, spark_failures, spark_session
from vitrina.errors import SettingsError, VitrinaError
from vitrina.generator.recipe import Recipe
from vitrina.marts import marts
from vitrina.observability.delivery import line_of
from vitrina.observability.lineage import Lineage
from vitrina.observability.metrics import send_metrics
from vitrina.store import GENERATED, Batch, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from vitrina.settings import Settings
    from vitrina.stores.clickhouse.store import ClickHouse
    from vitrina.stores.lake import Lake
    from vitrina.stores.postgres.runs import RunsOfBatch
    from vitrina.stores.postgres.store import Postgres

# Steps and stores are imported when they run: a DAG parser that reads this list, or a command
# that runs no step, should load neither Spark nor a store's driver.


class Place(NamedTuple):
    """What a step reads or leaves: a dataset of the lake, `<step>/<dataset>`, or a table."""

    store: Literal["lake", "postgresql", "clickhouse"]
    name: str


@dataclass(frozen=True)
class Step:
    """One step of the pipeline. Everything that differs between the steps stands here."""

    name: str
    task: str
    """The id of its task in Airflow."""
    summary: str
    """What it does, in a few words."""
    help: str
    """What it does, in a sentence or two, for the command and the task."""
    reads: tuple[Place, ...]
    leaves: tuple[Place, ...]
    """Dates that a step only marks in the ledger are left out: they would make circles."""
    work: Callable[["Run"], Counts]
    counts: type[Counts]
    """The type of what `work` returns."""
    takes_recipe: bool = False
    """Whether it takes the number of rows and the seed."""
    uses_spark: bool = True
    """Whether it computes anything; one that does not only moves rows between stores."""
    stops_at_few: bool = False
    """Whether it stops a batch of far fewer sales than the one before, unless told to go on."""


def _generate(run: "Run") -> Generated:
    from vitrina.steps import generate

    return generate.run(run.spark, run.lake, run.batch, run.recipe)


def _extract(run: "Run") -> Extracted:
    from vitrina.steps import extract

    return extract.run(run.spark, run.lake, run.batch)


def _validate(run: "Run") -> Validated:
    from vitrina.steps import validate

    return validate.run(run.spark, run.lake, run.batch, run.settings.max_rejected_share)


def _clean(run: "Run") -> Cleaned:
    from vitrina.steps import clean

    return clean.run(run.spark, run.lake, run.batch, run.settings.max_rejected_share)


def _load(run: "Run") -> Loaded:
    from vitrina.steps import load

    return load.run(
        run.lake,
        run.postgres,
        run.batch,
        allow_few=run.settings.allow_few,
        monthly_above=run.settings.postgres_monthly_above,
    )


def _analyze(run: "Run") -> Analyzed:
    from vitrina.steps import analyze

    return analyze.run(run.spark, run.lake, run.postgres, run.batch)


def _publish(run: "Run") -> Published:
    from vitrina.proof.manifest import seal
    from vitrina.steps import publish

    counts = publish.run(run.lake, run.postgres, run.clickhouse, run.batch)
    # Last, so that the manifest has all that the steps left.
    until = [step.work for step in run.steps].index(_publish) + 1
    found = results(run.lake, run.steps[:until])
    seal(run.lake, run.batch, found, run.settings, run.postgres, run.clickhouse, run.started_by)
    return counts


_TYPED = Place("lake", "validate/typed")
_REJECTS = Place("lake", "validate/rejects")
_CLEAN = Place("lake", "clean/clean")
_CONFLICTS = Place("lake", "clean/conflicts")
_SALE = Place("postgresql", "sale")
_LEDGER = tuple(Place("postgresql", name) for name in ledger.NAMES)
# Every contract has marts of the same names.
_MARTS = tuple(Place("postgresql", mart.name) for mart in marts(GENERATED.contract))
_PUBLISHED = tuple(Place("clickhouse", place.name) for place in (*_MARTS, *_LEDGER))

GENERATE = Step(
    name="generate",
    task="generate_data",
    summary="Generate a feed of sales, with defects planted and counted",
    help="Generate a feed of sales for the 365 days before the batch's date, with defects "
    "planted and counted in truth.json.",
    reads=(),
    leaves=(Place("lake", "generate/feed"),),
    work=_generate,
    counts=Generated,
    takes_recipe=True,
)

EXTRACT = Step(
    name="extract",
    task="extract_data",
    summary="Read the store's files into a feed of text, row by row",
    help="Read the store's files, or its table, into a feed of text; keep the files, by checksum, "
    "so that a batch can be run again.",
    reads=(),
    leaves=(Place("lake", "extract/feed"),),
    work=_extract,
    counts=Extracted,
)

_OTHERS = (
    Step(
        name="validate",
        task="validate_data",
        summary="Type every field; reject bad rows with every reason",
        help="Type every field of the feed; reject bad rows with every reason, see report.json. "
        "Too many of them stop the batch.",
        reads=(),
        leaves=(_TYPED, _REJECTS),
        work=_validate,
        counts=Validated,
    ),
    Step(
        name="clean",
        task="clean_data",
        summary="Keep one row per sale",
        help="Keep one row per sale; copies collapse, conflicts are kept with the rejects.",
        reads=(_TYPED,),
        leaves=(_CLEAN, _CONFLICTS),
        work=_clean,
        counts=Cleaned,
    ),
    Step(
        name="load",
        task="load_to_postgresql",
        summary="Load the sales into PostgreSQL",
        help="Load the sales into PostgreSQL, once they sum to what Spark counted; readers see "
        "them once they are published.",
        reads=(_CLEAN,),
        leaves=(_SALE, *_LEDGER),
        work=_load,
        counts=Loaded,
        uses_spark=False,
        stops_at_few=True,
    ),
    Step(
        name="analyze",
        task="run_analytics",
        summary="Compute the marts and reconcile them with the sales",
        help="Compute the marts in Spark; keep them once SQL over the sales gives the same totals.",
        reads=(_CLEAN, _SALE),
        leaves=_MARTS,
        work=_analyze,
        counts=Analyzed,
    ),
    Step(
        name="publish",
        task="publish_to_clickhouse",
        summary="Publish the marts to ClickHouse under the batch's date",
        help="Publish the marts to ClickHouse under the batch's date, reconciled before and after; "
        "show the newest batch to readers of PostgreSQL.",
        reads=(*_MARTS, *_LEDGER),
        leaves=_PUBLISHED,
        work=_publish,
        counts=Published,
        uses_spark=False,
    ),
)


def steps(store: Store) -> tuple[Step, ...]:
    """The steps of a store's batches, in order. They differ in where the feed comes from."""
    first = GENERATE if store.is_generated else EXTRACT
    validate, *others = _OTHERS
    return (first, replace(validate, reads=first.leaves), *others)


STEPS = steps(GENERATED)
"""The steps of the generated shop."""

_NAMED = (EXTRACT.name, *(step.name for step in STEPS), "run", "migrate", "rejects", "archive")
_COMMAND = re.compile(rf"\bvitrina ({'|'.join(_NAMED)})\b(?! --store)")
"""A command that an error tells to run."""


@dataclass(frozen=True)
class Opened:
    """What is open already. A run opens the others itself, and closes only those.

    With `alone`, the caller has seen to it that no other run has the batch, as a run within another
    has; it is not entered in the ledger of runs.
    """

    spark: "SparkSession | None" = None
    postgres: "Postgres | None" = None
    clickhouse: "ClickHouse | None" = None
    alone: bool = False


class Run:
    """One batch under way: what its steps share, opened when first needed, closed together."""

    def __init__(
        self,
        settings: "Settings",
        as_of: date,
        recipe: Recipe | None = None,
        store: Store = GENERATED,
        opened: Opened = Opened(),
        started_by: str = "Python",
    ) -> None:
        self.settings = settings
        self.store = store
        self.steps = steps(store)
        self.batch = Batch(as_of, store)
        self.recipe = recipe or Recipe()
        self.started_by = started_by
        self._opened = opened
        self._to_close = ExitStack()
        self._lineage = Lineage(settings, self.batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._to_close.__exit__(kind, error, traceback)

    def step(self, step: Step) -> Counts:
        """Run one step. What later steps left of this batch in the lake is forgotten first.

        From the first step on, until the run is closed, no other run has the batch.

        Raises:
            SettingsError: the store's batches have no such step.
            StoreUnavailable: another run has the batch.
            VitrinaError: the step cannot be done; what readers see is as it was before.
        """
        names = [each.name for each in self.steps]
        if step.name not in names:
            raise SettingsError(_no_such_step(step, self.store))
        from vitrina.stores.opening import require_owner

        require_owner(self.settings)
        ahead = None
        if step.uses_spark and self._opened.spark is None:
            # The ledger of runs, in PostgreSQL, comes first.
            ahead = import_ahead("vitrina.stores.postgres.store")
        again = f"run: vitrina {step.name} --as-of {self.batch.as_of}"
        with self._recorded(step), naming(self.store):
            if ahead is not None:
                ahead.join()
            self.lake.forget(names[names.index(step.name) + 1 :])
            with self._lineage.run(step), spark_failures(self.settings, again):
                started = time.perf_counter()
                counts = step.work(self)
                seconds = time.perf_counter() - started
        send_metrics(self.settings.statsd, self.store, step.name, counts, seconds)
        return counts

    @contextmanager
    def _recorded(self, step: Step) -> Iterator[None]:
        """Enter the run of a step in the ledger of runs, when it begins and when it has ended."""
        if self._opened.alone:
            yield
            return
        runs = self._runs
        start = ledger.RunStart(
            run_id=uuid.uuid4().hex[:12],
            as_of=self.batch.as_of,
            step=step.name,
            started_at=datetime.now(UTC),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_by=self.started_by,
            version=__version__,
        )
        runs.begin(start)
        try:
            yield
        except BaseException as error:
            # Where this fails too, it is the step's own error that tells.
            with suppress(Exception):
                runs.end(start, self._end_of(step, error))
            raise
        runs.end(start, self._end_of(step))

    def _end_of(self, step: Step, error: BaseException | None = None) -> ledger.RunEnd:
        ended_at, attempt = datetime.now(UTC), None
        # A feed that was not made is of no attempt.
        if error is None or step.name != self.store.feed_step:
            with suppress(Exception):  # What is wrong with the lake, the step tells.
                attempt = self.lake.result(self.store.feed_step).get("attempt")
        if error is None:
            return ledger.RunEnd(ended_at, "done", None, attempt)
        if isinstance(error, KeyboardInterrupt):
            return ledger.RunEnd(ended_at, "interrupted", None, attempt)
        return ledger.RunEnd(ended_at, "failed", line_of(error), attempt)

    @cached_property
    def _runs(self) -> "RunsOfBatch":
        return self._to_close.enter_context(self.postgres.alone_with(self.batch))

    @cached_property
    def lake(self) -> "Lake":
        from vitrina.stores.addresses import lake_root
        from vitrina.stores.lake import Lake

        return Lake(lake_root(self.settings, self.store), self.batch.as_of)

    @cached_property
    def spark(self) -> "SparkSession":
        return self._opened.spark or self._to_close.enter_context(spark_session(self.settings))

    @cached_property
    def postgres(self) -> "Postgres":
        from vitrina.stores.opening import open_postgres

        return self._opened.postgres or self._to_close.enter_context(
            open_postgres(self.settings, self.store)
        )

    @cached_property
    def clickhouse(self) -> "ClickHouse":
        from vitrina.stores.opening import open_clickhouse

        return self._opened.clickhouse or self._to_close.enter_context(
            open_clickhouse(self.settings, self.store)
        )


@contextmanager
def naming(store: Store) -> Iterator[None]:
    """Make commands that an error tells to run be for this store, so that they can be copied."""
    try:
        yield
    except VitrinaError as error:
        if store.file is not None:
            option = f" --store {shlex.quote(str(store.file))}"
            error.args = (_COMMAND.sub(lambda found: found[0] + option, str(error)),)
        raise


def _no_such_step(step: Step, store: Store) -> str:
    if store.is_generated:
        return (
            f"{step.name} needs a store's file: give --store store.toml, or set VITRINA_STORE; "
            "a batch of the generated shop begins with: vitrina generate"
        )
    return (
        f"{step.name} is for the generated shop; a batch of {store.name} begins with: "
        f"vitrina {store.feed_step}"
    )


def results(lake: "Lake", steps: Sequence[Step]) -> dict[str, Result[Counts]]:
    """What each of the steps left of a batch, by its name, in order.

    Raises:
        BatchError: a step has not ended for this batch.
        CorruptFile: what it left cannot be read.
    """
    return {step.name: read_result(lake.result(step.name), step.counts) for step in steps}
