"""Airflow's REST API, as a client who knows the administrator's password has it."""

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

RUNS = "/api/v2/dags/sales/dagRuns"
RUN_SECONDS = 900
ENDED = ("success", "failed")


@dataclass
class AirflowApi:
    """An API server, by its address."""

    address: str
    password: str

    @cached_property
    def token(self) -> str:
        login = {"username": "admin", "password": self.password}
        token: str = self.call("POST", "/auth/token", login, token="")["access_token"]
        return token

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """What Airflow's API answers.

        Raises:
            HTTPError: it refuses.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310
            self.address + path, data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def run(self, conf: dict[str, Any]) -> dict[str, Any]:
        """Unpause the DAG, ask for a batch, and give its run once that has ended."""
        dag = self.call("PATCH", "/api/v2/dags/sales", {"is_paused": False})
        if datetime.fromisoformat(dag["next_dagrun_run_after"]) <= datetime.now(UTC):
            # Unpaused soon after a Tuesday, the DAG runs its batch, which is only in the way here.
            scheduled = wait_for(lambda: self.call("GET", RUNS)["dag_runs"])[0]
            self.call("PATCH", f"{RUNS}/{scheduled['dag_run_id']}", {"state": "failed"})
        return self.ended(self.call("POST", RUNS, {"logical_date": None, "conf": conf}))

    def ended(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run once it has ended."""

        def found() -> dict[str, Any] | None:
            now: dict[str, Any] = self.call("GET", f"{RUNS}/{run['dag_run_id']}")
            return now if now["state"] in ENDED else None

        end: dict[str, Any] = wait_for(found, RUN_SECONDS)
        return end

    def tasks(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"{RUNS}/{run['dag_run_id']}/taskInstances"
        found: list[dict[str, Any]] = self.call("GET", path)["task_instances"]
        return found

    def outcomes(self, run: dict[str, Any]) -> dict[str, tuple[str, int]]:
        """Of each task its state, and how often it was tried."""
        tasks = self.tasks(run)
        return {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What it gives, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(1)
    return found
