"""Run the `sales` DAG with `airflow dags test` on SQLite, then show the results.

`make run` calls it. ROWS, SEED and AS_OF in the environment choose the batch, VITRINA_STORE the
store; ROWS and SEED are for the generated shop.
"""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from airflow_home import (
    AIRFLOW,
    ROOT,
    InUseError,
    airflow_environment,
    data_folder,
    in_use,
    prepare_database,
)
from airflow_parts import anything_runs

from vitrina.errors import SettingsError
from vitrina.generator.recipe import ROWS, SEED
from vitrina.settings import expanded, named_store

QUIET = {
    # Show what the tasks log, and only warnings of Airflow itself.
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    # While a task waits for its retry, `dags test` logs a line every second.
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "vitrina=INFO, airflow.sdk.definitions.dag=ERROR",
    # `dags test` reports no late runs, and with a deadline Airflow 3.3.2 aborts a good run.
    "VITRINA_ALERT_LATE_AFTER": "",
}


def conf() -> dict[str, int | str]:
    """The DAG's parameters that the environment sets."""
    given: dict[str, int | str] = {}
    store = named_store()
    if store is not None and expanded(store).is_dir():
        sys.exit(f"VITRINA_STORE={store}: it must be one store's file here, not a folder of them")
    for name, parameter in (("ROWS", ROWS), ("SEED", SEED)):
        text = os.environ.get(name, "").strip()
        if not text:
            continue
        if store is not None:
            sys.exit(f"{name}={text}: it is for the generated shop, and VITRINA_STORE is set")
        if not text.replace("_", "").isdecimal():
            sys.exit(f"{name}={text}: it must be a whole number, such as {name}=1000000")
        if not parameter.minimum <= int(text) <= parameter.maximum:
            sys.exit(f"{name}={text}: it must be from {parameter.minimum} to {parameter.maximum}")
        given[name.lower()] = int(text)
    if as_of := os.environ.get("AS_OF", "").strip():
        try:
            given["as_of"] = date.fromisoformat(as_of).isoformat()
        except ValueError:
            sys.exit(f"AS_OF={as_of}: it must be a date, such as AS_OF=2026-11-24")
    return given


def main() -> None:
    parameters = conf()
    data = data_folder()
    home = data / "airflow"
    environment = airflow_environment(data) | QUIET
    try:
        with in_use(home, alone=False) as lock:
            if anything_runs(home):
                raise InUseError
            prepare_database(home, environment)
            print("Running the DAG `sales` ...", flush=True)
            test = [*AIRFLOW, "dags", "test", "sales", "--conf", json.dumps(parameters)]
            ended = subprocess.run(test, cwd=ROOT, env=environment, check=False, pass_fds=(lock,))
    except InUseError:
        sys.exit("Airflow is up: trigger `sales` in its pages, or run `make down` first.")
    if code := ended.returncode:
        print(
            "\nThe run failed; see the cause above. No reader sees half of a batch.",
            file=sys.stderr,
        )
        sys.exit(code)
    chosen = ["--as-of", str(parameters["as_of"])] if "as_of" in parameters else []
    show(environment, "summary", *chosen)
    print("\nThe dashboard, one file to open in a browser:", flush=True)
    show(environment, "dashboard")


def show(environment: dict[str, str], *command: str) -> None:
    """Run a command of Vitrina; exit with its code if it fails."""
    vitrina = Path(sys.executable).with_name("vitrina")
    shown = subprocess.run([vitrina, *command], cwd=ROOT, env=environment, check=False)
    if shown.returncode:
        sys.exit(shown.returncode)


if __name__ == "__main__":
    try:
        main()
    except SettingsError as error:
        sys.exit(f"VITRINA_STORE: {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Run `make run` again; it duplicates nothing.")
