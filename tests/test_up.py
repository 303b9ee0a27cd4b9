"""Airflow as `make up` starts it: used in a browser and over its API, and stopped."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import pytest
from airflow_api import AirflowApi, health
from playwright.sync_api import Page, expect, sync_playwright
from spark_server import free_port
from up import DAG, USER, Airflow, wanted_port

from tests.airflow_databases import AirflowDatabase
from tests.airflow_runs import RUNS, ended, start
from tests.browsers import launched
from tests.homes import home_folder
from tests.postgres_data import PostgresData
from tests.waiting import wait_for
from vitrina.pipeline import STEPS
from vitrina.settings import Settings
from vitrina.store import GENERATED
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.embedded import data_home

ROOT = Path(__file__).parents[1]
TASKS = len(STEPS)
AS_OF = "2026-11-24"
# The scheduled batch may run first: `make up` still starts it on Wednesday morning.
SECONDS_FOR_A_RUN = 240

# As in many a company; no proxy leads to what Airflow's parts say to each other.
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY"), "http://127.0.0.1:9")
PROXIES |= dict.fromkeys(("no_proxy", "NO_PROXY"), "")


def command(target: str, root: Path = ROOT) -> list[str | Path]:
    """What `make up`, `make down` and `make run` run after the set-up."""
    script = {"up": ["up.py"], "down": ["up.py", "down"], "run": ["run_dag.py"]}[target]
    return [sys.executable, root / "scripts" / "local_airflow" / script[0], *script[1:]]


def make(
    target: str, data: Path, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(target, root),
        env=os.environ | PROXIES | {"VITRINA_HOME": str(data)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def kill_a_run_at_work(data: Path) -> None:
    """Start `make run` with a large batch, and kill it with all its processes."""
    environment = os.environ | {"VITRINA_HOME": str(data), "ROWS": "20000000"}
    with subprocess.Popen(
        command("run"), env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as run:
        try:
            wait_for(lambda: run.poll() is not None or a_task_runs(data), SECONDS_FOR_A_RUN)
            assert run.poll() is None
        finally:
            os.killpg(run.pid, signal.SIGKILL)


def a_task_runs(data: Path) -> bool:
    """Whether a task runs by what Airflow's database says."""
    database = (data / "airflow" / "airflow.db").as_uri()
    with closing(sqlite3.connect(f"{database}?mode=ro", uri=True)) as connection:
        return bool(
            connection.execute("SELECT 1 FROM task_instance WHERE state = 'running'").fetchall()
        )


def sessions(airflow: Airflow) -> dict[str, int | None]:
    return {part.name: part.session() for part in airflow.parts}


def processes(airflow: Airflow) -> list[Any]:
    """All processes of the parts."""
    ids = set(sessions(airflow).values())
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) in ids:
                found.append(process)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, as far as Airflow needs it."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("scripts", "dags"):
        shutil.copytree(ROOT / folder, root / folder)
    return root


@pytest.fixture(scope="module")
def first_up(
    root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    airflow_database: AirflowDatabase,
    postgres_data: PostgresData,
) -> Iterator[tuple[Airflow, str]]:
    """Airflow, started where a `make run` was killed, and what `make up` printed."""
    with home_folder(tmp_path_factory.mktemp("магазин 1")) as data:
        airflow_database.copy_to(data)
        postgres_data.copy_to(data / "postgres")
        try:
            kill_a_run_at_work(data)
            ended = make("up", data, root, PORT=str(free_port()))
            assert ended.returncode == 0, ended.stdout + ended.stderr
            yield Airflow(data), ended.stdout
        finally:
            down = make("down", data)
            assert down.returncode == 0, down.stdout + down.stderr


@pytest.fixture(scope="module")
def airflow(first_up: tuple[Airflow, str]) -> Airflow:
    return first_up[0]


@pytest.fixture(scope="module")
def api(airflow: Airflow) -> AirflowApi:
    return airflow.api()


