"""The data of an embedded PostgreSQL, made once for the tests that need a new server.

Making it takes longer than all that such a test does. How it is made, and by whom, is in
`test_embedded_postgres.py`.
"""

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.homes import place_data, postgres_folder
from vitrina.stores.postgres.embedded import data_home, embedded_postgres

# A file of the write-ahead log is 16 MB, nearly all of it zeros.
_COPY = ("cp", "-a", *(("--sparse=always",) if sys.platform == "linux" else ()))


class PostgresData:
    """A copy of a new server's data, in a folder that the workers of one test run share."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared / "postgres-data"

    def copy_to(self, postgres: Path) -> None:
        """Put a copy where the embedded server of this folder looks for its data."""
        made = self._made()
        place_data(postgres)
        home = data_home(postgres)
        for folder in (postgres, home):
            folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([*_COPY, made, home], check=True)
        if home != postgres:  # root's
            (postgres / made.name).symlink_to(home / made.name)

    def _made(self) -> Path:
        self._shared.mkdir(exist_ok=True)
        made = self._shared / "cluster"
        with (self._shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                with postgres_folder(self._shared / "server") as folder:
                    with embedded_postgres(folder):
                        pass
                    subprocess.run(
                        [*_COPY, data_home(folder) / made.name, self._shared], check=True
                    )
        return made
