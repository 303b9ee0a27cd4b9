"""Run the `sales` DAG with Airflow's own `dags test`, on SQLite, then show the results.

`make run` calls it. ROWS, SEED and AS_OF in the environment choose the batch.
"""

import contextlib
import importlib.metadata
import json
import os
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW = (sys.executable, "-m", "airflow")


def conf() -> dict[str, int | str]:
    """The DAG's parameters, as far as they are given."""
    given: dict[str, int | str] = {}
    for name in ("ROWS", "SEED"):
        text = os.environ.get(name, "").strip()
        if text and not text.replace("_", "").isdecimal():
            sys.exit(f"{name}={text}: it must be a whole number, such as {name}=1000000")
        if text:
            given[name.lower()] = int(text)
    if given.get("rows") == 0:
        sys.exit("ROWS=0: a batch has at least one sale")
    if as_of := os.environ.get("AS_OF", "").strip():
        try:
            given["as_of"] = date.fromisoformat(as_of).isoformat()
        except ValueError:
            sys.exit(f"AS_OF={as_of}: it must be a date, such as AS_OF=2026-11-24")
    return given


def airflow_environment(home: Path) -> dict[str, str]:
    """The environment, with an Airflow of this folder's own, whatever others there are."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")
    }
    environment.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=os.environ.get("VITRINA_DAGS", str(ROOT / "dags")),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home / 'airflow.db'}",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(home / "logs"),
        # What the tasks say is read; what Airflow says only when something is wrong.
        AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
        # While a task waits to be retried, `dags test` says so every second.
        AIRFLOW__LOGGING__NAMESPACE_LEVELS="vitrina=INFO, airflow.sdk.definitions.dag=ERROR",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
        # Of libraries to those who call them; nothing that who runs a batch can act on.
        PYTHONWARNINGS="ignore",
    )
    return environment


def prepare_database(home: Path, environment: dict[str, str]) -> None:
    """Give Airflow a database of its version; an interrupted attempt leaves none.

    It is made or migrated under another name and renamed when it is whole.
    """
    version = importlib.metadata.version("apache-airflow-core")
    ready = home / "version.txt"
    database = home / "airflow.db"
    if database.exists() and ready.exists() and ready.read_text(encoding="utf-8") == version:
        return
    print("Preparing Airflow's own database ...", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    if not ready.exists():
        # Airflow writes it at its first start, and may have been stopped meanwhile.
        (home / "airflow.cfg").unlink(missing_ok=True)
    fresh = home / "airflow.new.db"
    for leftover in home.glob("airflow.new.db*"):
        leftover.unlink()
    if database.exists():
        # Not a copy of the file: a run that was killed leaves part of it in another.
        with (
            contextlib.closing(sqlite3.connect(database)) as old,
            contextlib.closing(sqlite3.connect(fresh)) as copy,
        ):
            old.backup(copy)
    result = subprocess.run(
        [*AIRFLOW, "db", "migrate"],
        cwd=ROOT,
        env=environment | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{fresh}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if result.returncode:
        sys.exit(f"{result.stdout}\nAirflow's database could not be made: see above.")
    fresh.replace(database)
    ready.write_text(version, encoding="utf-8")


def main() -> None:
    parameters = conf()
    data = (ROOT / os.environ.get("VITRINA_HOME", "data")).absolute()
    home = data / "airflow"
    environment = airflow_environment(home) | {"VITRINA_HOME": str(data)}
    prepare_database(home, environment)

    print("Running the DAG `sales` ...", flush=True)
    test = [*AIRFLOW, "dags", "test", "sales", "--conf", json.dumps(parameters)]
    if code := subprocess.run(test, cwd=ROOT, env=environment, check=False).returncode:
        print(
            "\nThe run failed: the cause is above. Nothing half-done is shown to readers.",
            file=sys.stderr,
        )
        sys.exit(code)
    chosen = ["--as-of", str(parameters["as_of"])] if "as_of" in parameters else []
    show(environment, "summary", *chosen)
    print("\nThe dashboard, one file to open in a browser:", flush=True)
    show(environment, "dashboard")


def show(environment: dict[str, str], *command: str) -> None:
    """Let a command of Vitrina speak; end with it if it fails."""
    vitrina = Path(sys.executable).with_name("vitrina")
    shown = subprocess.run([vitrina, *command], cwd=ROOT, env=environment, check=False)
    if shown.returncode:
        sys.exit(shown.returncode)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. `make run` starts again; nothing is doubled.")