def test_it_prints_its_address_and_where_the_password_is_but_not_the_password(
    first_up: tuple[Airflow, str],
) -> None:
    airflow, said = first_up
    assert airflow.url in said
    assert f"User {USER}" in said
    assert str(airflow.passwords) in said
    password = airflow.password()
    assert len(password) >= 24
    logs = [path.read_text() for path in airflow.home.rglob("*.log")]
    assert len(logs) >= len(airflow.parts)
    assert not any(password in text for text in (said, *logs))


def test_secrets_are_generated_and_only_their_owner_reads_them(airflow: Airflow) -> None:
    settings = airflow.home / "airflow.cfg"
    for path in (airflow.passwords, settings):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = settings.read_text().splitlines()
    for name in ("fernet_key", "secret_key", "jwt_secret"):
        (value,) = [line.partition(" = ")[2] for line in lines if line.startswith(f"{name} = ")]
        assert len(value) >= 16


def test_all_parts_are_healthy_and_listen_only_on_this_machine(airflow: Airflow) -> None:
    assert health(airflow.url) == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )
    listening = {
        connection.laddr
        for process in processes(airflow)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {f"http://{ip}:{port}" for ip, port in listening} == {airflow.url}


def test_nobody_gets_in_without_the_password(airflow: Airflow) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        AirflowApi.log_in(airflow.url, USER, USER)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        AirflowApi(airflow.url, "").ask("GET", "dags")


def test_up_again_changes_nothing(airflow: Airflow) -> None:
    before, password = sessions(airflow), airflow.passwords.read_text()
    ended = make("up", airflow.data, PORT=str(free_port()))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert airflow.url in ended.stdout
    assert sessions(airflow) == before
    assert airflow.passwords.read_text() == password


def test_a_taken_port_is_reported_in_one_line(airflow: Airflow, tmp_path: Path) -> None:
    port = airflow.url.rpartition(":")[2]
    ended = make("up", tmp_path, PORT=port)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"PORT={port}: Address already in use")


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_an_invalid_port_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit, match=f"^PORT={port}: .*$"):
        wanted_port()


def test_make_run_refuses_to_run_while_airflow_is_up(airflow: Airflow) -> None:
    ended = make("run", airflow.data, ROWS="2000")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "make down" in line


def test_a_killed_make_run_is_not_resumed(api: AirflowApi) -> None:
    (run,) = [run for run in api.ask("GET", RUNS)["dag_runs"] if run["triggered_by"] == "test"]
    assert run["state"] == "failed"


def test_the_dag_is_unpaused(api: AirflowApi) -> None:
    assert api.ask("GET", f"dags/{DAG}")["is_paused"] is False


def logged_in(page: Page, airflow: Airflow, address: str) -> None:
    page.goto(airflow.url + address)
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", airflow.password())
    page.keyboard.press("Enter")


def assert_both_stores_hold(airflow: Airflow, sales: int) -> None:
    """Check that both stores hold about so many sales; some rows are rejected."""
    settings = Settings(home=airflow.data)
    count = "SELECT sum(total_sales) FROM sales_by_region"
    with (
        open_postgres(settings, GENERATED) as postgres,
        open_clickhouse(settings, GENERATED) as clickhouse,
    ):
        (in_postgres,) = postgres.query(count)[1]
        (in_clickhouse,) = clickhouse.query(f"{count} WHERE import_date = '{AS_OF}'")[1]
    assert 0.95 * sales < in_postgres[0] <= sales
    assert int(in_clickhouse[0]) == int(in_postgres[0])


