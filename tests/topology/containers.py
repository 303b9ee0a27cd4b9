"""The system of `compose.yaml` in Docker: one command from a fresh clone, then its care.

Run by `make test-topology`, where Docker's engine and its plug-in `compose` are. It has a project,
volumes and ports of its own, and leaves the images that it has built. `COMPOSE_FILE` may add to
`compose.yaml`, as it may for a user: `stand_ins/README.md` says what does where no image can be
pulled.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow_api import AirflowApi
from spark_server import free_port

from tests.airflow_runs import RUNS, ended, outcomes, start, tasks, unpause_and_run
from tests.topology.batch import BATCH, KEEP, SUCCEEDED, assert_same_cells
from tests.topology.compose import DEPLOY
from tests.topology.engines import is_there
from tests.waiting import wait_for
from vitrina.settings import Settings

pytestmark = pytest.mark.timeout(5400)

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
PROJECT = f"vitrina-test-{os.getpid()}"
RENEWED = ("POSTGRES_PASSWORD", "POSTGRES_LOADER_PASSWORD", "AIRFLOW_ADMIN_PASSWORD")
ENDED = {"host", "secrets", "migrate", "first-batch"}


@dataclass
class Containers:
    """The running system."""

    folder: Path
    ports: dict[str, str]

    @property
    def secrets(self) -> dict[str, str]:
        lines = self.shell("docker compose run --rm -T secrets show").splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def airflow(self) -> AirflowApi:
        address = f"http://127.0.0.1:{self.ports['AIRFLOW_PORT']}"
        return AirflowApi.log_in(address, "admin", self.secrets["AIRFLOW_ADMIN_PASSWORD"])

    def postgres(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.ports['POSTGRES_PORT']}/vitrina"

    @property
    def warehouse(self) -> str:
        return self.postgres("vitrina_reader", self.secrets["POSTGRES_READER_PASSWORD"])

    @property
    def imports(self) -> str:
        password = self.secrets["CLICKHOUSE_LOADER_PASSWORD"]
        return f"clickhouse://loader:{password}@127.0.0.1:{self.ports['CLICKHOUSE_PORT']}/vitrina"

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run what a page tells to type at the root."""
        files = f"{os.environ.get('COMPOSE_FILE', 'compose.yaml')}:deploy/ports.yaml"
        return subprocess.run(
            ["/bin/sh", "-euc", script.replace("vitrina_", f"{PROJECT}_")],
            cwd=self.folder,
            env=os.environ
            | self.ports
            | KEEP
            | {"COMPOSE_PROJECT_NAME": PROJECT, "COMPOSE_FILE": files, "FIRST_BATCH": "2000"},
            capture_output=True,
            text=True,
            check=False,
        )

    def shell(self, script: str) -> str:
        """The same, which has to end well; gives what it prints."""
        done = self.run(script)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def services(self) -> dict[str, dict[str, Any]]:
        lines = self.shell("docker compose ps --all --format json").splitlines()
        return {each["Service"]: each for each in map(json.loads, lines)}


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """One command in a copy of what a clone has, readable by its owner alone."""
    if not (is_there("docker") and is_there("docker", "compose", "version")):
        pytest.skip("no Docker engine with compose here: the containers were NOT started")
    copy = tmp_path_factory.mktemp("containers")
    clone = (
        f"cd '{ROOT}' && git ls-files -z --cached --others --exclude-standard "
        f"| tar --create --null --files-from=- | tar --extract --directory='{copy}' "
        f"&& chmod -R go= '{copy}'"
    )
    subprocess.run(["/bin/sh", "-euc", clone], check=True)
    names = ("AIRFLOW_PORT", "GRAFANA_PORT", "POSTGRES_PORT", "CLICKHOUSE_PORT")
    up = Containers(copy, {name: str(free_port()) for name in names})
    try:
        up.shell("docker compose up --build --detach --wait")
        yield up
    except AssertionError:
        print(up.run("docker compose ps --all; docker compose logs --tail 40").stdout)
        raise
    finally:
        up.run("docker compose down --volumes")


@pytest.fixture(scope="module")
def finished(containers: Containers) -> dict[str, Any]:
    """The run of the batch, once it has ended."""
    return unpause_and_run(containers.airflow, BATCH)


def documented(title: str) -> list[str]:
    """The blocks of commands below a title of the page."""
    _, found, below = PAGE.partition(f"**{title}")
    assert found, title
    return re.findall(r"(?s)```sh\n(.*?)```", re.split(r"\n\*\*|\n## ", below)[0])


def test_every_part_is_well(containers: Containers) -> None:
    services = containers.services()
    ended = {name: services.pop(name) for name in ENDED}
    assert {(each["State"], each["ExitCode"]) for each in ended.values()} == {("exited", 0)}
    assert {(each["State"], each["Health"]) for each in services.values()} == {
        ("running", "healthy")
    }


