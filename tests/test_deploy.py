"""The files of `deploy/`: what can be known of them without Docker.

The journey of `make test-topology` runs what they say; here they are only read.
"""

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
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
    dotenv,
    handed_on,
)
from tests.waiting import wait_for
from vitrina.settings import Settings

ROOT = DEPLOY.parent
SERVICES = declared()
DOCKERFILES = sorted(DEPLOY.glob("*/Dockerfile"))
# What init writes; compose.yaml refuses to start without it.
SECRETS = {
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "BROKER_PASSWORD",
    "CLICKHOUSE_GRAFANA_PASSWORD",
    "CLICKHOUSE_LOADER_PASSWORD",
    "GRAFANA_ADMIN_PASSWORD",
    "POSTGRES_AIRFLOW_PASSWORD",
    "POSTGRES_LOADER_PASSWORD",
    "POSTGRES_OWNER_PASSWORD",
    "POSTGRES_PASSWORD",
    "POSTGRES_READER_PASSWORD",
    "SPARK_SECRET",
}
# Variables that the programs of others read, as their documentation has it.
READ_BY_OTHERS = {
    "postgres": {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"},
    "clickhouse": {"CLICKHOUSE_SKIP_USER_SETUP"},
    "spark": {"_SPARK_AUTH_SECRET"},
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
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    },
}
# Settings of Vitrina that no container is given.
NOT_FOR_SERVERS = {
    "VITRINA_HOME": "the lake has a place of its own, and the stores are servers",
    "VITRINA_SPARK_MEMORY": "the embedded engine's",
}
# Where tasks run; where alerts are sent.
TASKS = ("airflow-scheduler", "airflow-worker")
ALERTS = ("airflow-dag-processor", "airflow-triggerer")
SPARK = ("spark-worker-1", "spark-worker-2", "spark-connect")
OUTWARD = DEPLOY / "outward.yaml"
services = pytest.mark.parametrize("name", SERVICES)


# init


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "init").write_bytes((DEPLOY / "init").read_bytes())
    (tmp_path / "init").chmod(0o755)
    return tmp_path