def test_a_run_triggered_in_a_browser_turns_green_and_reaches_both_stores(
    airflow: Airflow, api: AirflowApi, tmp_path: Path
) -> None:
    with sync_playwright() as playwright, launched(playwright, "Airflow") as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 600}, color_scheme="light")
        page.set_default_timeout(60_000)
        logged_in(page, airflow, f"/dags/{DAG}")
        page.get_by_test_id("trigger-dag-button").click()
        page.fill("input[name=element_rows]", "2000")
        page.fill("input[name=element_as_of]", AS_OF)
        page.get_by_test_id("trigger-dag-submit").click()
        page.wait_for_url("**/runs/manual__*")
        seen = page.url
        # Meanwhile the page would ask and draw again all the time.
        page.goto("about:blank")
        run = ended(api, {"dag_id": DAG, "dag_run_id": urlsplit(seen).path.rpartition("/")[2]})
        assert run["state"] == "success"
        page.goto(seen)
        page.get_by_role("button", name="Show Graph").click()
        page.get_by_role("button", name="Collapse Details Panel").click()
        # Only what is in sight is drawn.
        page.locator(".react-flow__controls-fitview").click()
        nodes = page.locator(".react-flow__node")
        done = nodes.filter(has_text="success")
        expect(done).to_have_count(TASKS, timeout=60_000)
        page.wait_for_timeout(1000)  # the graph moves to its place
        picture = Path(os.environ.get("PICTURE", tmp_path / "airflow.png"))
        page.screenshot(path=picture)
    assert picture.stat().st_size < 200_000
    assert_both_stores_hold(airflow, 2000)


def test_a_dag_that_cannot_be_read_is_reported_at_once_until_it_can(
    airflow: Airflow, api: AirflowApi, root: Path
) -> None:
    file = root / "dags" / "sales.py"
    good = file.read_text()
    file.write_text("from airflow.sdk import dag, nothing_of_the_kind\n")
    wait_for(api.import_errors, SECONDS_FOR_A_RUN, pause=0.2)
    ended = make("up", airflow.data, root)
    assert ended.returncode == 1
    assert "cannot import name 'nothing_of_the_kind'" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("The DAG `sales` cannot be read")
    file.write_text(good)
    wait_for(lambda: not api.import_errors(), SECONDS_FOR_A_RUN, pause=0.2)
    ended = make("up", airflow.data, root)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_down_stops_a_crashed_scheduler_and_the_store_that_its_task_left(
    airflow: Airflow, api: AirflowApi
) -> None:
    run = start(api, {"rows": 500_000})
    server = data_home(airflow.data / "postgres") / "socket"
    wait_for(server.exists, SECONDS_FOR_A_RUN, pause=0.01)
    assert api.ask("GET", f"{RUNS}/{run['dag_run_id']}")["conf"] == {"rows": 500_000}
    time.sleep(0.2)
    # A crash: the scheduler's first process dies and its others live. The task, which uses
    # PostgreSQL and leads its own process group, dies as well.
    scheduler = airflow.scheduler.session()
    for each in processes(airflow):
        if each.pid == scheduler or os.getpgid(each.pid) == each.pid != os.getsid(each.pid):
            each.kill()
    time.sleep(0.5)
    assert airflow.scheduler.session() == scheduler
    assert not airflow.scheduler.runs()
    assert server.exists()

    parts = processes(airflow)
    ended = make("down", airflow.data)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout == "Airflow is down.\n"
    assert sessions(airflow) == dict.fromkeys(part.name for part in airflow.parts)
    assert not any(each.is_running() and each.status() != "zombie" for each in parts)
    assert not server.exists()
    again = make("down", airflow.data)
    assert (again.returncode, again.stdout) == (0, "Airflow was not up.\n")


def test_a_process_that_has_a_dead_parts_id_is_not_stopped(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path)
    airflow.home.mkdir()
    # Another process has the id now and leads a session.
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        airflow.scheduler.pid_file.write_text(str(stranger.pid))
        assert airflow.scheduler.session() is None
        ended = make("down", tmp_path)
        assert (ended.returncode, ended.stdout) == (0, "Airflow was not up.\n")
        assert stranger.poll() is None
        stranger.kill()
