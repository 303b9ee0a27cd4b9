"""What Airflow finds in `dags/sales.py`, written to a file as JSON.

    dag_facts.py FILE CASES

The cases are JSON: by the name of each, the variables to set and whether there are DAGs of many
stores.

A process of its own: Airflow sets itself up for one home when it is imported. And a fork of it for
each case: what parsing a file imports can be seen only once, and importing Airflow takes seconds.
"""

import atexit
import copy
import gc
import json
import os
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Context
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.context import set_current_context
from airflow.serialization.serialized_objects import DagSerialization

FILE = Path(__file__).parents[1] / "dags" / "sales.py"
HEAVY = (
    *("pyspark", "pysail", "pyarrow", "pandas", "psycopg", "chdb"),
    *("clickhouse_connect", "vitrina.steps.", "vitrina.stores."),
)


def parsed() -> Any:
    bag = DagBag(FILE.parent)
    if bag.import_errors:
        sys.exit(str(bag.import_errors))
    return bag.dags


def serialized(dag: Any) -> str:
    return json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)


def dates(as_of_this_run: Any) -> dict[str, str]:
    """The batch of runs that were started differently."""
    late = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    queued = SimpleNamespace(run_after=datetime(2026, 12, 1, 9, 45, tzinfo=UTC))
    contexts: dict[str, Any] = {
        "by parameter": {"params": {"as_of": "2025-01-31"}, "logical_date": late},
        "by logical date": {"params": {"as_of": None}, "logical_date": late},
        "by an asset": {"params": {"as_of": None}, "logical_date": None},
    }
    found = {}
    for name, context in contexts.items():
        with set_current_context(cast("Context", {**context, "dag_run": queued})):
            found[name] = as_of_this_run("Europe/Moscow")
    return found


def errors(run_step: Any, sales: Any) -> dict[str, tuple[str, str]]:
    """What a task raises, its type and its text, by what is wrong."""
    unreachable = {"VITRINA_POSTGRES_DSN": "postgresql://127.0.0.1:1/vitrina"}
    wrong: dict[str, tuple[str, dict[str, str], Any]] = {
        "nothing generated": ("validate", {}, {}.__setitem__),
        "no place for the error": ("validate", {}, no_answer),
        "no PostgreSQL": ("load", unreachable, {}.__setitem__),
    }
    # Only now, so that what parsing imports has been seen.
    from vitrina.pipeline import STEPS

    steps = {step.name: step for step in STEPS}
    found = {}
    for name, (step, environment, keep) in wrong.items():
        os.environ.update(VITRINA_HOME=os.environ["AIRFLOW_HOME"], **environment)
        task: Any = task_run(keep)
        try:
            with set_current_context(cast("Context", {"ti": task})):
                run_step(steps[step], "2026-11-24", sales)
        except Exception as error:  # noqa: BLE001 - whichever it is, it is reported
            found[name] = (type(error).__name__, str(error))
    return found


def task_run(keep: Any) -> Any:
    """What a task is told of itself; `keep` takes what it hands on."""
    names = {"dag_id": "sales", "task_id": "work", "run_id": "manual__1", "try_number": 1}
    return SimpleNamespace(xcom_push=keep, **names)


def no_answer(*_: object) -> None:
    raise ConnectionError("Airflow's API server does not answer")


def failure(file: Any, sales: Any) -> list[str]:
    """What the first task of a DAG raises."""
    task: Any = task_run({}.__setitem__)
    try:
        with set_current_context(cast("Context", {"ti": task})):
            file.run_step(sales.steps[0], "2026-11-24", sales)
    except Exception as error:  # noqa: BLE001 - whichever it is, it is reported
        return [type(error).__name__, str(error)]
    return []


def late_in_moscow(file: Any, sales: Any) -> str:
    """The batch of a run that began half an hour after midnight in Moscow."""
    began = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
    context: dict[str, Any] = {"params": {"as_of": None}, "logical_date": began}
    run = SimpleNamespace(run_after=began)
    with set_current_context(cast("Context", {**context, "dag_run": run})):
        return str(file.as_of_this_run(sales.time_zone))


