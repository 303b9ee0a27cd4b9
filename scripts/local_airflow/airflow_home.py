"""Airflow's folder, `<VITRINA_HOME>/airflow`: what `make run` and `make up` share.

It holds Airflow's settings with the secrets it made for itself, its database, its logs.
"""

import contextlib
import fcntl
import importlib.metadata
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = (sys.executable, "-m", "airflow")


def data_folder() -> Path:
    """`VITRINA_HOME` as an absolute path."""
    return (ROOT / Path(os.environ.get("VITRINA_HOME") or "data").expanduser()).absolute()


def airflow_environment(data: Path) -> dict[str, str]:
    """The environment, with an Airflow of this folder's own, whatever others there are."""
    home = data / "airflow"
    environment = {
        name: value
        for name, value in os.environ.items()
        # Connections are the user's: that of the mail server, for one.
        if not name.startswith("AIRFLOW") or name.startswith("AIRFLOW_CONN_")
    }
    environment.update(
        VITRINA_HOME=str(data),
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home / 'airflow.db'}",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(home / "logs"),
        # Of libraries to those who call them; nothing that who runs a batch can act on.
        PYTHONWARNINGS="ignore",
    )
    return environment


def is_prepared(home: Path) -> bool:
    """Whether the database is there, and of this Airflow's version."""
    ready = home / "version.txt"
    return (
        (home / "airflow.db").exists()
        and ready.exists()
        and ready.read_text(encoding="utf-8") == _version()
    )


def prepare_database(home: Path, environment: dict[str, str]) -> None:
    """Give Airflow a database of its version; an interrupted attempt leaves none.

    It is made or migrated under another name and renamed when it is whole.
    """
    if is_prepared(home):
        return
    print("Preparing Airflow's own database ...", flush=True)
    ready = home / "version.txt"
    if not ready.exists():
        # Airflow writes it at its first start, and may have been stopped meanwhile.
        (home / "airflow.cfg").unlink(missing_ok=True)
    database = home / "airflow.db"
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
    ready.write_text(_version(), encoding="utf-8")


def _version() -> str:
    return importlib.metadata.version("apache-airflow-core")


class InUseError(Exception):
    """Another command has the folder for itself."""


@contextlib.contextmanager
def in_use(home: Path, *, alone: bool) -> Iterator[int]:
    """Say that a run of its own uses the database, or keep such runs out of it.

    A scheduler takes up every run that it finds under way, those of `dags test` as well, so
    that each task would run twice at a time. Yields the descriptor of the lock: a process that
    inherits it keeps it.

    Raises:
        InUseError: others use it, and `alone` was wanted, or the reverse.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "use.lock").open("w") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUseError from None
        yield lock.fileno()
