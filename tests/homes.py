"""Folders of embedded stores, with nothing of theirs left anywhere at the end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrina.contract import SALES
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.postgres.embedded import data_home


@contextmanager
def home_folder(folder: Path) -> Iterator[Path]:
    """A home folder, or one with several of them in it; at the end their PostgreSQL is removed."""
    try:
        yield folder
    finally:
        for postgres in (folder / "postgres", *folder.glob("*/postgres")):
            remove_data(postgres)


@contextmanager
def postgres_folder(folder: Path) -> Iterator[Path]:
    """The folder of an embedded PostgreSQL, which is removed at the end."""
    try:
        yield folder
    finally:
        remove_data(folder)


@contextmanager
def clickhouse_with_tables(folder: Path) -> Iterator[ClickHouse]:
    """An embedded ClickHouse in this folder, its tables created."""
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        yield store


def place_data(postgres: Path) -> None:
    """Have root's data of the server of this folder among the temporary files, not in /var/lib."""
    home = data_home(postgres)
    if home != postgres:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.symlink_to(tempfile.mkdtemp())


def remove_data(postgres: Path) -> None:
    """Remove the data of the server of this folder, wherever they are."""
    home = data_home(postgres)
    shutil.rmtree(home.resolve(), ignore_errors=True)
    if home.is_symlink():
        home.unlink()
