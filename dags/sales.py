"""The weekly batches: the steps of `vitrina.pipeline` as Airflow tasks, a DAG a store.

Parsing this file imports neither Spark nor a database's driver; all work happens inside the tasks.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowFailException

from vitrina.contract import TIME_ZONE
from vitrina.errors import SettingsError, VitrinaError
from vitrina.exports.store_file import load_store, load_stores
from vitrina.generator.recipe import ROWS, SEED, Parameter, Recipe
from vitrina.observability.alerts import batch_date, keep_error, tell_failed, tell_late
from vitrina.pipeline import EXTRACT, GENERATE, STEPS, Place, Run, Step, steps
from vitrina.settings import expanded, load_settings, named_store
from vitrina.store import GENERATED, Store


@dataclass(frozen=True)
class Sales:
    """A DAG: its id, and its store, or why that cannot be read."""

    dag_id: str
    store: Store | None
    error: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        return (EXTRACT, *STEPS[1:]) if self.store is None else steps(self.store)

    @property
    def time_zone(self) -> str:
        return TIME_ZONE if self.store is None else self.store.time_zone

    @property
    def takes_recipe(self) -> bool:
        return GENERATE in self.steps


def all_sales() -> list[Sales]:
    """The DAGs: of the generated shop, of the store that the settings name, or of each in a folder.

    A store that cannot be read has a DAG as well, whose first task tells why.
    """
    named = named_store()
    if named is None:
        return [Sales("sales", GENERATED)]
    try:
        named = expanded(named).absolute()
        if not named.is_dir():
            return [Sales("sales", load_store(named))]
        found = load_stores(named)
    except SettingsError as error:
        return [Sales("sales", None, str(error))]
    return [Sales(f"sales_{each.name}", each.store, each.error) for each in found]


def run_step(step: Step, as_of: str, sales: Sales) -> None:
    """Run one step of the batch `as_of`. Airflow retries what may pass, and nothing else."""
    try:
        if sales.store is None:
            raise SettingsError(sales.error)
        recipe = recipe_of_this_run() if step.takes_recipe else None
        day, started_by = date.fromisoformat(as_of), this_try()
        with Run(load_settings(), day, recipe, sales.store, started_by=started_by) as run:
            counts = run.step(step)
    except Exception as error:
        keep_error(error)
        if not isinstance(error, VitrinaError) or error.transient:
            raise
        # Trying again would give the same answer.
        raise AirflowFailException(str(error)) from error
    print(f"{step.name} {as_of}: {counts.rows_left:,} rows; {counts.note}")


def this_try() -> str:
    """What Airflow calls the task's run, for the ledger of runs."""
    context: dict[str, Any] = dict(get_current_context())
    task_run = context["ti"]
    return (
        f"Airflow {task_run.dag_id}.{task_run.task_id}, {task_run.run_id}, "
        f"try {task_run.try_number}"
    )


def recipe_of_this_run() -> Recipe:
    params: dict[str, Any] = dict(get_current_context()["params"])
    return Recipe(params["rows"], params["seed"])


def as_of_this_run(time_zone: str) -> str:
    context: dict[str, Any] = dict(get_current_context())
    run, day = context["dag_run"], context.get("logical_date")
    return batch_date(context["params"]["as_of"], day, run.run_after, time_zone)


def deadline(time_zone: str) -> DeadlineAlert | None:
    """When a run is late. None unless the settings ask for it: `dags test` breaks with one."""
    hours = None
    # A mistake in the settings is told by the first task, where people see it.
    with suppress(SettingsError):
        hours = load_settings().alert_late_after
    if hours is None:
        return None
    queued = DeadlineReference.DAGRUN_QUEUED_AT
    late = AsyncCallback(tell_late, {"time_zone": time_zone})
    return DeadlineAlert(queued, timedelta(hours=hours), late)


def as_asset(place: Place, store: Store | None) -> Asset:
    """A table; that of a store with a file is named by the store, too."""
    owner = () if store is None or store.is_generated else (f"store_{store.name}",)
    parts = (place.store, *owner, place.name)
    return Asset(name=".".join(parts), uri=f"vitrina://{'/'.join(parts)}")


def as_task(step: Step, sales: Sales) -> Any:
    """The task of a step. It takes the batch's date from the task before, and hands it on."""
    tables = [place for place in step.leaves if place.store != "lake"]

    @task(
        task_id=step.task,
        outlets=[as_asset(place, sales.store) for place in tables],
        doc_md=step.help,
    )
    def work(as_of: str | None = None) -> str:
        day = as_of or as_of_this_run(sales.time_zone)
        run_step(step, day, sales)
        return day

    return work


def whole_number(parameter: Parameter) -> Param:
    return Param(
        parameter.default,
        type="integer",
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        description=parameter.description,
    )


def parameters(sales: Sales) -> dict[str, Param]:
    days = GENERATED.contract.days if sales.store is None else sales.store.contract.days
    recipe = {"rows": whole_number(ROWS), "seed": whole_number(SEED)}
    return {
        **(recipe if sales.takes_recipe else {}),
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            description=f"The batch: sales of the {days} days before this date. "
            f"Unless given, the day of the run in {sales.time_zone}",
        ),
    }


def as_dag(sales: Sales) -> Any:
    """The DAG of a store: its steps, one after another."""
    title = "Sales" if sales.takes_recipe or not sales.store else f"Sales of {sales.store.title}"

    @dag(
        dag_id=sales.dag_id,
        schedule=CronTriggerTimetable("45 12 * * 2", timezone=TIME_ZONE),
        catchup=False,
        max_active_runs=1,
        tags=["vitrina"],
        params=parameters(sales),
        default_args={
            "retries": 3,
            "retry_delay": timedelta(seconds=30),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=10),
            "execution_timeout": timedelta(hours=1),
        },
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=partial(tell_failed, time_zone=sales.time_zone),
        deadline=deadline(sales.time_zone),
        doc_md=f"""
### {title}, every Tuesday at 12:45 in Moscow

{len(sales.steps)} steps, one batch a run. Each step is a function of the batch and of what the step
before left: clear a task and it does its work again, doubling nothing. A figure that does not
reconcile fails the run, and readers keep the batch before.

{sales.error}
""",
    )
    def flow() -> None:
        first, *others = [as_task(step, sales) for step in sales.steps]
        done = first()
        for work in others:
            done = work(done)

    return flow()


for each in all_sales():
    as_dag(each)
