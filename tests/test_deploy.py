"""The files of `deploy/`: what can be known of them without Docker.

The journey of `make test-topology` runs what they say; here they are only read.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.fernet import Fernet
from spark_server import free_port

from tests.topology.compose import (
    DEPLOY,
    FILE,
    VARIABLE,
    Compose,
    declared,
    handed_on,
    make_secrets,
    read_secrets,
)
from tests.waiting import wait_for
from vitrina.dashboard.grafana.clickhouse import PLUGIN, PLUGIN_VERSION
from vitrina.settings import Settings

ROOT = DEPLOY.parent
SERVICES = declared()
# By the name of each image of ours, how it is built.
BUILT = {each["image"]: each["build"] for each in SERVICES.values() if "build" in each}
DOCKERFILES = sorted(DEPLOY.glob("*/Dockerfile"))
# By the name of each secret, the group that may read it.
GROUPS = {
    name.removeprefix("GROUP_OF_"): group
    for name, group in SERVICES["secrets"]["environment"].items()
    if name.startswith("GROUP_OF_")
}
MADE_OF_OTHERS = "CLICKHOUSE_XML"
SECRETS = GROUPS.keys() - {MADE_OF_OTHERS}
# What runs to its end before others start, or after.
ONE_SHOT = ("host", "secrets", "migrate", "first-batch")
# Variables that the programs of others read, as their documentation has it.
READ_BY_OTHERS = {
    "postgres": {"POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"},
    "clickhouse": {"CLICKHOUSE_SKIP_USER_SETUP"},
    "s3": {
        "AWS_ACCESS_KEY_ID",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    },
    # Options of Airflow's providers, which its own list does not have, and a connection.
    "airflow": {
        "AIRFLOW_CONN_SMTP_DEFAULT",
        "AIRFLOW__CELERY__BROKER_URL_CMD",
        "AIRFLOW__CELERY__RESULT_BACKEND_CMD",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    },
}
# Settings of Vitrina that no container is given.
NOT_FOR_SERVERS = {
    "VITRINA_HOME": "the lake has a place of its own, and the stores are servers",
    "VITRINA_SPARK_MEMORY": "the embedded engine's",
    "VITRINA_STORE": "deploy/stores.yaml gives it, with the folder that it names",
}
# What a service may read.
AIRFLOW_READS = {
    "POSTGRES_AIRFLOW_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
    "BROKER_PASSWORD",
}
TASKS_READ = AIRFLOW_READS | {"POSTGRES_LOADER_PASSWORD", "CLICKHOUSE_LOADER_PASSWORD"}
READS: dict[str, set[str]] = {
    "host": set(),
    # Root, who owns them.
    "secrets": set(),
    "postgres": {f"POSTGRES_{role}PASSWORD" for role in ("", "OWNER_", "LOADER_", "READER_")}
    | {"POSTGRES_AIRFLOW_PASSWORD"},
    # The one password beside the list of users is for the backup that operations.md tells to make.
    "clickhouse": {"CLICKHOUSE_XML", "CLICKHOUSE_LOADER_PASSWORD"},
    "spark-master": {"SPARK_SECRET"},
    "spark-worker-1": {"SPARK_SECRET"},
    "spark-worker-2": {"SPARK_SECRET"},
    "spark-connect": {"SPARK_SECRET"},
    "migrate": AIRFLOW_READS
    | {"AIRFLOW_ADMIN_PASSWORD", "POSTGRES_OWNER_PASSWORD", "CLICKHOUSE_LOADER_PASSWORD"},
    "airflow-api-server": AIRFLOW_READS,
    "airflow-scheduler": TASKS_READ,
    "airflow-dag-processor": AIRFLOW_READS,
    "airflow-triggerer": AIRFLOW_READS,
    "airflow-worker": TASKS_READ,
    "broker": {"BROKER_PASSWORD"},
    "first-batch": {"AIRFLOW_ADMIN_PASSWORD"},
    "grafana": {"GRAFANA_ADMIN_PASSWORD", "CLICKHOUSE_GRAFANA_PASSWORD"},
}
# Where tasks run; where alerts are sent.
TASKS = ("airflow-scheduler", "airflow-worker")
ALERTS = ("airflow-dag-processor", "airflow-triggerer")
SPARK = ("spark-worker-1", "spark-worker-2", "spark-connect")
OUTWARD = DEPLOY / "outward.yaml"
PORTS = DEPLOY / "ports.yaml"
OVERRIDES = (OUTWARD, PORTS, ROOT / "tests/topology/stand_ins/compose.yaml")
services = pytest.mark.parametrize("name", SERVICES)


# Secrets


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def made(folder: Path, *command: str, given: str = "", **places: str) -> str:
    """What a command of the service `secrets` prints, where it ends well."""
    result = make_secrets(folder, *command, given=given, **places)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_secret_is_made_new_for_its_group_alone(volume: Path, tmp_path: Path) -> None:
    assert made(volume) == ""
    assert {path.name for path in volume.iterdir()} == GROUPS.keys()
    for path in volume.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o440, path
        if os.geteuid() == 0:
            assert path.stat().st_gid == int(GROUPS[path.name]), path
    first = read_secrets(volume)
    other = tmp_path / "other"
    other.mkdir()
    made(other)
    second = read_secrets(other)
    assert first.keys() == second.keys() == SECRETS
    assert len({*first.values(), *second.values()}) == 2 * len(SECRETS)
    Fernet(second.pop("AIRFLOW_FERNET_KEY"))
    # 192 bits, and nothing that an address, a shell or a file of XML would have to quote.
    assert all(re.fullmatch("[0-9a-f]{48}", secret) for secret in second.values())


def test_made_again_the_secrets_stay_and_one_that_is_absent_is_added(volume: Path) -> None:
    made(volume)
    before = read_secrets(volume)
    made(volume)
    assert read_secrets(volume) == before
    (volume / "SPARK_SECRET").unlink()
    # A start that was interrupted.
    (volume / ".SPARK_SECRET").write_text("half")
    made(volume)
    after = read_secrets(volume)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"SPARK_SECRET"}


def test_data_without_its_secrets_gets_no_new_ones(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "data/18/docker").mkdir(parents=True)
    refused = make_secrets(volume, POSTGRES_DATA=str(tmp_path / "data"))
    assert refused.returncode == 1
    assert "docker compose run --rm -T secrets take < deploy/.env >> .env" in refused.stderr
    assert not list(volume.iterdir())
    assert SERVICES["secrets"]["volumes"][1] == "postgres:/run/postgres:ro"


def test_the_logins_are_those_of_both_pages(volume: Path) -> None:
    made(volume)
    secrets = read_secrets(volume)
    assert made(volume, "logins").splitlines() == [
        f"{page}  http://127.0.0.1:{port}  user admin  password {secrets[name]}"
        for page, port, name in (
            ("Airflow", 8080, "AIRFLOW_ADMIN_PASSWORD"),
            ("Grafana", 3000, "GRAFANA_ADMIN_PASSWORD"),
        )
    ]
    for page, name in (("airflow-api-server", "AIRFLOW_PORT"), ("grafana", "GRAFANA_PORT")):
        port = SERVICES["secrets"]["environment"][name]
        assert SERVICES[page]["ports"][0].startswith(f"127.0.0.1:{port}:")


def test_secrets_are_shown_and_renewed_one_by_one(volume: Path) -> None:
    made(volume)
    before = read_secrets(volume)
    assert made(volume, "show", "SPARK_SECRET") == before["SPARK_SECRET"] + "\n"
    made(volume, "renew", "SPARK_SECRET", "CLICKHOUSE_LOADER_PASSWORD", "AIRFLOW_FERNET_KEY")
    made(volume, "put", "BROKER_PASSWORD", given="mine\n")
    after = read_secrets(volume)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        "SPARK_SECRET",
        "CLICKHOUSE_LOADER_PASSWORD",
        "AIRFLOW_FERNET_KEY",
        "BROKER_PASSWORD",
    }
    new, old = after["AIRFLOW_FERNET_KEY"].split(",")
    Fernet(new)
    assert old == before["AIRFLOW_FERNET_KEY"]
    assert made(volume, "show", "BROKER_PASSWORD") == "mine\n"
    digest = hashlib.sha256(after["CLICKHOUSE_LOADER_PASSWORD"].encode()).hexdigest()
    assert digest in (volume / MADE_OF_OTHERS).read_text()


@pytest.mark.parametrize(
    ("command", "given", "complaint"),
    [
        (["renew", "NO_SUCH"], "", "NO_SUCH is not a secret"),
        (["put", "SPARK_SECRET"], "a b", "SPARK_SECRET: letters"),
        (["put", "SPARK_SECRET"], "", "SPARK_SECRET: letters"),
        (["show", "../../etc/passwd"], "", "The secrets: AIRFLOW_ADMIN_PASSWORD, "),
        (["take"], "SPARK_SECRET=x", "There are secrets already"),
    ],
)
def test_what_is_no_secret_is_refused_and_nothing_changes(
    volume: Path, command: list[str], given: str, complaint: str
) -> None:
    made(volume)
    before = read_secrets(volume)
    refused = make_secrets(volume, *command, given=given)
    assert refused.returncode == 1
    assert complaint in refused.stderr
    assert read_secrets(volume) == before


def test_the_secrets_of_version_0_1_0_are_taken_and_its_settings_given_back(
    volume: Path, tmp_path: Path
) -> None:
    (tmp_path / "data/18").mkdir(parents=True)
    old = {name: f"old{number}" for number, name in enumerate(sorted(SECRETS))}
    old["AIRFLOW_FERNET_KEY"] = Fernet.generate_key().decode()
    dotenv = (
        "# Written by deploy/init.\n"
        + "".join(f"{name}={value}\n" for name, value in old.items())
        + "COMPOSE_FILE=compose.yaml:outward.yaml\nVITRINA_LAKE=s3://sales/vitrina\n"
    )
    given_back = made(volume, "take", given=dotenv, POSTGRES_DATA=str(tmp_path / "data"))
    assert read_secrets(volume) == old
    assert given_back == (
        "COMPOSE_FILE=compose.yaml:deploy/outward.yaml\nVITRINA_LAKE=s3://sales/vitrina\n"
    )
    made(volume, POSTGRES_DATA=str(tmp_path / "data"))
    assert read_secrets(volume) == old


def test_clickhouse_starts_with_the_passwords_of_the_file_that_its_lists_include_or_not_at_all(
    volume: Path, tmp_path: Path
) -> None:
    made(volume)
    users = tmp_path / "users.d"
    users.mkdir()
    for file in (DEPLOY / "clickhouse/loader.xml", DEPLOY / "grafana/clickhouse/grafana.xml"):
        tree = ET.parse(file)  # noqa: S314
        root = tree.getroot()
        included = root.find("include_from")
        assert included is not None
        assert included.text == f"/run/secrets/{MADE_OF_OTHERS}"
        included.text = str(volume / MADE_OF_OTHERS)
        # The engine runs as `default`, and knows no constraint that a server is told to heed.
        for parent, name in (("users", "default"), ("profiles/grafana", "constraints")):
            if (element := root.find(f"{parent}/{name}")) is not None:
                (above,) = root.findall(parent)
                above.remove(element)
        tree.write(users / file.name)
    assert "loader" in engine(tmp_path, "SELECT name FROM system.users")
    assert "grafana" in engine(tmp_path, "SELECT name FROM system.users")
    (volume / MADE_OF_OTHERS).unlink()
    assert "File not found" in engine(tmp_path, "SELECT 1")
    (volume / MADE_OF_OTHERS).write_text("<clickhouse/>\n", "utf-8")
    assert "Password hash for" in engine(tmp_path, "SELECT 1")


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an engine with marts of stores and other tables, for Grafana's user."""
    folder = tmp_path_factory.mktemp("granted")
    tables = (
        f"CREATE DATABASE {name}; CREATE TABLE {name}.batch (n Int64) ENGINE = MergeTree ORDER BY n"
        for name in ("vitrina", "store_kontor", "stores", "other")
    )
    engine(folder, *(each for two in tables for each in two.split("; ")))
    grants = ET.parse(DEPLOY / "grafana/clickhouse/grafana.xml").find("users/grafana/grants")  # noqa: S314
    assert grants is not None
    # The engine runs as `default`: so that user gets the grants.
    (folder / "users.d").mkdir()
    (folder / "users.d/grants.xml").write_text(
        '<clickhouse><users><default><access_management remove="remove"/>'
        f"{ET.tostring(grants, 'unicode')}</default></users></clickhouse>",
        "utf-8",
    )
    return folder


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("SELECT count() FROM vitrina.batch", "0\n"),
        ("SELECT count() FROM store_kontor.batch", "0\n"),
        ("SELECT count() FROM other.batch", "ACCESS_DENIED"),
        ("SELECT count() FROM stores.batch", "ACCESS_DENIED"),
        ("DROP TABLE store_kontor.batch", "ACCESS_DENIED"),
        ("INSERT INTO store_kontor.batch VALUES (1)", "ACCESS_DENIED"),
    ],
)
def test_grafana_reads_the_marts_of_every_store_and_nothing_else(
    granted: Path, statement: str, answer: str
) -> None:
    assert answer in engine(granted, statement)


