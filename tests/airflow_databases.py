"""Airflow's own database, made once for all tests that need one: making it takes ten seconds."""

import fcntl
import shutil
from pathlib import Path

from airflow_home import airflow_environment, prepare_database


class AirflowDatabase:
    """A prepared database in a folder that the workers of one test run share."""

    def __init__(self, shared: Path) -> None:
        self._data = shared / "airflow-database"

    def copy_to(self, data: Path) -> None:
        """Put a copy where Airflow looks for it if `VITRINA_HOME` is this folder."""
        made, home = self._data / "airflow", data / "airflow"
        made.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True)
        with (self._data / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            prepare_database(made, airflow_environment(self._data))
        # Not `airflow.cfg`: each Airflow writes its own, with secrets of its own.
        for name in ("airflow.db", "version.txt"):
            shutil.copyfile(made / name, home / name)
