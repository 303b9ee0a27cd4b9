"""The system of `compose.yaml` without Docker: the same processes, from wheels.

Each service has an address of the loopback for itself, the environment that compose gives it, and
the secrets that the service `secrets` makes, in a folder. Besides it gets what its image has: paths
of programs, Java and the lake. Left out are the service `host`, Grafana and what the profile
`celery` adds.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import spark_server
from airflow_api import AirflowApi

from tests.servers.clickhouse import clickhouse_server
from tests.servers.postgres import postgres_server
from tests.servers.processes import Processes, answers
from tests.servers.receivers import Received, http_receiver
from tests.topology.batch import KEEP
from tests.topology.compose import DEPLOY, SECRETS, Compose, make_secrets, read_secrets

ROOT = DEPLOY.parent
AIRFLOW = ROOT / ".venv-airflow/bin"
# For a small machine that runs everything at once.
SMALL = {
    "FIRST_BATCH": "2000",
    "SPARK_WORKER_CORES": "1",
    "SPARK_WORKER_MEMORY": "1g",
    "SPARK_DRIVER_MEMORY": "1g",
    "POSTGRES_SHARED_BUFFERS": "64MB",
}
# The ports of each service, at its own address.
PORTS = {
    "postgres": (5432,),
    "clickhouse": (8123,),
    "spark-master": (7077, 8080),
    "spark-worker-1": (8081,),
    "spark-worker-2": (8081,),
    "spark-connect": (15002,),
    "airflow-api-server": (8080,),
}
NETWORKS = 250
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class System:
    """The system while it runs."""

    compose: Compose
    secrets: dict[str, str]
    processes: Processes
    folder: Path
    # For the scheduler's health check, on 127.0.0.1, which a container has for itself.
    health_port: int
    alerts: Received

    def environment(self, service: str) -> dict[str, str]:
        """The environment of one of Airflow's services, from compose.yaml and from its image."""
        paths = {"/opt/vitrina/dags": str(ROOT / "dags"), "/lake": str(self.folder / "lake")}
        secrets = str(self.folder / "secrets")
        given = self.compose.environment(service)
        return {
            "PATH": f"{AIRFLOW}:{DEPLOY / 'airflow'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "PYTHONUNBUFFERED": "1",
            "SECRETS": secrets,
            **{
                name: paths.get(value, value).replace(SECRETS, secrets)
                for name, value in given.items()
            },
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.health_port),
        }

    @property
    def airflow_url(self) -> str:
        return f"http://{self.compose.address('airflow-api-server')}:8080"

    @cached_property
    def airflow(self) -> AirflowApi:
        """Airflow's API for the administrator, once the server answers."""
        return AirflowApi.log_in(self.airflow_url, "admin", self.secrets["AIRFLOW_ADMIN_PASSWORD"])

    def postgres(self, role: str) -> str:
        """The address of the warehouse for `owner`, `loader` or `reader`."""
        password = self.secrets[f"POSTGRES_{role.upper()}_PASSWORD"]
        host = self.compose.address("postgres")
        return f"postgresql://vitrina_{role}:{password}@{host}:5432/vitrina"

    @property
    def clickhouse(self) -> str:
        password = self.secrets["CLICKHOUSE_LOADER_PASSWORD"]
        return f"clickhouse://loader:{password}@{self.compose.address('clickhouse')}:8123/vitrina"

    @property
    def airflow_database(self) -> str:
        password = self.secrets["POSTGRES_AIRFLOW_PASSWORD"]
        return f"postgresql://airflow:{password}@{self.compose.address('postgres')}:5432/airflow"


