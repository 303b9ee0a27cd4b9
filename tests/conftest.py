"""Engines and stores that the whole suite shares.

The stores are embedded ones, unless `VITRINA_TEST_POSTGRES_DSN` names a PostgreSQL server whose
user may do anything, or `VITRINA_TEST_CLICKHOUSE_DSN` an empty ClickHouse database.
"""

import atexit
import fcntl
import gc
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from tests.airflow_databases import AirflowDatabase
from tests.databases import new_database
from tests.homes import home_folder, postgres_folder
from tests.in_memory import available_bytes, folder_in_memory
from tests.postgres_data import PostgresData
from tests.servers.s3 import KEYS, s3_server
from vitrina.engine import spark_session
from vitrina.pipeline import Opened
from vitrina.settings import Settings, load_settings
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.session import open_session
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.postgres.embedded import embedded_postgres
from vitrina.stores.postgres.store import postgres


def _taken(name: str) -> str | None:
    """A variable, which from now on has a name that Vitrina does not take for its own setting."""
    value = os.environ.pop(f"VITRINA_{name}", None)
    if value is not None:
        os.environ[name] = value
    return os.environ.get(name)


_POSTGRES_DSN = _taken("TEST_POSTGRES_DSN")
_CLICKHOUSE_DSN = _taken("TEST_CLICKHOUSE_DSN")
# The main module of a worker of `make test` has no file. PySpark takes that for a run of its own
# doctests, and looks for a whole Spark.
sys.modules["__main__"].__dict__.setdefault("__file__", pytest.__file__)
# To free a gigabyte object by object takes a worker two seconds, after it has told everything.
if "PYTEST_XDIST_WORKER" in os.environ:
    atexit.register(os._exit, 0)

# Every worker loads every module, which leaves hardly any garbage to search for. Later it is
# seldom searched for.
gc.disable()
gc.set_threshold(50_000)

# An example takes a query or two, so 25 are many, and its time says nothing about a law.
# `pytest --hypothesis-profile thorough` tries more.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
# For `make fuzz`.
settings.register_profile("fuzz", max_examples=1500, deadline=None)
settings.load_profile("quick")


# The modules that take longest start first, so that the workers of `make test` end together; each
# of the others takes less than five seconds.
SLOWEST_FIRST = (
    "test_up",
    "test_make_run",
    "test_dashboard",
    "test_pipeline",
    "test_operations",
    "test_panels",
    "test_grafana",
    "test_load",
    "test_postgres",
    "test_cli",
    "test_versions",
    "test_publish",
    "test_proof",
    "test_generate",
    "test_fates",
    "test_clickhouse",
    "test_recomputation",
    "test_own_marts",
    "test_s3",
    "test_embedded_postgres",
    "test_export_cases",
    "test_deploy",
    "test_load_monthly",
    "test_runs",
    "test_new_step",
    "test_postgres_roles",
    "test_failing_stores",
    "test_alerts",
    "test_dag",
    "test_prune",
    "test_extending",
    "test_examples",
    "test_without_embedded",
    "test_clickhouse_http",
    "test_handover",
    "test_rejects_orders",
    "test_interrupts",
    "test_side_by_side",
    "test_printed",
    "test_disk",
)


