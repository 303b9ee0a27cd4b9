"""The weekly batch: the six steps of `vitrina.pipeline` as Airflow tasks, nothing more.

Parsing this file imports neither Spark nor a store; all work happens inside the tasks.
"""

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowFailException

from vitrina.contract import SALES
from vitrina.errors import VitrinaError
from vitrina.generator.recipe import Recipe
from vitrina.marts import marts
from vitrina.observability.alerts import MOSCOW, batch_date, keep_error, tell_failed, tell_late
from vitrina.pipeline import STEPS, Run
from vitrina.settings import load_settings

SALE = Asset(name="postgresql.sale", uri="vitrina://postgresql/sale")
MARTS = [
    Asset(name=f"postgresql.{mart.name}", uri=f"vitrina://postgresql/{mart.name}")
    for mart in marts(SALES)
]
IMPORTS = [
    Asset(name=f"clickhouse.{name}", uri=f"vitrina://clickhouse/{name}")
    for name in (
        *(mart.name for mart in marts(SALES)),
        "control_totals",
        "rejects_by_reason",
        "batch",
    )
]


def run_step(name: str, as_of: str, recipe: Recipe | None = None) -> str:
    """Run one step of the batch `as_of` and hand the date on, all that a task has to know."""
    step = next(step for step in STEPS if step.name == name)
    try:
        with Run(load_settings(), date.fromisoformat(as_of), recipe or Recipe()) as run:
            counts = run.step(step)
    except Exception as error:
        keep_error(error)
        if not isinstance(error, VitrinaError) or error.transient:
            raise
        # Trying again would give the same answer.
        raise AirflowFailException(str(error)) from error
    shown = [f"{key} {value}" for key, value in counts.items() if not isinstance(value, dict)]
    print(f"{name} {as_of}: {', '.join(shown)}")
    return as_of


def as_of_this_run() -> str:
    context: dict[str, Any] = dict(get_current_context())
    run = context["dag_run"]
    return batch_date(context["params"]["as_of"], context.get("logical_date"), run.run_after)


def deadline() -> DeadlineAlert | None:
    """When a run is late. Only where that is asked for: `dags test` cannot do with one."""
    hours = load_settings().alert_late_after
    if hours is None:
        return None
    queued = DeadlineReference.DAGRUN_QUEUED_AT
    return DeadlineAlert(queued, timedelta(hours=hours), AsyncCallback(tell_late))


@task(doc_md="Generate the feed: `rows` sales of the 365 days before `as_of`, from `seed`.")
def generate_data() -> str:
    params: dict[str, Any] = dict(get_current_context()["params"])
    return run_step("generate", as_of_this_run(), Recipe(params["rows"], params["seed"]))


@task(doc_md="Type every field; reject bad rows with every reason. Too many of them stop the run.")
def validate_data(as_of: str) -> str:
    return run_step("validate", as_of)


@task(doc_md="Keep one row per sale: copies collapse, conflicts are kept with the rejects.")
def clean_data(as_of: str) -> str:
    return run_step("clean", as_of)


@task(
    outlets=[SALE],
    doc_md="Replace `sale` in PostgreSQL in one transaction, once its totals are Spark's.",
)
def load_to_postgresql(as_of: str) -> str:
    return run_step("load", as_of)


@task(
    outlets=MARTS,
    doc_md="Compute the marts in Spark; swap them in once SQL over `sale` gives the same totals.",
)
def run_analytics(as_of: str) -> str:
    return run_step("analyze", as_of)


@task(
    outlets=IMPORTS,
    doc_md="Publish the marts to ClickHouse under the batch's date, reconciled before and after.",
)
def publish_to_clickhouse(as_of: str) -> str:
    return run_step("publish", as_of)


@dag(
    dag_id="sales",
    schedule=CronTriggerTimetable("45 12 * * 2", timezone=MOSCOW),
    catchup=False,
    max_active_runs=1,
    tags=["vitrina"],
    params={
        "rows": Param(
            1_000_000,
            type="integer",
            minimum=1,
            maximum=1_000_000_000,
            description="How many sales to generate",
        ),
        "seed": Param(
            42,
            type="integer",
            minimum=0,
            maximum=2**31 - 1,
            description="Another seed, other sales",
        ),
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

{len(SALES.fields)} fields of a sale, six steps, one batch a run. Each step is a function of the
batch and of what the step before left: clear a task and it does its work again, doubling
nothing. A figure that does not reconcile fails the run, and readers keep the batch before.
""",
)
def sales() -> None:
    # Airflow hands a task the date that the task before returned.
    raw: Any = generate_data()
    valid: Any = validate_data(raw)
    clean: Any = clean_data(valid)
    loaded: Any = load_to_postgresql(clean)
    analyzed: Any = run_analytics(loaded)
    publish_to_clickhouse(analyzed)


sales()
