"""Start Airflow for a developer, or stop it; `make up` and `make down` call this.

    up.py          API server, DAG processor, scheduler and triggerer, on SQLite
    up.py down     stops them, and the embedded PostgreSQL that a killed task left running

Their state is in `<VITRINA_HOME>/airflow`, which `make run` uses too. PORT in the environment
chooses the port on 127.0.0.1. Both commands can be repeated, even after a crash.
"""

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_api import AirflowApi, health
from airflow_home import (
    InUseError,
    airflow_environment,
    data_folder,
    in_use,
    is_prepared,
    prepare_database,
)
from airflow_parts import Part, stop

from vitrina.errors import VitrinaError
from vitrina.settings import load_settings
from vitrina.stores.postgres.embedded import data_home, embedded_postgres

DAG = "sales"
USER = "admin"
_START_SECONDS = 180
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Airflow:
    """The Airflow of one home folder."""

    data: Path

    @property
    def home(self) -> Path:
        return self.data / "airflow"

    @property
    def passwords(self) -> Path:
        """A JSON file with the user and the password, made once."""
        return self.home / "passwords.json"

    @property
    def port_file(self) -> Path:
        return self.home / "port"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port_file.read_text(encoding='ascii')}"

    @property
    def api_server(self) -> Part:
        return Part(self.home, ("api-server",))

    @property
    def dag_processor(self) -> Part:
        return Part(self.home, ("dag-processor",))

    @property
    def scheduler(self) -> Part:
        return Part(self.home, ("scheduler", "--skip-serve-logs"))

    @property
    def triggerer(self) -> Part:
        return Part(self.home, ("triggerer", "--skip-serve-logs"))

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.api_server, self.dag_processor, self.scheduler, self.triggerer)

    def api(self) -> AirflowApi:
        return AirflowApi.log_in(self.url, USER, self.password())

    def password(self) -> str:
        password: str = json.loads(self.passwords.read_text(encoding="utf-8"))[USER]
        return password

    def environment(self) -> dict[str, str]:
        """The environment of its parts; secrets are in the settings that Airflow made, mode 600."""
        return airflow_environment(self.data) | {
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            # One is enough for one person, and the server is then a single process.
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            # The number of processes that wait for tasks; here tasks run one after another.
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            # After so many seconds the scheduler finds tasks that a crash has orphaned.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        }


def up(airflow: Airflow, port: int) -> None:
    """Start every part that does not run, wait until all are healthy, and unpause the DAG."""
    if not is_prepared(airflow.home) or not airflow.api_server.runs():
        stop_all(airflow)  # the other parts have another version, or another port
        check_free(port)
        airflow.port_file.write_text(str(port), encoding="ascii")
    environment = airflow.environment()
    prepare_database(airflow.home, environment)
    make_password(airflow.passwords)

    print("Starting Airflow ...", flush=True)
    deadline = time.monotonic() + _START_SECONDS
    first = (airflow.api_server, airflow.dag_processor)
    for part in first:
        part.start(environment)
    wait(first, lambda: bool(health(airflow.url)), deadline)
    if not airflow.scheduler.runs():
        fail_killed_tests(airflow.api())
    for part in airflow.parts:
        part.start(environment)
    wait(airflow.parts, lambda: set(health(airflow.url).values()) == {"healthy"}, deadline)
    wait(airflow.parts, lambda: unpause(airflow.api()), deadline)


def wait(parts: Sequence[Part], ready: Callable[[], bool], deadline: float) -> None:
    """Wait until `ready`; exit if a part ends or the deadline passes."""
    while not ready():
        for part in parts:
            if not part.runs():
                lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()
                sys.exit(
                    "\n".join([*lines[-20:], f"\nAirflow's {part.name} ended; see {part.log}"])
                )
        if time.monotonic() > deadline:
            logs = ", ".join(str(part.log) for part in parts)
            sys.exit(f"Airflow is not ready after {_START_SECONDS} s; see its logs: {logs}")
        time.sleep(_POLL_SECONDS)


def unpause(api: AirflowApi) -> bool:
    """Unpause the DAG; False until its file has been read."""
    if errors := api.import_errors():
        sys.exit("\n".join([*errors, f"The DAG `{DAG}` cannot be read; Airflow is up without it."]))
    return api.unpause(DAG)


def fail_killed_tests(api: AirflowApi) -> None:
    """Fail the runs of `make run` that were killed: the scheduler would resume all of them."""
    for run in api.running(DAG):
        if run["triggered_by"] == "test":
            api.fail(run)


def check_free(port: int) -> None:
    with socket.socket() as probe:
        # As servers do it: a port is free as soon as its server has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as error:
            sys.exit(f"PORT={port}: {error.strerror}; choose another, such as make up PORT=8081")


def make_password(file: Path) -> None:
    """Make the user's password unless there is one; Airflow would write its own to a log."""
    if file.exists():
        return
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps({USER: secrets.token_urlsafe(18)}) + "\n", encoding="utf-8")
    fresh.replace(file)


def stop_all(airflow: Airflow) -> bool:
    """Stop every part; return whether any ran."""
    # The API server last: the others call it until they end.
    others = stop([part for part in airflow.parts if part != airflow.api_server])
    return stop([airflow.api_server]) or others


def down(airflow: Airflow) -> bool:
    """Stop every part and the embedded PostgreSQL; return whether any part ran.

    A killed task leaves the server running. It stays if another process uses it.
    """
    found = stop_all(airflow)
    folder = airflow.data / "postgres"
    if (data_home(folder) / "socket").exists():
        with embedded_postgres(folder):
            pass  # the last one to leave stops it
    return found


def wanted_port() -> int:
    text = os.environ.get("PORT", "").strip() or "8080"
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        sys.exit(f"PORT={text}: it must be a port number, such as PORT=8080")
    return int(text)


def main() -> None:
    airflow = Airflow(data_folder())
    with in_use(airflow.home, alone=True):
        if sys.argv[1:] == ["down"]:
            print("Airflow is down." if down(airflow) else "Airflow was not up.")
            return
        load_settings()  # a misspelt setting is reported here, not by each task
        up(airflow, wanted_port())
    print(f"""
Airflow is up and healthy: {airflow.url}
User {USER}; the password is in {airflow.passwords}

The DAG `{DAG}` is unpaused: it runs on Tuesdays at 12:45 in Moscow, and when you trigger it.
`make down` stops everything.""")


if __name__ == "__main__":
    try:
        main()
    except InUseError:
        sys.exit("Another `make run`, `make up` or `make down` is running; wait until it ends.")
    except (TimeoutError, VitrinaError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. `make up` continues; `make down` stops everything.")