def pytest_configure(config: pytest.Config) -> None:
    """Put temporary files into memory. Workers take the folder from the process that has them."""
    if "TMPDIR" in os.environ or (folder := folder_in_memory()) is None:
        return
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # what was found before
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_xdist_auto_num_workers() -> int:
    """Four on two cores, since a test often waits; three where memory is short."""
    return 4 if available_bytes() >= 8 * 2**30 else 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {module: place for place, module in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """Search what every worker has loaded for garbage no more, and the rest from now on."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let the interpreter free everything at exit.

    Hypothesis leaves a function among the garbage collector's callbacks, which live until after
    the last collection. So does all that the function refers to, down to the test modules and
    DuckDB, whose binding then prints pages of leaks.
    """
    gc.callbacks[:] = [
        each for each in gc.callbacks if not each.__module__.startswith("hypothesis.")
    ]
    # Only then: pytest itself searches a few times before.
    atexit.register(gc.unfreeze)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have."""
    folder = tmp_path_factory.getbasetemp()
    # Each worker has a folder of its own in that of the run.
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def airflow_database(shared: Path) -> AirflowDatabase:
    """A database for each Airflow that a test starts."""
    return AirflowDatabase(shared)


@pytest.fixture(scope="session")
def postgres_data(shared: Path) -> PostgresData:
    """The data for each embedded PostgreSQL that a test starts."""
    return PostgresData(shared)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded engine, or the cluster that `VITRINA_SPARK_REMOTE` names."""
    remote = load_settings().spark_remote
    home = tmp_path_factory.mktemp("home")
    with spark_session(Settings(home=home, spark_remote=remote)) as session:
        yield session


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for `VITRINA_HOME`, or for several of them, of the test's own."""
    folder = tmp_path / "home"
    folder.mkdir()
    with home_folder(folder):
        yield folder


@pytest.fixture(scope="session")
def postgres_server(
    tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData
) -> Iterator[str]:
    """The address of a PostgreSQL server whose user may do anything."""
    if _POSTGRES_DSN is not None:
        yield _POSTGRES_DSN
        return
    with postgres_folder(tmp_path_factory.mktemp("postgres") / "server") as folder:
        postgres_data.copy_to(folder)
        with embedded_postgres(folder) as dsn:
            with psycopg.connect(dsn, autocommit=True) as connection:
                # What is committed has to survive a killed process, not a power failure.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield dsn


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The address of the test's own empty database."""
    with new_database(postgres_server, f"test_{uuid.uuid4().hex}") as dsn:
        yield dsn


@pytest.fixture
def clickhouse_dsn(tmp_path: Path) -> Iterator[str]:
    """The address of an empty ClickHouse database, which is the test's own while it runs."""
    if _CLICKHOUSE_DSN is None:
        with embedded_clickhouse(tmp_path / "clickhouse") as dsn:
            yield dsn
        return
    with Path(tempfile.gettempdir(), "vitrina-test-clickhouse.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open_session(_CLICKHOUSE_DSN) as session:
            # What else is in it would be dropped, too.
            assert session.rows("SHOW TABLES") == [], "the database is not empty"
        yield _CLICKHOUSE_DSN
        with open_session(_CLICKHOUSE_DSN) as session:
            for (table,) in session.rows("SHOW TABLES"):
                session.command("DROP TABLE {database:Identifier}.{table:Identifier}", table=table)


@pytest.fixture
def clickhouse_store(clickhouse_dsn: str) -> Iterator[ClickHouse]:
    """A ClickHouse without tables."""
    with clickhouse(clickhouse_dsn) as store:
        yield store


@pytest.fixture
def engines(spark: SparkSession, database: str, clickhouse_store: ClickHouse) -> Iterator[Opened]:
    """The engine and empty stores, for a run that opens none itself."""
    with postgres(database) as store:
        yield Opened(spark, store, clickhouse_store)


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an S3 server with the bucket `sales`."""
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def s3_variables(s3_address: str) -> Iterator[dict[str, str]]:
    """What leads to the S3 server; set in this process as well."""
    variables = KEYS | {"AWS_ENDPOINT_URL": s3_address}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        # The embedded engine's, which it sets itself.
        patch.setenv("AWS_ALLOW_HTTP", "")
        patch.delenv("AWS_ALLOW_HTTP")
        yield variables


@pytest.fixture(scope="module")
def sail(s3_variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The embedded engine, even where the other tests have Apache Spark: it lacks the jars."""
    home = tmp_path_factory.mktemp("sail")
    with spark_session(Settings(home=home, spark_remote=None)) as session:
        yield session
