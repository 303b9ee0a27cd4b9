"""Folders of embedded stores, with nothing of theirs left anywhere at the end."""

import shutil
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
            _remove(postgres)


@contextmanager
def postgres_folder(folder: Path) -> Iterator[Path]:
    """The folder of an embedded PostgreSQL, which is removed at the end."""
    try:
        yield folder
    finally:
        _remove(folder)


@contextmanager
def clickhouse_with_tables(folder: Path) -> Iterator[ClickHouse]:
    """An embedded ClickHouse in this folder, its tables created."""
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        yield store


def _remove(postgres: Path) -> None:
    # Root's data are elsewhere, and those that `PostgresData` made yet elsewhere.
    home = data_home(postgres)
    shutil.rmtree(home.resolve(), ignore_errors=True)
    if home.is_symlink():
        home.unlink()
