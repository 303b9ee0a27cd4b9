"""Engines that the whole suite shares."""

import gc
import shutil
import sys
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pyspark.sql import SparkSession

from vitrina.engine import spark_session
from vitrina.settings import Settings, load_settings
from vitrina.stores.postgres.embedded import data_home, embedded_postgres

# The main module of a worker of `make test` has no file. PySpark takes that for a run of its own
# doctests, and looks for a whole Spark.
sys.modules["__main__"].__dict__.setdefault("__file__", pytest.__file__)

# An example is a query or two, so a few dozen are many, and timings say nothing of a law.
# `pytest --hypothesis-profile thorough` looks longer.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")


# The modules that take longest start first, so that the workers of `make test` end together.
SLOWEST_FIRST = (
    "test_up",
    "test_dag",
    "test_dashboard",
    "test_pipeline",
    "test_operations",
    "test_recomputation",
    "test_alerts_delivery",
    "test_cli",
    "test_grafana",
    "test_extending",
    "test_new_step",
    "test_s3",
    "test_load",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {module: place for place, module in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_unconfigure() -> None:
    """Let the interpreter free everything at exit.

    Hypothesis leaves a function among the garbage collector's callbacks, which live until after
    the last collection. So does all that the function refers to, down to the test modules and
    DuckDB, whose binding then prints pages of leaks.
    """
    gc.callbacks[:] = [
        each for each in gc.callbacks if not each.__module__.startswith("hypothesis.")
    ]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded engine, or the cluster that `VITRINA_SPARK_REMOTE` names."""
    remote = load_settings().spark_remote
    home = tmp_path_factory.mktemp("home")
    with spark_session(Settings(home=home, spark_remote=remote)) as session:
        yield session


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of the session's own, whose user may do anything."""
    folder = tmp_path_factory.mktemp("postgres") / "server"
    try:
        with embedded_postgres(folder) as dsn:
            yield dsn
    finally:
        # Root's data is not in the folder.
        shutil.rmtree(data_home(folder), ignore_errors=True)


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres_server, dbname=name)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