def engine(folder: Path, *statements: str, config: str = "") -> str:
    """What ClickHouse answers, in a process of its own, with `config.d` and `users.d` of a folder.

    Where it does not start, what it complains of.
    """
    default = (
        "<password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        "<quota>default</quota><access_management>1</access_management>"
    )
    (folder / "users.xml").write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas>"
        f"<users><default>{default}</default></users></clickhouse>",
        "utf-8",
    )
    users = folder / "users.xml"
    (folder / "config.xml").write_text(
        f"<clickhouse>{config}<users_config>{users}</users_config><user_directories><users_xml>"
        f"<path>{users}</path></users_xml></user_directories></clickhouse>",
        "utf-8",
    )
    code = (
        "import chdb, json, sys; engine = chdb.connect(sys.argv[1]);"
        "print(*(engine.query(each, 'TSV') for each in sys.argv[2:]), sep='')"
    )
    place = f"{folder / 'data'}?config-file={folder / 'config.xml'}"
    answer = subprocess.run(
        [sys.executable, "-c", code, place, *statements],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout if answer.returncode == 0 else answer.stderr


def test_every_system_log_that_the_engine_has_is_off_or_ends(tmp_path: Path) -> None:
    """The names are asked of the engine: of all that it has, those that it makes a table of.

    The image's own configuration turns many of them on; here all of them are, before ours.
    """
    import chdb

    program = Path(chdb.__file__).with_name("_chdb.abi3.so").read_bytes()
    # A search for the end alone reads half a gigabyte in no time; a name is looked for before it.
    ends = [found.end() for found in re.finditer(rb"_log(?!\w)", program)]
    words = [
        word
        for end in ends
        for word in re.findall(rb"(?<!\w)[a-z][a-z0-9_]+_log\Z", program[max(end - 100, 0) : end])
    ]
    settings = engine(tmp_path, "SELECT name FROM system.server_settings").split()
    names = sorted({word.decode() for word in words} - {*settings, "user_query_log"})
    all_on = "".join(
        f"<{name}><database>system</database><table>{name}</table></{name}>" for name in names
    )
    tables = (
        "SELECT name, position(engine_full, ' TTL ') > 0 FROM system.tables "
        "WHERE database = 'system' AND engine LIKE '%MergeTree' ORDER BY name"
    )

    def logs() -> dict[str, bool]:
        answer = engine(tmp_path, "SYSTEM FLUSH LOGS", tables, config=all_on)
        lines = [line.split("\t") for line in answer.splitlines() if line]
        shutil.rmtree(tmp_path / "data")
        return {name: ends == "1" for name, ends in lines}

    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    found = logs()
    assert len(found) > 15, names
    assert not any(found.values())
    (tmp_path / "config.d").mkdir()
    shutil.copy(DEPLOY / "clickhouse/server.xml", tmp_path / "config.d/vitrina.xml")
    kept = logs()
    assert "query_log" in kept
    assert [name for name, ends in kept.items() if not ends] == []


def test_git_and_docker_ignore_the_secrets() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", "deploy/.env"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == [".env", "deploy/.env"]
    # Everything is left out but what is named, and no name comprises them.
    first, *rest = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*"
    kept = {line[1:] for line in rest if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {"deploy", ".", "*"}


# What a host has to have


CPU = "processor\t: 0\nflags\t\t: fpu sse2 avx avx2 bmi1 bmi2 f16c fma abm movbe\n"


@pytest.mark.parametrize(
    ("cpu", "kilobytes", "complaint"),
    [
        (CPU, 7_900_000, ""),
        (CPU.replace(" avx2", "").replace(" fma", ""), 7_900_000, "lacks avx2, fma."),
        (CPU, 6_100_000, "needs 8 GB of memory; Docker has 6.2 GB here"),
    ],
)
def test_a_host_that_is_too_little_is_told_in_one_line(
    tmp_path: Path, cpu: str, kilobytes: int, complaint: str
) -> None:
    (tmp_path / "cpuinfo").write_text(cpu, "utf-8")
    (tmp_path / "meminfo").write_text(f"MemTotal: {kilobytes} kB\nMemFree: 1 kB\n", "utf-8")
    result = subprocess.run(
        [sys.executable, DEPLOY / "airflow/check_host.py"],
        env={"PROC": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if platform.machine() != "x86_64" and "lacks" in complaint:
        complaint = ""
    assert result.returncode == bool(complaint)
    assert complaint in result.stderr
    assert result.stderr.count("\n") == bool(complaint)


@pytest.mark.parametrize(
    ("engine", "compose", "complaint"),
    [
        ("25.0.0", "2.24.0", None),
        ("29.1.2", "v5.0.0", None),
        ("26.1.5+dfsg1", "2.40.3-3", None),
        ("24.0.9", "2.24.0", "Docker Engine 24.0.9 is too old: Vitrina needs 25 or later."),
        ("25.0.0", "v2.9.0", "Docker Compose v2.9.0 is too old: Vitrina needs 2.24 or later."),
        ("25.0.0", "", "Docker has no plugin compose: Vitrina needs Docker Compose 2.24 or later."),
        ("", "2.24.0", "Docker's engine does not answer: "),
    ],
)
def test_a_docker_that_is_too_old_is_told_in_one_line(
    tmp_path: Path, engine: str, compose: str, complaint: str | None
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ $1 = compose ] && echo {compose} || echo {engine}\n", "utf-8")
    docker.chmod(0o755)
    result = subprocess.run(
        [DEPLOY / "check"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == (complaint is not None), result.stderr
    assert (complaint or "") in result.stderr
    assert result.stderr.count("\n") == (complaint is not None)


def test_what_the_pages_name_as_the_least_is_what_is_checked() -> None:
    page = (ROOT / "docs/deployment.md").read_text("utf-8")
    check = (DEPLOY / "check").read_text("utf-8")
    for name, words in (("engine", "Docker Engine"), ("compose", "Docker Compose")):
        found = re.search(rf"(?m)^{name}=(.*)$", check)
        assert found is not None
        assert f"{words} {found[1]}" in page
    assert "x86-64-v3" in page
    assert "8 GB of memory" in page


# The first batch


class Airflow(ThreadingHTTPServer):
    """As much of Airflow's API as the first batch asks for."""

    def __init__(self, runs: list[str], *, paused: bool = False, taken: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.runs, self.paused, self.taken = runs, paused, taken
        self.known = "known"
        self.asked: list[dict[str, Any]] = []


class Api(BaseHTTPRequestHandler):
    server: Airflow

    def do_GET(self) -> None:
        if self.path == "/api/v2/dags/sales":
            self._send(200, {"is_paused": self.server.paused})
        else:
            self._send(200, {"dag_runs": [{"state": state} for state in self.server.runs]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            known = body == {"username": "admin", "password": self.server.known}
            self._send(201 if known else 401, {"access_token": "token"})
            return
        assert self.headers["Authorization"] == "Bearer token"
        self.server.asked.append(body)
        self.server.runs.append("success")
        self._send(409 if self.server.taken else 200, {})

    def _send(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def first_batch(
    folder: Path, airflow: Airflow, wanted: str = "2000"
) -> "subprocess.CompletedProcess[str]":
    (folder / "AIRFLOW_ADMIN_PASSWORD").write_text("known", "utf-8")
    with airflow:
        threading.Thread(target=airflow.serve_forever, daemon=True).start()
        result = subprocess.run(
            [sys.executable, DEPLOY / "airflow/first_batch.py"],
            env={
                "AIRFLOW_API": f"http://127.0.0.1:{airflow.server_port}",
                "SECRETS": str(folder),
                "FIRST_BATCH": wanted,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        airflow.shutdown()
    return result


@pytest.mark.parametrize("taken", [False, True], ids=["", "asked for by the schedule"])
def test_where_no_batch_has_run_last_tuesday_s_is_asked_for(tmp_path: Path, taken: bool) -> None:
    airflow = Airflow([], taken=taken)
    result = first_batch(tmp_path, airflow)
    assert result.returncode == 0, result.stderr
    [asked] = airflow.asked
    assert asked["conf"] == {"rows": 2000}
    due = datetime.fromisoformat(asked["logical_date"])
    assert (due.weekday(), due.hour, due.minute, due.second) == (1, 12, 45, 0)
    assert due.utcoffset() == timedelta(hours=3)
    assert timedelta() <= datetime.now(UTC) - due < timedelta(days=7)
    assert "has ended well" in result.stdout


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-24T12:44:59", "2026-11-17T12:45:00"),
        ("2026-11-24T12:45:00", "2026-11-24T12:45:00"),
        ("2026-11-23T23:00:00", "2026-11-17T12:45:00"),
        ("2026-11-25T00:00:00", "2026-11-24T12:45:00"),
    ],
)
def test_last_tuesday_is_when_the_schedule_was_due(now: str, due: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import first_batch;"
        "from datetime import datetime;"
        "print(first_batch.last_tuesday(datetime.fromisoformat(sys.argv[2])).isoformat())"
    )
    asked = [sys.executable, "-c", code, str(DEPLOY / "airflow"), f"{now}+03:00"]
    result = subprocess.run(
        asked,
        env={"AIRFLOW_API": "", "FIRST_BATCH": "no"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"{due}+03:00\n"


@pytest.mark.parametrize(
    ("runs", "paused", "wanted", "said"),
    [
        (["success"], False, "2000", "A batch has run already."),
        (["failed"], False, "2000", "A batch has run already."),
        ([], True, "2000", "The DAG sales is paused"),
        ([], False, "no", "FIRST_BATCH=no"),
    ],
)
def test_no_first_batch_is_asked_for_where_none_is_wanted(
    tmp_path: Path, runs: list[str], paused: bool, wanted: str, said: str
) -> None:
    airflow = Airflow(runs, paused=paused)
    result = first_batch(tmp_path, airflow, wanted)
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
    assert airflow.asked == []


def test_a_first_batch_that_cannot_be_asked_for_keeps_nobody_waiting(tmp_path: Path) -> None:
    airflow = Airflow([])
    airflow.known = "another"
    result = first_batch(tmp_path, airflow)
    assert result.returncode == 0, result.stderr
    assert "Airflow's API: HTTP Error 401" in result.stdout
    assert airflow.asked == []


@pytest.mark.parametrize("wanted", ["yes", "0", "-1", ""])
def test_a_first_batch_of_no_number_is_refused(tmp_path: Path, wanted: str) -> None:
    result = first_batch(tmp_path, Airflow([]), wanted)
    assert result.returncode == 1
    assert "should be a number of sales, or no" in result.stderr


# compose.yaml


@pytest.mark.parametrize("file", [FILE, *OVERRIDES], ids=lambda file: file.parent.name + file.name)
def test_the_file_is_as_the_specification_says(file: Path) -> None:
    schema = json.loads((ROOT / "tests/compose_schema/compose-spec.json").read_text("utf-8"))
    # What takes a value of the first file back.
    text = file.read_text("utf-8").replace("ulimits: !reset null", "ulimits: {}")
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(text))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def test_nothing_has_to_be_set_and_what_may_be_is_documented() -> None:
    optional = {name for service in SERVICES.values() for name in handed_on(service)}
    for text in texts([SERVICES, yaml.safe_load(PORTS.read_text("utf-8"))]):
        for name, kind, default in VARIABLE.findall(text):
            if name:
                assert kind == ":-", text
                assert default, text
                optional.add(name)
    documented = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert sorted(name for name in optional if f"`{name}`" not in documented) == []


def test_no_secret_is_put_into_the_file_or_into_an_environment() -> None:
    for name in SECRETS:
        assert f"${{{name}" not in FILE.read_text("utf-8")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if variable in SECRETS or re.search("PASSWORD|SECRET|_KEY|TOKEN", variable):
                # The name of its file or of its group; or what the user hands on.
                is_none = value is None or "/run/secrets/" in value or variable[:5] == "GROUP"
                assert is_none or value.startswith("with-secret "), f"{name}: {variable}"
        assert f"/run/secrets/{name}" not in str(service.get("command", ""))


def groups(service: str) -> set[str]:
    """The secrets that a service may read."""
    names = {group: name for name, group in GROUPS.items()}
    return {names[group] for group in SERVICES[service].get("group_add", [])}


def test_no_two_secrets_have_one_group_and_no_user_has_it() -> None:
    assert len({*GROUPS.values()}) == len(GROUPS)
    assert all(20_000 < int(group) < 30_000 for group in GROUPS.values())


@services
def test_a_service_reads_the_secrets_that_it_uses_and_no_others(name: str) -> None:
    assert groups(name) == READS[name]
    service = SERVICES[name]
    mounted = [volume for volume in service.get("volumes", []) if volume.startswith("secrets:")]
    alone = name == "secrets"
    assert mounted == (
        ["secrets:/run/secrets" + ":ro" * (not alone)] if READS[name] or alone else []
    )
    asked = {
        found
        for text in texts(
            [service.get("environment", {}), service.get("command", ""), service["healthcheck"]]
        )
        for found in re.findall(r"/run/secrets/(\w+)|with-secret (\w+)", text)
    }
    assert {one or other for one, other in asked} <= READS[name]


def environments(*names: str, variables: dict[str, str] | None = None) -> list[dict[str, str]]:
    compose = Compose.read(variables or {})
    return [compose.environment(name) for name in names]


def test_every_setting_can_be_given_to_those_who_read_it() -> None:
    settings = {f"VITRINA_{name.upper()}" for name in Settings.model_fields}
    alerts = {name for name in settings if name.startswith("VITRINA_ALERT_")}
    assert settings >= NOT_FOR_SERVERS.keys()
    for wanted, names in (
        (settings - NOT_FOR_SERVERS.keys() - alerts, TASKS),
        (alerts, ALERTS),
        ({name for name in settings if name.startswith("VITRINA_CLICKHOUSE_")}, ["migrate"]),
    ):
        given = dict.fromkeys(wanted, "given")
        for name, environment in zip(names, environments(*names, variables=given), strict=True):
            assert [each for each in sorted(wanted) if each not in environment] == [], name


def test_stores_of_ones_own_are_seen_by_those_who_read_them_and_changed_by_none() -> None:
    added = yaml.safe_load((DEPLOY / "stores.yaml").read_text("utf-8"))["services"]
    # The generated shop has no DAG beside them, so no first batch is waited for.
    assert added.pop("first-batch") == {"environment": {"FIRST_BATCH": "no"}}
    assert added.keys() == {*TASKS, "airflow-dag-processor", "migrate"}
    for name, service in added.items():
        assert service["volumes"] == ["${STORES:-./stores}:/stores:ro"], name
        given = service.get("environment", {})
        assert given == ({} if name == "migrate" else {"VITRINA_STORE": "/stores"}), name


def test_what_is_not_set_is_absent() -> None:
    # An empty region or key would keep S3's clients from looking elsewhere.
    for environment in environments(*SERVICES):
        assert all(environment.values())
        assert not environment.keys() & READ_BY_OTHERS["s3"]
    for name in ("VITRINA_LAKE", "AWS_REGION"):
        (environment,) = environments("airflow-scheduler", variables={name: "eu-central-1"})
        assert environment[name] == "eu-central-1"


def test_s3_is_told_to_all_who_read_the_lake_and_to_nobody_else() -> None:
    told = {name for name in SERVICES if READ_BY_OTHERS["s3"] & {*handed_on(SERVICES[name])}}
    assert told == {*TASKS, *SPARK}
    assert all({*handed_on(SERVICES[name])} >= READ_BY_OTHERS["s3"] for name in told)


def test_outward_lets_out_those_who_have_something_to_say_there() -> None:
    file = yaml.safe_load(OUTWARD.read_text("utf-8"))
    assert file["services"] == {
        name: {"networks": ["outside"]} for name in (*TASKS, *ALERTS, *SPARK)
    }
    assert f"COMPOSE_FILE={FILE.name}:deploy/{OUTWARD.name}" in OUTWARD.read_text("utf-8")


def test_ports_of_both_stores_are_published_where_that_is_asked_for() -> None:
    file = yaml.safe_load(PORTS.read_text("utf-8"))
    assert file["services"] == {
        name: {
            "networks": ["outside"],
            "ports": [f"127.0.0.1:${{{name.upper()}_PORT:-{port}}}:{port}"],
        }
        for name, port in (("postgres", 5432), ("clickhouse", 8123))
    }
    assert f"COMPOSE_FILE={FILE.name}:deploy/{PORTS.name}" in PORTS.read_text("utf-8")


def test_no_secret_stands_in_a_tracked_file() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "deploy", "compose.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    name_of_one = r"(?i)(password|secret|_key|token)[\"']?"
    secret = re.compile(name_of_one + r"[ \t]*[:=>][ \t]*[\"']?([^\s\"'<]+)")
    # Programs are searched by the linter.
    for name in (name for name in tracked if not name.endswith(".py")):
        for _, value in secret.findall((ROOT / name).read_text("utf-8")):
            # From a file, made by a program, a message, a group, or a name in place of a value.
            is_none = value.startswith(("$", "%s", "{", "?", "*", "&", "cat", "with-secret"))
            is_name = value.endswith("_password") or value.startswith("/run/secrets/")
            assert is_none or is_name, f"{name}: {value}"


def known(name: str, service: str) -> bool:
    """Whether somebody reads a variable of a service."""
    if name.startswith("VITRINA_"):
        return name.removeprefix("VITRINA_").lower() in Settings.model_fields
    if name.startswith("AIRFLOW__") and name not in READ_BY_OTHERS["airflow"]:
        from airflow.configuration import conf

        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        if option.endswith("_cmd"):
            # Airflow runs a command for the value of a secret option alone.
            return (section, option.removesuffix("_cmd")) in conf.sensitive_config_values
        return option in conf.configuration_description.get(section, {}).get("options", {})
    if any(name in names for names in READ_BY_OTHERS.values()):
        return True
    # A file of ours: one that the image is made of.
    dockerfile = BUILT.get(SERVICES[service]["image"], {}).get("dockerfile", "none")
    files = [path for path in (ROOT / dockerfile).parent.rglob("*") if path.is_file()]
    own = str(SERVICES[service].get("command", "")) + str(SERVICES[service]["healthcheck"])
    return name in own or any(
        name in text or (name.startswith("GROUP_OF_") and "GROUP_OF_" in text)
        for text in (path.read_text("utf-8") for path in files)
    )


@services
def test_every_variable_that_is_set_is_read(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    assert [each for each in variables if not known(each, name)] == []


@services
def test_nothing_of_the_checkout_is_mounted(name: str) -> None:
    """So that it may be readable by its owner alone, and Docker may be on another machine."""
    declared_volumes = yaml.safe_load(FILE.read_text("utf-8"))["volumes"]
    for volume in SERVICES[name].get("volumes", []):
        assert volume.split(":")[0] in declared_volumes, volume


@services
def test_ports_are_published_on_the_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:\d+", port), port
        assert "outside" in SERVICES[name]["networks"]


@services
def test_who_publishes_nothing_is_on_the_inner_network_alone(name: str) -> None:
    if name in ("host", "secrets"):
        assert SERVICES[name]["network_mode"] == "none"
        assert "networks" not in SERVICES[name]
        return
    wanted = ["inside", "outside"] if SERVICES[name].get("ports") else ["inside"]
    assert SERVICES[name]["networks"] == wanted
    # The two pages; both stores' ports are those of whoever has a store of his own.
    assert bool(SERVICES[name].get("ports")) == (name in ("airflow-api-server", "grafana"))


def test_nothing_outside_reaches_the_inner_network() -> None:
    networks = yaml.safe_load(FILE.read_text("utf-8"))["networks"]
    assert networks == {"inside": {"internal": True}, "outside": {}}


@services
def test_every_service_is_kept_within_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    # To give each secret to its group.
    assert service.get("cap_add", []) == ["CHOWN"] * (name == "secrets")
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@services
def test_every_service_that_stays_says_whether_it_is_well(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    if name in ONE_SHOT:
        assert check == {"disable": True}
        # `up --wait` takes the end of a service for a failure unless another waits for it.
        waits = [each.get("depends_on", {}).get(name) for each in SERVICES.values()]
        assert {"condition": "service_completed_successfully"} in waits
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@services
def test_a_health_check_loads_no_airflow(name: str) -> None:
    """It is run often, and on a busy machine Airflow's commands take longer than it may."""
    words = " ".join(SERVICES[name]["healthcheck"].get("test", [])).split()
    assert not {*words} & {"airflow", "celery"}
    for path in (DEPLOY / "airflow").glob("*.py"):
        loads = re.search(r"(?m)^\s*(import|from) airflow", path.read_text("utf-8"))
        assert path.name not in words or not loads


@services
def test_nobody_is_waited_for_without_a_condition(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        ends = other in ONE_SHOT
        assert wait["condition"] == (
            "service_completed_successfully" if ends else "service_healthy"
        ), other


@services
def test_images_are_pinned_and_run_as_an_ordinary_user(name: str) -> None:
    service = SERVICES[name]
    assert_pinned(service["image"])
    if name != "secrets":
        assert service.get("user", "vitrina").split(":")[0] not in ("", "0", "root")
    if build := BUILT.get(service["image"]):
        assert (FILE.parent / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).exists()
    else:
        assert "user" in service


def awaited(name: str) -> set[str]:
    """The services that one waits for, and those that they wait for."""
    direct = {*SERVICES[name].get("depends_on", {})}
    return direct.union(*(awaited(other) for other in direct))


def test_an_image_is_built_by_one_service_for_those_that_wait_for_it() -> None:
    """Compose labels an image with the service that it is built for: two would be two images."""
    builders = {each["image"]: name for name, each in SERVICES.items() if "build" in each}
    assert len(builders) == sum("build" in each for each in SERVICES.values())
    for name, service in SERVICES.items():
        by_another = service["image"] in builders and "build" not in service
        assert service.get("pull_policy") == ("never" if by_another else None), name
        assert not by_another or builders[service["image"]] in awaited(name), name


# Images


def assert_pinned(image: str) -> None:
    """A tag with all parts of the version: a shorter one is another image next week."""
    name, _, tag = image.partition(":")
    assert re.match(r"\d+\.\d+", tag), image
    assert "latest" not in tag
    if name == "python":
        assert re.match(r"\d+\.\d+\.\d+-", tag), image


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text("utf-8"))
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines if line.strip()]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_is_made_as_images_should_be(path: Path) -> None:
    steps = instructions(path)
    for step, what in steps:
        if step == "FROM" and what.split()[0] != "scratch":
            assert_pinned(what.split()[0])
        if step == "WORKDIR":
            assert what.startswith("/")
        if step in ("CMD", "ENTRYPOINT"):
            json.loads(what)  # no shell between Docker and the process
        if step == "RUN":
            assert not re.search(r"\b(sudo|curl|wget|apt-get (dist-)?upgrade|apt )", what)
            if "apt-get install" in what:
                assert "--no-install-recommends" in what
                assert "rm -rf /var/lib/apt/lists" in what
            for pip in re.findall(r"pip install[^&]*", what):
                assert "--require-hashes" in pip or "--no-deps" in pip, pip
            assert "pip install" not in what or "--no-cache-dir" in what or "uv pip" in what
    names = [step for step, _ in steps]
    assert "ADD" not in names
    users = [what for step, what in steps if step == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    for step, what in steps:
        if step == "COPY":
            # Nothing that is run later belongs to the user it runs as.
            assert "--chown" not in what
            # What a checkout lets its owner alone read would be the image's root's alone.
            assert re.match(r"--(chmod=(644|755)|from=)", what) or "fetch_" in what, what


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_an_image_copies_is_there_and_reaches_the_builder(path: Path) -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for step, what in instructions(path):
        if step == "COPY" and not what.startswith("--from"):
            for source in re.sub(r"--\S+ ", "", what).split()[:-1]:
                assert list(ROOT.glob(source)), source
                assert any(source == name or source.startswith(f"{name}/") for name in kept), source


# Jars for S3

JARS = DEPLOY / "spark/s3-jars.txt"


def jars() -> list[tuple[str, str]]:
    """Checksum and path of each jar."""
    lines = [line for line in JARS.read_text("utf-8").splitlines() if line[0] != "#"]
    return [(line.split()[0], line.split()[1]) for line in lines]


def test_every_jar_is_pinned_with_a_checksum() -> None:
    assert len(jars()) == 3
    for checksum, path in jars():
        assert re.fullmatch("[0-9a-f]{40}", checksum)
        *_, name, version, file = path.split("/")
        assert file == f"{name}-{version}.jar"


def test_the_jars_are_those_that_the_documentation_names() -> None:
    documented = (ROOT / "docs/lake.md").read_text("utf-8")
    for _, path in jars():
        *group, name, version, _ = path.split("/")
        assert re.search(rf"`{re.escape('.'.join(group))}:{name}` \| {version}\b", documented)


def test_spark_s_settings_for_s3_are_those_that_the_documentation_names() -> None:
    documented = (ROOT / "docs/lake.md").read_text("utf-8")
    for line in (DEPLOY / "spark/spark-defaults.conf").read_text("utf-8").splitlines():
        if line.startswith("spark.hadoop."):
            assert line.split()[0] in documented


class Repository(ThreadingHTTPServer):
    """A repository of jars on the loopback."""

    def __init__(self, jars: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Shelf)
        self.jars = jars


class Shelf(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        jar = self.server.jars.get(self.path)
        self.send_response(404 if jar is None else 200)
        self.end_headers()
        self.wfile.write(jar or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("served", "complaint"),
    [(b"a jar", None), (b"another", "a/b-1.jar has the SHA-1 "), (None, "HTTP Error 404")],
)
def test_a_jar_is_fetched_only_as_it_should_be(
    tmp_path: Path, served: bytes | None, complaint: str | None
) -> None:
    (tmp_path / "jars").mkdir()
    wanted = hashlib.sha1(b"a jar").hexdigest()  # noqa: S324
    (tmp_path / "list").write_text(f"# of these\n{wanted}  a/b-1.jar\n")
    with Repository({} if served is None else {"/maven/a/b-1.jar": served}) as repository:
        threading.Thread(target=repository.serve_forever, daemon=True).start()
        result = subprocess.run(
            [sys.executable, DEPLOY / "spark/fetch_jars.py", tmp_path / "list", tmp_path / "jars"],
            env={"MAVEN": f"http://127.0.0.1:{repository.server_port}/maven"},
            capture_output=True,
            text=True,
            check=False,
        )
        repository.shutdown()
    if complaint is None:
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "jars/b-1.jar").read_bytes() == served
    else:
        assert result.returncode == 1
        assert complaint in result.stderr
        assert not list((tmp_path / "jars").iterdir())


# Grafana's plugin


@pytest.mark.parametrize("found", ["whole", "damaged", "absent"])
def test_the_plugin_is_unpacked_only_with_its_checksum(tmp_path: Path, found: str) -> None:
    archive = tmp_path / "plugin.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("the-plugin/plugin.json", "{}")
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found == "damaged":
        archive.write_bytes(archive.read_bytes() + b"x")
    if found == "absent":
        archive.unlink()
    result = subprocess.run(
        [
            *(sys.executable, DEPLOY / "grafana/fetch_plugin.py"),
            *(archive.as_uri(), checksum, tmp_path / "plugins"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if found == "whole":
        assert result.returncode == 0, result.stderr
        unpacked = tmp_path / "plugins/the-plugin/plugin.json"
        assert stat.S_IMODE(unpacked.stat().st_mode) == 0o755
    else:
        assert result.returncode == 1
        said = f"should have {checksum}" if found == "damaged" else "PLUGIN_URL names another"
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "plugins").exists()


def test_the_plugin_is_named_by_version_and_checksum_for_both_kinds_of_processor() -> None:
    text = (DEPLOY / "grafana/Dockerfile").read_text("utf-8")
    version = re.search(r"ARG PLUGIN_VERSION=(\d+)\.(\d+)\.\d+\n", text)
    assert version is not None
    # Not older than the one that the dashboards were written for.
    wanted = tuple(int(part) for part in PLUGIN_VERSION.split("."))
    assert (int(version[1]), int(version[2])) >= wanted[:2]
    assert f"/{PLUGIN}/versions/${{PLUGIN_VERSION}}/download" in text
    checksums = re.findall(r"ARG PLUGIN_SHA256_(AMD64|ARM64)=[0-9a-f]{64}\n", text)
    assert checksums == ["AMD64", "ARM64"]
    # The volume would hide it where Grafana has plugins otherwise.
    assert "ENV GF_PATHS_PLUGINS=/usr/share/grafana/plugins\n" in text


# Both images


def test_driver_and_workers_have_one_python() -> None:
    from lock import IMAGE_PYTHON

    last = {
        path.parent.name: [what for step, what in instructions(path) if step == "FROM"][-1]
        for path in DOCKERFILES
    }
    assert last["airflow"] == last["spark"]
    assert last["airflow"].startswith(f"python:{IMAGE_PYTHON}.")


def test_both_images_write_to_the_lake_as_one_user() -> None:
    for name in ("airflow", "spark"):
        assert dict(instructions(DEPLOY / name / "Dockerfile"))["USER"] == "10001:10001"


def test_clickhouse_has_no_user_without_a_password() -> None:
    users: dict[str, ET.Element] = {}
    for path in (*DEPLOY.glob("clickhouse/*.xml"), *DEPLOY.glob("grafana/clickhouse/*.xml")):
        for user in ET.parse(path).findall("users/*"):  # noqa: S314
            users[user.tag] = user
    assert users.keys() == {"default", "loader", "grafana"}
    assert users.pop("default").get("remove") == "remove"
    for name, user in users.items():
        (password,) = [each for each in user if each.tag.startswith("password")]
        assert password.tag == "password_sha256_hex"
        assert password.get("incl") == f"CLICKHOUSE_{name.upper()}_PASSWORD"


# The scheduler's watchdog

FAKE_SCHEDULER = """
import http.server, os, signal, sys, time
assert sys.argv[1:] == ["scheduler"]
open("started", "w").write(str(os.getpid()))
if os.path.exists("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists("ill") else 200)
        self.end_headers()
    def log_message(self, *_):
        if os.path.exists("gone"):
            os._exit(7)
http.server.HTTPServer(("127.0.0.1", {port}), Health).serve_forever()
"""


@pytest.fixture
def watched(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The watchdog over something that looks like a scheduler."""
    port = free_port()
    fake = tmp_path / "scheduler.py"
    fake.write_text(FAKE_SCHEDULER.format(port=port), "utf-8")
    program = tmp_path / "airflow"
    # A script's first line cannot name a Python in a folder with a space in its name.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n', "utf-8")
    program.chmod(0o755)
    (tmp_path / "stubborn").touch()
    watchdog = subprocess.Popen(
        [sys.executable, DEPLOY / "airflow/scheduler.py"],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(port),
            "SCHEDULER_PATIENCE": "2",
            "SCHEDULER_FAREWELL": "0.5",
        },
    )
    try:
        started = tmp_path / "started"
        wait_for(lambda: started.exists() and started.read_text())
        yield watchdog
    finally:
        watchdog.kill()
        watchdog.wait()


def is_gone(tmp_path: Path) -> bool:
    try:
        os.kill(int((tmp_path / "started").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_a_scheduler_that_is_well_is_left_alone(
    watched: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        watched.wait(3)
    assert not is_gone(tmp_path)
    watched.send_signal(signal.SIGTERM)
    assert watched.wait(30) == 128 + signal.SIGTERM
    assert is_gone(tmp_path)


def test_a_scheduler_without_a_heartbeat_is_ended_though_it_will_not_leave(
    watched: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    (tmp_path / "ill").touch()
    assert watched.wait(30) == 1
    assert is_gone(tmp_path)


def test_a_scheduler_that_ends_ends_its_watchdog(
    watched: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    (tmp_path / "gone").touch()
    assert watched.wait(30) == 7
