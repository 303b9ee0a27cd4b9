"""The weekly batch: the steps of `vitrina.pipeline` as Airflow tasks, nothing more.

Parsing this file imports neither Spark nor a store; all work happens inside the tasks.
"""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowFailException

from vitrina.contract import SALES, TIME_ZONE
from vitrina.errors import SettingsError, VitrinaError
from vitrina.generator.recipe import ROWS, SEED, Parameter, Recipe
from vitrina.observability.alerts import batch_date, keep_error, tell_failed, tell_late
from vitrina.pipeline import STEPS, Run, Step
from vitrina.settings import load_settings


def run_step(step: Step, as_of: str) -> None:
    """Run one step of the batch `as_of`. Airflow retries what may pass, and nothing else."""
    try:
        recipe = recipe_of_this_run() if step.takes_recipe else Recipe()
        with Run(load_settings(), date.fromisoformat(as_of), recipe) as run:
            counts = run.step(step)
    except Exception as error:
        keep_error(error)
        if not isinstance(error, VitrinaError) or error.transient:
            raise
        # Trying again would give the same answer.
        raise AirflowFailException(str(error)) from error
    print(f"{step.name} {as_of}: {counts.rows_left:,} rows; {counts.note}")


def recipe_of_this_run() -> Recipe:
    params: dict[str, Any] = dict(get_current_context()["params"])
    return Recipe(params["rows"], params["seed"])


def as_of_this_run() -> str:
    context: dict[str, Any] = dict(get_current_context())
    run = context["dag_run"]
    return batch_date(context["params"]["as_of"], context.get("logical_date"), run.run_after)


def deadline() -> DeadlineAlert | None:
    """When a run is late. None unless the settings ask for it: `dags test` breaks with one."""
    hours = None
    # A mistake in the settings is told by the first task, where people see it.
    with suppress(SettingsError):
        hours = load_settings().alert_late_after
    if hours is None:
        return None
    queued = DeadlineReference.DAGRUN_QUEUED_AT
    return DeadlineAlert(queued, timedelta(hours=hours), AsyncCallback(tell_late))


def as_task(step: Step) -> Any:
    """The task of a step. It takes the batch's date from the task before, and hands it on."""
    tables = [place for place in step.leaves if place.store != "lake"]

    @task(
        task_id=step.task,
        outlets=[
            Asset(name=f"{place.store}.{place.name}", uri=f"vitrina://{place.store}/{place.name}")
            for place in tables
        ],
        doc_md=step.help,
    )
    def work(as_of: str | None = None) -> str:
        day = as_of or as_of_this_run()
        run_step(step, day)
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


@dag(
    dag_id="sales",
    schedule=CronTriggerTimetable("45 12 * * 2", timezone=TIME_ZONE),
    catchup=False,
    max_active_runs=1,
    tags=["vitrina"],
    params={
        "rows": whole_number(ROWS),
        "seed": whole_number(SEED),
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            description="The batch: sales of the 365 days before this date. "
            "Unless given, the day of the run in Moscow",
        ),
    },
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=1),
    },
    dagrun_timeout=timedelta(hours=6),
    on_failure_callback=tell_failed,
    deadline=deadline(),
    doc_md=f"""
### Sales, every Tuesday at 12:45 in Moscow

{len(SALES.fields)} fields of a sale, {len(STEPS)} steps, one batch a run. Each step is a function
of the batch and of what the step before left: clear a task and it does its work again, doubling
nothing. A figure that does not reconcile fails the run, and readers keep the batch before.
""",
)
def sales() -> None:
    first, *others = map(as_task, STEPS)
    done = first()
    for work in others:
        done = work(done)


sales()