def init(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([folder / "init"], capture_output=True, text=True, check=False, cwd="/")


def test_init_writes_secrets_that_only_their_owner_reads(folder: Path) -> None:
    result = init(folder)
    assert result.returncode == 0, result.stderr
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == [".env", "init"]
    written = dotenv(folder / ".env")
    assert written.keys() == SECRETS
    assert not any(secret in result.stdout + result.stderr for secret in written.values())


def test_no_two_secrets_are_alike(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    init(folder)
    first = dotenv(folder / ".env")
    (folder / ".env").unlink()
    init(folder)
    second = dotenv(folder / ".env")
    assert len({*first.values(), *second.values()}) == 2 * len(SECRETS)
    Fernet(second.pop("AIRFLOW_FERNET_KEY"))
    # 192 bits, and nothing that an address or a shell would have to quote.
    assert all(re.fullmatch("[0-9a-f]{48}", secret) for secret in second.values())


@pytest.mark.parametrize("kind", ["a file", "a dangling link"])
def test_init_overwrites_nothing(folder: Path, kind: str) -> None:
    env = folder / ".env"
    if kind == "a file":
        env.write_text("POSTGRES_PASSWORD=mine\n")
    else:
        env.symlink_to(folder / "elsewhere")
    result = init(folder)
    assert result.returncode == 1
    assert ".env is there already" in result.stderr
    assert env.is_symlink() or env.read_text() == "POSTGRES_PASSWORD=mine\n"
    assert not (folder / "elsewhere").exists()


def test_two_inits_at_once_write_one_file(folder: Path) -> None:
    starts = [
        subprocess.Popen([folder / "init"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(8)
    ]
    assert sorted(start.wait() for start in starts) == [0] + [1] * 7
    assert dotenv(folder / ".env").keys() == SECRETS


def test_git_and_docker_ignore_the_secrets() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/.env", "deploy/.env.a1b2c3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == ["deploy/.env", "deploy/.env.a1b2c3"]
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


# compose.yaml


@pytest.mark.parametrize("file", [FILE, OUTWARD], ids=lambda file: file.name)
def test_the_file_is_as_the_specification_says(file: Path) -> None:
    schema = json.loads((ROOT / "tests/compose_schema/compose-spec.json").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(file.read_text("utf-8")))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def test_what_init_writes_is_what_the_file_asks_for() -> None:
    asked, optional = set(), set()
    for text in texts(SERVICES):
        for name, kind, default in VARIABLE.findall(text):
            if kind == ":-":
                assert default, name
                optional.add(name)
            elif name:
                asked.add(name)
    optional.update(name for service in SERVICES.values() for name in handed_on(service))
    assert asked == SECRETS
    assert not optional & SECRETS
    documented = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert sorted(name for name in optional if f"`{name}`" not in documented) == []


def environments(*names: str, variables: dict[str, str] | None = None) -> list[dict[str, str]]:
    secrets = dict.fromkeys(SECRETS, "x")
    compose = Compose.read(secrets | (variables or {}))
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
    assert FILE.name in OUTWARD.read_text("utf-8")


def test_a_missing_secret_is_named() -> None:
    some = dict.fromkeys(SECRETS - {"SPARK_SECRET"}, "x")
    with pytest.raises(KeyError, match=r"SPARK_SECRET: run \./init first"):
        Compose.read(some)
    # Every secret is asked for with a message at least once.
    text = FILE.read_text("utf-8")
    assert all(f"${{{name}:?run ./init first}}" in text for name in SECRETS)


def test_no_secret_stands_in_a_tracked_file() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    name_of_one = r"(?i)(password|secret|_key|token)[\"']?"
    secret = re.compile(name_of_one + r"[ \t]*[:=>][ \t]*[\"']?([^\s\"'<]+)")
    for name in tracked:
        for _, value in secret.findall((ROOT / name).read_text("utf-8")):
            # From the environment, made by a program, a message, or a name in place of a value.
            is_none = value.startswith(("$", "%s", "{", "?")) or value.endswith("_password")
            assert is_none, f"{name}: {value}"


def known(name: str, service: str) -> bool:
    """Whether somebody reads a variable of a service."""
    if name.startswith("VITRINA_"):
        return name.removeprefix("VITRINA_").lower() in Settings.model_fields
    if name.startswith("AIRFLOW__") and name not in READ_BY_OTHERS["airflow"]:
        from airflow.configuration import conf

        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        return option in conf.configuration_description.get(section, {}).get("options", {})
    if any(name in names for names in READ_BY_OTHERS.values()):
        return True
    # A file of ours: one that is mounted, or that the image is made of.
    place = {"airflow": "airflow", "migrate": "airflow", "spark": "spark"}.get(
        service.split("-", maxsplit=1)[0], ""
    )
    files = [path for path in (DEPLOY / place).rglob("*") if place and path.is_file()]
    files += [DEPLOY / source for source in mounts(service)]
    files = [inner for path in files for inner in (path.rglob("*") if path.is_dir() else [path])]
    own = str(SERVICES[service].get("command", "")) + str(SERVICES[service]["healthcheck"])
    return name in own or any(name in path.read_text("utf-8") for path in files if path.is_file())


@services
def test_every_variable_that_is_set_is_read(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    assert [each for each in variables if not known(each, name)] == []


def mounts(service: str) -> list[str]:
    """The files and folders of `deploy/` that a service mounts."""
    volumes = SERVICES[service].get("volumes", [])
    return [volume.split(":")[0] for volume in volumes if volume.startswith(".")]


@services
def test_every_file_that_is_mounted_is_there_and_cannot_be_written(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _target, *mode = volume.split(":")
        if source.startswith("."):
            assert (DEPLOY / source).exists(), volume
            assert mode == ["ro"], volume
        else:
            assert source in yaml.safe_load(FILE.read_text("utf-8"))["volumes"], volume


@services
def test_ports_are_published_on_the_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:\d+", port), port
        assert "outside" in SERVICES[name]["networks"]


@services
def test_who_publishes_nothing_is_on_the_inner_network_alone(name: str) -> None:
    wanted = ["inside", "outside"] if SERVICES[name].get("ports") else ["inside"]
    assert SERVICES[name]["networks"] == wanted


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
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


@services
def test_every_service_that_stays_says_whether_it_is_well(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    if name == "migrate":
        assert check == {"disable": True}
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@services
def test_nobody_is_waited_for_without_a_condition(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        ends = other == "migrate"
        assert wait["condition"] == (
            "service_completed_successfully" if ends else "service_healthy"
        ), other


@services
def test_images_are_pinned_and_run_as_an_ordinary_user(name: str) -> None:
    service = SERVICES[name]
    assert_pinned(service["image"])
    if "build" in service:
        assert (FILE.parent / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).exists()
    else:
        assert service["user"].split(":")[0] not in ("", "0", "root")


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
        if step == "FROM":
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
    # Nothing that is run later belongs to the user it runs as.
    assert not any("--chown" in what for step, what in steps if step == "COPY")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_an_image_copies_is_there_and_reaches_the_builder(path: Path) -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for step, what in instructions(path):
        if step == "COPY" and not what.startswith("--from"):
            for source in what.split()[:-1]:
                assert (ROOT / source).exists(), source
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
    users = {dict(instructions(path))["USER"] for path in DOCKERFILES}
    assert users == {"10001:10001"}


def test_clickhouse_has_no_user_without_a_password() -> None:
    users: dict[str, ET.Element] = {}
    for path in (*DEPLOY.glob("clickhouse/*.xml"), *DEPLOY.glob("grafana/clickhouse/*.xml")):
        for user in ET.parse(path).findall("users/*"):  # noqa: S314
            users[user.tag] = user
    assert users.keys() == {"default", "loader", "grafana"}
    assert users.pop("default").get("remove") == "remove"
    for name, user in users.items():
        password = user.find("password")
        assert password is not None
        assert password.get("from_env") == f"CLICKHOUSE_{name.upper()}_PASSWORD"


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