def of_each_store() -> dict[str, Any]:
    """What there is of each DAG, and what its first task raises where the store cannot be read."""
    before = set(sys.modules)
    dags = parsed()
    imported = set(sys.modules) - before
    file = sys.modules[next(iter(dags.values())).tasks[0].python_callable.__module__]
    found = {}
    for sales in file.all_sales():
        dag = dags[sales.dag_id]
        found[dag.dag_id] = {
            "tasks": [task.task_id for task in dag.tasks],
            "params": [*dag.params],
            "outlets": [each.name for task in dag.tasks for each in task.outlets],
            "timetable": DagSerialization.to_dict(dag)["dag"]["timetable"]["__var"],
            "same when parsed again": serialized(dag) == serialized(parsed()[dag.dag_id]),
            "failure": failure(file, sales) if sales.store is None else None,
            "a date": late_in_moscow(file, sales),
        }
    heavy = sorted(name for name in imported if name.startswith(HEAVY))
    return {"dags": found, "heavy imports": heavy}


def of_the_only_one() -> dict[str, Any]:
    before = set(sys.modules)
    dags = parsed()
    imported = set(sys.modules) - before
    (dag,) = dags.values()
    file = sys.modules[dag.get_task("validate_data").python_callable.__module__]
    (sales,) = file.all_sales()
    return {
        "dag": DagSerialization.to_dict(dag)["dag"],
        "same when parsed again": serialized(dag) == serialized(parsed()["sales"]),
        "heavy imports": sorted(name for name in imported if name.startswith(HEAVY)),
        "dates": dates(file.as_of_this_run),
        "errors": errors(file.run_step, sales),
        "after": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "outlets": {task.task_id: [each.name for each in task.outlets] for task in dag.tasks},
        "retries": {task.task_id: task.retries for task in dag.tasks},
        "docs": {task.task_id: task.doc_md for task in dag.tasks},
        "timeouts": {task.task_id: task.execution_timeout.total_seconds() for task in dag.tasks},
        "backoff": {task.task_id: bool(task.retry_exponential_backoff) for task in dag.tasks},
        "taken": {name: taken(dag.params, name) for name in dag.params},
        "parameters": {
            name: {"default": dag.params[name], **dag.params.get_param(name).serialize()}
            for name in dag.params
        },
    }


ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        1.5,
        10**30,
        float("nan"),
        "",
        "1",
        [],
        [1],
        {},
        {"a": 1},
        "x" * 10_000,
    ),
    *(
        "2026-11-24",
        "20261124",
        "2026-W48-2",
        "2026-02-30",
        "0000-01-01",
        " 2026-11-24",
        "2026-11-24\n",
    ),
    *("24.11.2026", "２０２６-11-24", "2026-11-24T00:00:00Z", "\ud800", "postgresql://a:b@c/d"),
)
"""What somebody may give for a parameter."""


def taken(params: Any, name: str) -> list[str]:
    """Which of the odd values Airflow takes for a parameter, when a run is started with it."""
    found = []
    for value in ODD:
        given = copy.deepcopy(params)
        with suppress(ParamValidationError):
            given.update({name: value})
            given.validate()
            found.append(repr(value))
    return found


def in_a_fork(file: Path, environment: dict[str, str], *, of_stores: bool) -> Any:
    """The facts of one case, which leaves this process as it is."""
    if (child := os.fork()) == 0:
        failed = 1
        try:
            os.environ.update(environment)
            facts = of_each_store() if of_stores else of_the_only_one()
            # Airflow logs to stdout.
            file.write_text(json.dumps(facts, default=str))
            failed = 0
        except BaseException:  # noqa: BLE001 - it is printed
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(failed)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
    return json.loads(file.read_text())


def main() -> None:
    # Spares a search through all of Airflow for garbage when Python ends.
    atexit.register(gc.freeze)
    file, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
    found = {
        name: in_a_fork(file, case["environment"], of_stores=case["of stores"])
        for name, case in cases.items()
    }
    file.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
