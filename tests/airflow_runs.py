"""Runs of the DAG `sales`, or of another, started and watched through Airflow's API."""

from datetime import UTC, datetime
from typing import Any

from airflow_api import AirflowApi

from tests.waiting import wait_for

DAG = "sales"
RUNS = f"dags/{DAG}/dagRuns"
RUN_SECONDS = 900
ENDED = ("success", "failed")

Run = dict[str, Any]


def start(api: AirflowApi, conf: Run, name: str | None = None, dag: str = DAG) -> Run:
    """Ask for a run with these parameters."""
    named = {} if name is None else {"dag_run_id": name}
    run: Run = api.ask("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf} | named)
    return run


def ended(api: AirflowApi, run: Run) -> Run:
    """Wait until the run has ended."""

    def found() -> Run | None:
        now: Run = api.ask("GET", f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}")
        return now if now["state"] in ENDED else None

    end = wait_for(found, RUN_SECONDS, pause=0.7)
    assert end is not None
    return end


def unpause_and_run(api: AirflowApi, conf: Run) -> Run:
    """Unpause the DAG, ask for a batch, and wait until its run has ended."""
    dag = api.ask("PATCH", "dags/sales", {"is_paused": False})
    if datetime.fromisoformat(dag["next_dagrun_run_after"]) <= datetime.now(UTC):
        # Unpaused soon after a Tuesday, the DAG runs that batch, which is only in the way here.
        api.fail(wait_for(lambda: api.ask("GET", RUNS)["dag_runs"], RUN_SECONDS)[0])
    return ended(api, start(api, conf))


def tasks(api: AirflowApi, run: Run) -> list[Run]:
    """The run's tasks, as the API describes them."""
    found: list[Run] = api.ask("GET", f"{RUNS}/{run['dag_run_id']}/taskInstances")["task_instances"]
    return found


def outcomes(api: AirflowApi, run: Run) -> dict[str, tuple[str, int]]:
    """The state of each task, and how often it was tried."""
    return {task["task_id"]: (task["state"], task["try_number"]) for task in tasks(api, run)}
