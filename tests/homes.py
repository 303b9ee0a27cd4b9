"""Home folders for runs that keep everything in one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrina.stores.postgres.embedded import data_home


@contextmanager
def home_folder(folder: Path) -> Iterator[Path]:
    """A home folder; at the end its PostgreSQL data are removed, which root keeps elsewhere."""
    try:
        yield folder
    finally:
        shutil.rmtree(data_home(folder / "postgres"), ignore_errors=True)
