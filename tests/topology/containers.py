"""The system of `deploy/` in Docker: brought up, given a batch, backed up, restored.

Run by `make test-topology` where Docker's engine and its plug-in `compose` are installed. It has
its own project, volumes and ports, and leaves the images that it has built. `COMPOSE_FILE` may add
files to `compose.yaml`, as for any user.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow_api import AirflowApi
from spark_server import free_port

from tests.airflow_runs import RUNS, outcomes, tasks, unpause_and_run
from tests.topology.batch import BATCH, SUCCEEDED, assert_same_cells
from tests.topology.compose import DEPLOY, dotenv
from tests.topology.engines import is_there
from vitrina.settings import Settings

pytestmark = pytest.mark.timeout(3600)

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
PROJECT = f"vitrina-test-{os.getpid()}"
# What the images are made of.
CONTEXT = ("deploy", "src", "dags", "requirements", "pyproject.toml", "LICENSE", ".dockerignore")
RENEWED = ("POSTGRES_PASSWORD", "POSTGRES_LOADER_PASSWORD", "AIRFLOW_ADMIN_PASSWORD")


@dataclass
class Containers:
    """The system, while it is up."""

    folder: Path
    ports: dict[str, str]

    @property
    def secrets(self) -> dict[str, str]:
        return dotenv(self.folder / ".env")

    @cached_property
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

    def shell(self, script: str) -> str:
        """Run what a page tells to type in `deploy/`; gives what it prints."""
        return subprocess.run(
            ["/bin/sh", "-euc", script.replace("vitrina_lake:", f"{PROJECT}_lake:")],
            cwd=self.folder,
            env=os.environ | self.ports | {"COMPOSE_PROJECT_NAME": PROJECT},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def services(self) -> dict[str, dict[str, Any]]:
        lines = self.shell("docker compose ps --all --format json").splitlines()
        return {each["Service"]: each for each in map(json.loads, lines)}


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """`init` and `up`, in a copy: the secrets of a deployment here stay as they are."""
    if not (is_there("docker") and is_there("docker", "compose", "version")):
        pytest.skip("no Docker engine with compose here: the containers were NOT started")
    copy = tmp_path_factory.mktemp("containers")
    for name in CONTEXT:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".env")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    names = ("AIRFLOW_PORT", "GRAFANA_PORT", "POSTGRES_PORT", "CLICKHOUSE_PORT")
    up = Containers(copy / "deploy", {name: str(free_port()) for name in names})
    try:
        up.shell("./init; docker compose build; docker compose up --detach --wait")
        yield up
    except subprocess.CalledProcessError:
        up.shell("docker compose ps --all >&2; docker compose logs --tail 40 >&2")
        raise
    finally:
        up.shell("docker compose down --volumes")


@pytest.fixture(scope="module")
def finished(containers: Containers) -> dict[str, Any]:
    """The run of the batch, once it has ended."""
    return unpause_and_run(containers.airflow, BATCH)


def documented(title: str) -> list[str]:
    """The commands below a title of the page, block by block."""
    _, found, below = PAGE.partition(f"**{title}")
    assert found, title
    return re.findall(r"(?s)```sh\n(.*?)```", re.split(r"\n\*\*|\n## ", below)[0])


def test_every_part_is_well(containers: Containers) -> None:
    services = containers.services()
    migrate = services.pop("migrate")
    assert (migrate["State"], migrate["ExitCode"]) == ("exited", 0)
    assert {(each["State"], each["Health"]) for each in services.values()} == {
        ("running", "healthy")
    }


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
    # No destination but the inner network's own.
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
    dump, restore = documented("PostgreSQL.** Everything")
    save, fill = documented("ClickHouse.**")
    pack, unpack = documented("Volumes**")
    files = "cd /lake && find . -type f -exec sha256sum {} + | sort"
    listing = f"docker compose exec -T airflow-scheduler sh -c '{files}'"
    loop = save[: save.index("; do\n") + len("; do\n")]
    for script in (dump, save, pack):
        containers.shell(script)
    lake = containers.shell(listing)
    assert "generate/truth.json" in lake
    containers.shell("docker compose down --volumes")
    containers.shell(restore)
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
    file = containers.folder / ".env"
    executor = "AIRFLOW_EXECUTOR=CeleryExecutor\nCOMPOSE_PROFILES=celery\n"
    file.write_text(file.read_text("utf-8") + executor, "utf-8")
    containers.shell("docker compose up --detach --wait")
    password = containers.secrets["AIRFLOW_ADMIN_PASSWORD"]
    airflow = AirflowApi.log_in(containers.airflow.url, "admin", password)
    run = unpause_and_run(airflow, BATCH)
    assert outcomes(airflow, run) == SUCCEEDED
    worker = containers.shell("docker compose ps --format '{{.ID}}' airflow-worker").strip()
    assert {task["hostname"] for task in tasks(airflow, run)} == {worker}
    assert_same_cells(containers.warehouse, containers.imports, embedded)


def test_new_passwords_are_taken_by_the_documented_commands(
    containers: Containers, finished: dict[str, Any], embedded: Settings
) -> None:
    old = containers.secrets
    file = containers.folder / ".env"
    text = file.read_text("utf-8")
    for name in RENEWED:
        text = text.replace(f"\n{name}={old[name]}\n", f"\n{name}=renewed{name}\n")
    file.write_text(text, "utf-8")
    assert {name for name in old if containers.secrets[name] != old[name]} == {*RENEWED}
    row = re.search(r"(?m)^\| `POSTGRES_PASSWORD`.*\| (.*) \|$", PAGE)
    assert row is not None
    for command in re.findall("`(docker [^`]*)`", row[1]):
        containers.shell(command.replace("exec ", "exec -T "))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(containers.postgres("postgres", old["POSTGRES_PASSWORD"]))
    psycopg.connect(containers.postgres("postgres", "renewedPOSTGRES_PASSWORD")).close()
    airflow = AirflowApi.log_in(containers.airflow.url, "admin", "renewedAIRFLOW_ADMIN_PASSWORD")
    run = unpause_and_run(airflow, BATCH | {"as_of": "2026-11-24"})
    assert run["state"] == "success"