@contextmanager
def system(folder: Path) -> Iterator[System]:
    """Bring everything up, as `docker compose up` does; down when the block ends.

    It also stops when Ctrl-C or a signal interrupts it at any moment.
    """
    for name in ("secrets", "lake"):
        (folder / name).mkdir()
    made = make_secrets(folder / "secrets")
    assert made.returncode == 0, made.stderr
    secrets = read_secrets(folder / "secrets")
    with interrupted_by_signals(), ExitStack() as stack:
        try:
            alerts = stack.enter_context(http_receiver())
            told = {"VITRINA_ALERT_WEBHOOK": alerts.url, "VITRINA_ALERT_LATE_AFTER": "1"}
            compose = on_free_network(SMALL | KEEP | told)
            options = compose.services["postgres"]["command"][1:]
            stack.enter_context(
                postgres_server(
                    folder / "postgres",
                    compose.address("postgres"),
                    secrets,
                    options,
                )
            )
            stack.enter_context(
                clickhouse_server(
                    folder / "clickhouse",
                    compose.address("clickhouse"),
                    secrets["CLICKHOUSE_LOADER_PASSWORD"],
                )
            )
            processes = stack.enter_context(Processes(folder / "processes"))
            port = spark_server.free_port()
            whole = System(compose, secrets, processes, folder, port, alerts)
            start_spark(whole)
            start_airflow(whole)
            yield whole
        finally:
            # A second Ctrl-C would leave half of it running.
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block as Ctrl-C does."""
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    for number, handler in before.items():
        # An ignored signal stays ignored, for example under nohup.
        if handler != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def on_free_network(variables: Mapping[str, str]) -> Compose:
    """The services at free addresses: other tests or an earlier system may use some.

    Raises:
        RuntimeError: a port is taken at every address.
    """
    taken = ""
    for number in range(NETWORKS):
        compose = Compose.read(variables, f"127.77.{(os.getpid() + number) % NETWORKS + 1}")
        try:
            for service, ports in PORTS.items():
                for port in ports:
                    taken = f"{compose.address(service)}:{port}"
                    with socket.socket() as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind((compose.address(service), port))
        except OSError:
            continue
        return compose
    raise RuntimeError(f"Every address is in use, such as {taken}. Stop what listens there.")


def start_spark(system: System) -> None:
    """Start master, two workers and Connect server with the program that their image runs."""
    java = spark_server.find_java()
    for service in ("spark-master", "spark-worker-1", "spark-worker-2", "spark-connect"):
        address = system.compose.address(service)
        place = system.folder / service
        place.mkdir()
        (home,) = spark_server.VENV.glob("lib/python*/site-packages/pyspark")
        environment = {
            "PATH": os.environ["PATH"],
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(DEPLOY / "spark"),
            "SPARK_LOCAL_DIRS": str(place / "local"),
            "SPARK_WORKER_DIR": str(place / "work"),
            "SPARK_LOCAL_IP": address,
            "SPARK_DAEMON_MEMORY": "512m",
            "JAVA_HOME": str(spark_server.with_all_modules(java, place)),
            "VITRINA_JAVA": str(java / "bin/java"),
            "PYSPARK_PYTHON": str(spark_server.VENV / "bin/python"),
            "LC_ALL": "C.UTF-8",
            "SECRETS": str(system.folder / "secrets"),
            **system.compose.environment(service),
        }
        (role,) = system.compose.services[service]["command"]
        system.processes.start(service, [DEPLOY / "spark/run", role], environment)
        port = {"master": 8080, "worker": 8081, "connect": 15002}[role]
        listens = listens_at if role == "connect" else has_page
        system.processes.wait(service, partial(listens, address, port))


def listens_at(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 5).close()
    except OSError:
        return False
    return True


def has_page(address: str, port: int) -> bool:
    return answers(f"http://{address}:{port}")


def start_airflow(system: System) -> None:
    """Start what compose starts once the stores and Spark are healthy, in the same order."""
    for service, wait in (
        ("migrate", None),
        ("airflow-api-server", lambda: answers(f"{system.airflow_url}/api/v2/version")),
        ("airflow-scheduler", lambda: answers(f"http://127.0.0.1:{system.health_port}/health")),
        ("airflow-dag-processor", lambda: has_sales(system)),
        ("airflow-triggerer", lambda: is_well(system, "airflow-triggerer")),
        ("first-batch", None),
    ):
        command = system.compose.services[service]["command"]
        environment = system.environment(service)
        # Found on the image's PATH, which may differ from this machine's.
        program = shutil.which(command[0], path=environment["PATH"])
        assert program is not None, command
        if wait is None:
            system.processes.run(service, [program, *command[1:]], environment)
        else:
            system.processes.start(service, [program, *command[1:]], environment)
            system.processes.wait(service, wait)


def is_well(system: System, service: str) -> bool:
    """Whether a health check of one of Airflow's services succeeds."""
    command = system.compose.services[service]["healthcheck"]["test"][1:]
    checked = subprocess.run(
        [AIRFLOW / "python", DEPLOY / "airflow" / command[0], *command[1:]],
        env=system.environment(service),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return checked.returncode == 0


def has_sales(system: System) -> bool:
    return [dag["dag_id"] for dag in system.airflow.ask("GET", "dags")["dags"]] == ["sales"]
