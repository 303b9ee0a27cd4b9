#!/usr/bin/env python3
"""Where no batch has run yet, ask Airflow for last Tuesday's, and end when it has ended.

FIRST_BATCH is how many sales it has, or `no`. Grafana waits for this to end, so it ends well
whatever became of the batch, and says so in a line.
"""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from zoneinfo import ZoneInfo

from vitrina.contract import TIME_ZONE

API = os.environ["AIRFLOW_API"]
SECRETS = Path(os.environ.get("SECRETS", "/run/secrets"))
WANTED = os.environ["FIRST_BATCH"]
DAG = "/api/v2/dags/sales"
RUNS = f"{DAG}/dagRuns"
# Seconds for the DAG to be known, and for the batch to end.
KNOWN, ENDED = 300.0, 3600.0
INTERVAL = 5.0


class Airflow:
    """Its REST API, as the administrator has it."""

    def __init__(self) -> None:
        password = (SECRETS / "AIRFLOW_ADMIN_PASSWORD").read_text("utf-8")
        self.headers = {"Content-Type": "application/json"}
        login = {"username": "admin", "password": password}
        token = self.ask("POST", "/auth/token", login)["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310
            API + path, data, self.headers, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)


def last_tuesday(now: datetime) -> datetime:
    """When the schedule was due last: Tuesdays at 12:45 in Moscow."""
    moscow = now.astimezone(ZoneInfo(TIME_ZONE))
    due = moscow.replace(hour=12, minute=45, second=0, microsecond=0)
    due -= timedelta(days=(due.weekday() - 1) % 7)
    return due if due <= moscow else due - timedelta(days=7)


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    """What it gives, once that is something; None when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    return found


def known(airflow: Airflow) -> Any:
    try:
        return airflow.ask("GET", DAG)
    except HTTPError as error:
        if error.code != 404:
            raise
        return None


def ended(airflow: Airflow) -> list[str]:
    """The states of the runs that have ended."""
    runs = airflow.ask("GET", RUNS)["dag_runs"]
    return [run["state"] for run in runs if run["state"] in ("success", "failed")]


def first_batch(airflow: Airflow) -> str:
    """Ask for the batch and wait for it; gives what there is to say."""
    dag = wait_for(lambda: known(airflow), KNOWN)
    if dag is None:
        return "Airflow does not know the DAG sales: docker compose logs airflow-dag-processor."
    if ended(airflow):
        return "A batch has run already."
    if dag["is_paused"]:
        return "The DAG sales is paused, so no batch was asked for."
    due = last_tuesday(datetime.now(UTC))
    try:
        run = {"logical_date": due.isoformat(), "conf": {"rows": int(WANTED)}}
        airflow.ask("POST", RUNS, run)
    except HTTPError as error:
        # The schedule itself has asked for the same batch.
        if error.code != 409:
            raise
    print(f"The first batch runs: {due:%Y-%m-%d}.", flush=True)
    states = wait_for(lambda: ended(airflow), ENDED)
    if not states:
        return f"The first batch still runs after {ENDED / 60:g} minutes; Airflow's page shows it."
    if "success" not in states:
        return "The first batch has failed; Airflow's page shows why."
    return (
        "The first batch has ended well, and Grafana shows it. "
        "Both logins: docker compose run --rm secrets logins"
    )


def main() -> None:
    if WANTED == "no":
        print("FIRST_BATCH=no: the schedule's next batch will be the first.")
        return
    if not WANTED.isdecimal() or int(WANTED) < 1:
        sys.exit(f"FIRST_BATCH is {WANTED!r} and should be a number of sales, or no.")
    try:
        print(first_batch(Airflow()))
    except OSError as error:
        print(f"Airflow's API: {error}. Its page shows whether the first batch runs.")


if __name__ == "__main__":
    main()