def test_the_first_batch_has_run_by_itself(containers: Containers) -> None:
    (run,) = containers.airflow.ask("GET", RUNS)["dag_runs"]
    assert (run["state"], run["conf"]) == ("success", {"rows": 2000})
    assert not containers.airflow.ask("GET", "dags/sales")["is_paused"]
    status = containers.shell("docker compose exec -T airflow-scheduler vitrina status")
    assert "Reconciliation" in status


def test_both_pages_answer_to_the_logins_that_are_printed(containers: Containers) -> None:
    lines = containers.shell("docker compose run --rm -T secrets logins").splitlines()
    pages = dict(line.split(maxsplit=1) for line in lines)
    assert pages.keys() == {"Airflow", "Grafana"}
    for page, line in pages.items():
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)  user (\w+)  password (\w+)", line)
        assert found is not None, line
        address, user, password = found.groups()
        if page == "Airflow":
            assert (
                AirflowApi.log_in(address, user, password).ask("GET", "dags")["total_entries"] == 1
            )
            continue
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310
            f"{address}/api/search?type=dash-db", headers={"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            dashboards = {each["uid"] for each in json.load(answer)}
        assert dashboards == {"vitrina-sales-en", "vitrina-sales-ru"}


def test_no_secret_is_seen_from_outside(containers: Containers) -> None:
    inspected = containers.shell("docker compose ps --all --quiet | xargs docker inspect")
    config = containers.shell("docker compose config")
    logs = containers.shell("docker compose logs")
    for name, secret in containers.secrets.items():
        assert secret not in inspected, name
        assert secret not in config, name
        assert secret not in logs, name


def test_a_service_reads_no_secret_but_its_own(containers: Containers) -> None:
    readable = "for file in /run/secrets/*; do [ -r $file ] && basename $file; done; true"
    for service, own in (
        ("grafana", {"GRAFANA_ADMIN_PASSWORD", "CLICKHOUSE_GRAFANA_PASSWORD"}),
        ("spark-connect", {"SPARK_SECRET"}),
    ):
        found = containers.shell(f"docker compose exec -T {service} sh -c '{readable}'")
        assert {*found.split()} == own


def test_up_once_more_replaces_nothing_and_asks_for_no_batch(containers: Containers) -> None:
    before = containers.secrets
    running = {name: each["ID"] for name, each in containers.services().items()}
    containers.shell("docker compose up --detach --wait")
    assert containers.secrets == before
    assert {name: each["ID"] for name, each in containers.services().items()} == running
    assert "A batch has run already." in containers.shell("docker compose logs first-batch")
    assert len(containers.airflow.ask("GET", RUNS)["dag_runs"]) == 1


def test_nothing_is_published_but_on_the_loopback(containers: Containers) -> None:
    published = [
        publisher["URL"]
        for service in containers.services().values()
        for publisher in service["Publishers"] or ()
        if publisher["PublishedPort"]
    ]
    assert len(published) >= 3
    assert {*published} == {"127.0.0.1"}


def test_who_runs_tasks_has_no_way_out_and_no_rights(containers: Containers) -> None:
    facts = containers.shell(
        "docker compose exec -T airflow-scheduler sh -c 'cat /proc/net/route /proc/self/status'"
    )
    # No default route: only the inner network can be reached.
    assert not re.search(r"(?m)^\w+\t00000000\t", facts)
    assert re.search(r"(?m)^CapEff:\s0+$", facts)
    assert re.search(r"(?m)^Uid:\s10001\b", facts)


def test_a_batch_runs_and_its_cells_are_the_embedded_ones(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    found = outcomes(containers.airflow, finished)
    assert found == SUCCEEDED, containers.shell("docker compose logs airflow-scheduler")
    assert_same_cells(containers.warehouse, containers.imports, embedded)
    assert "2026-11-17" in containers.shell(
        "docker compose exec -T airflow-scheduler vitrina status"
    )


def test_each_store_is_restored_from_its_backup_by_the_documented_commands(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    show, take = documented("Secrets.**")
    dump, restore = documented("PostgreSQL.**")
    save, fill = documented("ClickHouse.**")
    pack, unpack = documented("Volumes**")
    files = "cd /lake && find . -type f -exec sha256sum {} + | sort"
    listing = f"docker compose exec -T airflow-scheduler sh -c '{files}'"
    loop = save[: save.index("; do\n") + len("; do\n")]
    for script in (show, dump, save, pack):
        containers.shell(script)
    secrets = containers.secrets
    lake = containers.shell(listing)
    assert "generate/truth.json" in lake
    containers.shell("docker compose down --volumes")
    containers.shell(take)
    containers.shell(restore)
    assert containers.secrets == secrets
    containers.shell(f"{loop}{fill}done")
    assert not containers.shell(listing)
    containers.shell(unpack)
    assert containers.shell(listing) == lake
    assert_same_cells(containers.warehouse, containers.imports, embedded)
    run = containers.airflow.ask("GET", f"{RUNS}/{finished['dag_run_id']}")
    assert run["state"] == "success"


def test_celery_s_worker_runs_the_tasks_where_it_is_asked_for(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    executor = "AIRFLOW_EXECUTOR=CeleryExecutor\nCOMPOSE_PROFILES=celery\n"
    (containers.folder / ".env").write_text(executor, "utf-8")
    containers.shell("docker compose up --detach --wait")
    airflow = containers.airflow
    run = unpause_and_run(airflow, BATCH)
    assert outcomes(airflow, run) == SUCCEEDED
    worker = containers.shell("docker compose ps --format '{{.ID}}' airflow-worker").strip()
    assert {task["hostname"] for task in tasks(airflow, run)} == {worker}
    assert_same_cells(containers.warehouse, containers.imports, embedded)


def test_new_passwords_are_taken_by_the_documented_commands(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    old = containers.secrets
    row = re.search(r"(?m)^\| `POSTGRES_PASSWORD`.*\| (.*) \|$", PAGE)
    assert row is not None
    containers.shell(f"docker compose run --rm -T secrets renew {' '.join(RENEWED)}")
    for command in re.findall("`(docker [^`]*)`", row[1]):
        containers.shell(command.replace("exec ", "exec -T "))
    new = containers.secrets
    assert {name for name in old if new[name] != old[name]} == {*RENEWED}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(containers.postgres("postgres", old["POSTGRES_PASSWORD"]))
    psycopg.connect(containers.postgres("postgres", new["POSTGRES_PASSWORD"])).close()
    run = unpause_and_run(containers.airflow, BATCH | {"as_of": "2026-11-24"})
    assert run["state"] == "success"


def test_a_deployment_of_version_0_1_0_is_upgraded_by_the_documented_step(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    """What it has is made of what is here: data whose secrets are in `deploy/.env`."""
    secrets = containers.secrets
    lines = [f"{name}={value}\n" for name, value in secrets.items()]
    env = containers.folder / "deploy/.env"
    env.write_text("".join([*lines, "SCHEDULER_PATIENCE=300\n"]), "utf-8")
    # With the profile that Celery's worker is in, else that stays and holds the volume.
    containers.shell("docker compose down; docker volume rm vitrina_secrets")
    (containers.folder / ".env").unlink(missing_ok=True)
    refused = containers.run("docker compose up --detach --wait")
    assert refused.returncode != 0
    logs = containers.shell("docker compose logs secrets")
    assert "PostgreSQL's data is there and its passwords are not." in logs
    _, _, section = PAGE.partition("### From version 0.1.0")
    (step,) = re.findall(r"(?s)```sh\n(.*?)```", section.partition("\n## ")[0])
    containers.shell(step.replace("git pull\n", "").replace("docker compose build\n", ""))
    assert containers.secrets == secrets
    assert (containers.folder / ".env").read_text("utf-8") == "SCHEDULER_PATIENCE=300\n"
    run = containers.airflow.ask("GET", f"{RUNS}/{finished['dag_run_id']}")
    assert run["state"] == "success"
    with psycopg.connect(containers.warehouse) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM sale").fetchone() == (True,)


def test_a_store_of_one_s_own_goes_through_its_dag_by_the_documented_commands(
    containers: Containers, embedded: Settings
) -> None:
    """An example, whose marts are afterwards what they are on one's own machine."""
    folder = containers.folder / "stores"
    shutil.copytree(ROOT / "examples/stores/sample-sales", folder)
    conf = {"as_of": "2026-11-24"}
    query = "SELECT * EXCEPT imported_at FROM sales_by_region_product ORDER BY region, product_id"
    vitrina = Path(sys.executable).with_name("vitrina")
    at_home = {"VITRINA_HOME": str(embedded.home), "VITRINA_STORE": str(folder / "store.toml")}
    page = (ROOT / "docs/own-sales.md").read_text("utf-8")
    (tables,) = re.findall("(docker compose run .*)/stores/lamps.toml", page)

    with_stores = 'export COMPOSE_FILE="$COMPOSE_FILE:deploy/stores.yaml"\n'
    containers.shell(f"{with_stores}{tables}/stores/store.toml")
    containers.shell(f"{with_stores}docker compose up --detach --wait")
    airflow = containers.airflow
    wait_for(lambda: airflow.unpause("sales_sample_sales"), 300, pause=1)
    run = ended(airflow, start(airflow, conf, dag="sales_sample_sales"))
    assert run["state"] == "success", containers.shell("docker compose logs airflow-scheduler")
    found = containers.shell(
        f"{with_stores}docker compose exec -T airflow-scheduler "
        f"vitrina sql clickhouse '{query}' --store /stores/store.toml --json"
    )
    subprocess.run([vitrina, "run", "--as-of", conf["as_of"]], env=at_home, check=True)
    expected = subprocess.check_output(
        [vitrina, "sql", "clickhouse", query, "--json"], env=at_home, text=True
    )
    assert len(json.loads(expected)) > 1
    assert json.loads(found) == json.loads(expected)
