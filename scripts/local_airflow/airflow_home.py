"""Airflow's folder, `<VITRINA_HOME>/airflow`: what `make run` and `make up` share.

It holds Airflow's settings with generated secrets, its database and its logs.
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
AIRFLOW = (sys.executable, str(Path(__file__).with_name("airflow_command.py")))


def data_folder() -> Path:
    """`VITRINA_HOME` as an absolute path."""
    home = Path(os.environ.get("VITRINA_HOME") or "data")
    try:
        return (ROOT / home.expanduser()).absolute()
    except RuntimeError:
        sys.exit(f"VITRINA_HOME={home}: nobody has this home folder; write the whole path")


def airflow_environment(data: Path) -> dict[str, str]:
    """The environment for this folder's own Airflow, without settings of any other Airflow."""
    home = data / "airflow"
    environment = {
        name: value
        for name, value in os.environ.items()
        # Connections stay: they are the user's, such as the one to a mail server.
        if not name.startswith("AIRFLOW") or name.startswith("AIRFLOW_CONN_")
    }
    # Airflow's parts talk to each other on this machine, where no proxy leads.
    without = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if without != "*":
        without = ",".join(filter(None, (without, "localhost", "127.0.0.1")))
    environment.update(
        no_proxy=without,
        NO_PROXY=without,
        VITRINA_HOME=str(data),
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home / 'airflow.db'}",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(home / "logs"),
        # Warnings of libraries are meant for programmers; a user can do nothing about them.
        PYTHONWARNINGS="ignore",
    )
    return environment


def is_prepared(home: Path) -> bool:
    """Whether the database exists and has this Airflow's version."""
    ready = home / "version.txt"
    return (
        (home / "airflow.db").exists()
        and ready.exists()
        and ready.read_text(encoding="utf-8") == _version()
    )


def prepare_database(home: Path, environment: dict[str, str]) -> None:
    """Make or migrate Airflow's database; an interrupted attempt leaves the old state.

    The work is done under another name, and the file is renamed when it is complete.
    """
    if is_prepared(home):
        return
    print("Preparing Airflow's own database ...", flush=True)
    ready = home / "version.txt"
    if not ready.exists():
        # Airflow writes it at its first start, which may have been interrupted.
        (home / "airflow.cfg").unlink(missing_ok=True)
    database = home / "airflow.db"
    fresh = home / "airflow.new.db"
    for leftover in home.glob("airflow.new.db*"):
        leftover.unlink()
    if database.exists():
        # Copying the file is not enough: a killed run leaves part of the data in a second file.
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
        sys.exit(f"{result.stdout}\nAirflow's database could not be made; see above.")
    fresh.replace(database)
    ready.write_text(_version(), encoding="utf-8")


def _version() -> str:
    return importlib.metadata.version("apache-airflow-core")


class InUseError(Exception):
    """Another command uses the folder."""


@contextlib.contextmanager
def in_use(home: Path, *, alone: bool) -> Iterator[int]:
    """Lock the database: shared for a `make run`, `alone` to keep such runs out.

    A scheduler resumes every unfinished run that it finds, even one of `dags test`, so each task
    would run twice at the same time. Yields the lock's file descriptor: a process that inherits
    it holds the lock.

    Raises:
        InUseError: another process holds a lock that excludes this one.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (home / "use.lock").open("w")
    except OSError as error:
        sys.exit(f"{home} cannot be used: {error.strerror}; set VITRINA_HOME to another folder")
    with opened as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUseError from None
        yield lock.fileno()
