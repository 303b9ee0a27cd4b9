"""The roles of a deployment, over TCP with passwords: the loader can load, and little else."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pytest
from psycopg import errors
from pydantic import SecretStr
from pyspark.sql import SparkSession
from spark_server import free_port

from tests.lakes import clean_lake, right_marts
from tests.own_shops import KIOSK, WEEK, numbered, sold
from tests.servers.postgres import PostgresServer, postgres_server
from tests.shown import show
from tests.topology.compose import DEPLOY
from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.errors import StoreError, StoreUnavailable
from vitrina.generator.recipe import Recipe
from vitrina.marts import marts
from vitrina.migrate import migrate
from vitrina.pipeline import Opened, Run
from vitrina.settings import Settings
from vitrina.steps import load
from vitrina.store import GENERATED
from vitrina.stores.postgres import lock
from vitrina.stores.postgres.session import open_session
from vitrina.stores.postgres.store import postgres

# Each with what an address has to write otherwise, and SQL has to quote.
PASSWORDS = {
    f"POSTGRES_{role}PASSWORD": f"of {role.lower()}'s @:/?#%$"
    for role in ("", "OWNER_", "LOADER_", "READER_", "AIRFLOW_")
}
MARTS = [mart.name for mart in marts(SALES)]


def address(server: PostgresServer, role: str, database: str = "vitrina") -> str:
    password = PASSWORDS[f"POSTGRES_{role.removeprefix('vitrina_').upper()}_PASSWORD"]
    return server.dsn(role, quote(password, safe=""), database)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("warehouse")
    with postgres_server(folder, "127.0.0.1", PASSWORDS, port=free_port()) as running:
        yield running


def run_batch(spark: SparkSession, server: PostgresServer, home: Path, as_of: str) -> None:
    """A whole batch, whose PostgreSQL is the loader's."""
    dsn = SecretStr(address(server, "vitrina_loader"))
    settings, day = Settings(home=home, postgres_dsn=dsn), date.fromisoformat(as_of)
    with Run(settings, day, Recipe(2_000), opened=Opened(spark=spark)) as run:
        for step in run.steps:
            run.step(step)


@pytest.fixture(scope="module")
def warehouse(
    spark: SparkSession, server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> PostgresServer:
    """The owner has made the tables, the loader has loaded a batch and then another."""
    home = tmp_path_factory.mktemp("home")
    migrate(
        Settings(home=home, postgres_dsn=SecretStr(address(server, "vitrina_owner"))), GENERATED
    )
    for as_of in ("2026-11-17", "2026-11-24"):
        run_batch(spark, server, home, as_of)
    return server


def owners(server: PostgresServer) -> dict[str, str]:
    with psycopg.connect(server.superuser) as connection:
        rows = connection.execute(
            "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'vitrina' "
            "UNION SELECT viewname, viewowner FROM pg_views WHERE schemaname = 'vitrina'"
        )
        return dict(rows.fetchall())


def test_the_owner_owns_every_table_but_the_one_that_the_loader_swaps(
    warehouse: PostgresServer,
) -> None:
    found = owners(warehouse)
    assert {*MARTS, "sale", "batch", "rejects_by_reason", "control_totals"} <= found.keys()
    sales = {name for name in found if name.startswith("sale_")}
    assert len(sales) == 2, "sale_by_load and its one partition"
    assert {name for name, owner in found.items() if owner == "vitrina_loader"} == sales
    assert {owner for name, owner in found.items() if name not in sales} == {"vitrina_owner"}


def test_the_loader_has_loaded_analyzed_and_published(warehouse: PostgresServer) -> None:
    with postgres(address(warehouse, "vitrina_loader")) as store:
        ledger = store.ledger()
        assert [(str(e.as_of), e.is_current) for e in ledger] == [
            ("2026-11-24", True),
            ("2026-11-17", False),
        ]
        assert all(entry.analyzed_at and entry.published_at for entry in ledger)
        assert all(store.read_mart(mart).num_rows for mart in marts(SALES))


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE sales_by_region_by_load",
        "DROP VIEW sales_by_region",
        "ALTER TABLE batch_by_load ADD COLUMN note text",
        "TRUNCATE sales_by_day_by_load",
        "CREATE SCHEMA other",
        "CREATE TABLE public.other (a int)",
        "CREATE DATABASE other",
        "CREATE ROLE other",
        "GRANT vitrina_owner TO vitrina_loader",
        "COPY batch TO PROGRAM 'cat'",
        "SET ROLE vitrina_owner",
    ],
)
def test_the_loader_may_not(warehouse: PostgresServer, statement: str) -> None:
    with (
        psycopg.connect(address(warehouse, "vitrina_loader"), autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE", "MAINTAIN"])
def test_the_loader_only_adds_to_the_ledger_of_runs(warehouse: PostgresServer, right: str) -> None:
    with psycopg.connect(address(warehouse, "vitrina_loader")) as connection:
        [found] = connection.execute(
            "SELECT has_table_privilege('run_event', %s), has_table_privilege('batch', 'UPDATE'), "
            "(SELECT count(*) > 0 FROM run_event WHERE event = 'ended')",
            [right],
        )
    assert found == (False, True, True)


def test_the_loader_does_not_make_the_ledger_of_runs(warehouse: PostgresServer) -> None:
    with psycopg.connect(warehouse.superuser, autocommit=True) as superuser:
        superuser.execute("CREATE SCHEMA elsewhere")
        superuser.execute("GRANT USAGE, CREATE ON SCHEMA elsewhere TO vitrina_loader")
    with (
        postgres(address(warehouse, "vitrina_loader"), "elsewhere") as store,
        pytest.raises(StoreError, match=r"elsewhere\.run_event yet; run: vitrina migrate"),
        store.alone_with(WEEK),
    ):
        pytest.fail("the loader owns it")


def test_the_server_looks_after_the_host_that_has_a_batch(warehouse: PostgresServer) -> None:
    with (
        open_session(address(warehouse, "vitrina_loader"), "vitrina") as session,
        lock.alone(session, WEEK.as_of) as holder,
    ):
        shown = [holder.execute(f"SHOW tcp_keepalives_{name}") for name in ("idle", "count")]
    assert shown == [[("30",)], [("3",)]]


def test_the_reader_reads_sales_marts_and_ledger(warehouse: PostgresServer) -> None:
    with psycopg.connect(address(warehouse, "vitrina_reader")) as connection:
        for table in ("sale", "batch", "rejects_by_reason", "control_totals", *MARTS):
            assert connection.execute(f"SELECT count(*) > 0 FROM {table}").fetchone() == (True,)


def test_another_shops_schema_has_the_same_owner_loader_and_reader(
    warehouse: PostgresServer, home: Path
) -> None:
    owner, schema = address(warehouse, "vitrina_owner"), "store_kiosk"
    for _ in range(2):  # the second time, nothing changes
        migrate(Settings(home=home, postgres_dsn=SecretStr(owner)), KIOSK)
    with psycopg.connect(warehouse.superuser) as connection:
        found: dict[str, str] = dict(
            connection.execute(
                "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = %s", [schema]
            ).fetchall()
        )
    assert found.pop("sale_by_load") == "vitrina_loader"
    assert {f"{name}_by_load" for name in (*MARTS, "batch", "control_totals")} <= found.keys()
    assert {*found.values()} == {"vitrina_owner"}
    sold_rows = pa.Table.from_pylist(
        numbered([sold("A", "1.00")]), arrow_schema(WEEK.contract.fields)
    )
    with postgres(address(warehouse, "vitrina_loader"), schema) as loader:
        load.run(clean_lake(home / "kiosk", WEEK, sold_rows), loader, WEEK)
        loader.replace_marts(WEEK, right_marts(WEEK, sold_rows))
        show(loader, WEEK)
    with postgres(address(warehouse, "vitrina_reader"), schema) as reader:
        for table in ("sale", "batch", "sales_by_region"):
            assert reader.query(f"SELECT count(*) FROM {table}")[1] == [(1,)]
        with pytest.raises(StoreError, match="a query begins with SELECT"):
            reader.query("DELETE FROM sale")


@pytest.mark.parametrize("statement", ["DELETE FROM sale", "CREATE TABLE other (a int)"])
def test_the_reader_writes_nothing(warehouse: PostgresServer, statement: str) -> None:
    with psycopg.connect(address(warehouse, "vitrina_reader")) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize(
    ("role", "database"),
    [
        ("airflow", "vitrina"),
        ("vitrina_owner", "airflow"),
        ("vitrina_loader", "airflow"),
        ("vitrina_reader", "airflow"),
    ],
)
def test_a_role_comes_into_no_other_database(
    server: PostgresServer, role: str, database: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(address(server, role, database))


def test_no_role_comes_in_without_its_password(server: PostgresServer) -> None:
    dsn = server.dsn("vitrina_loader", "a-guess")
    with (
        pytest.raises(StoreUnavailable, match="password authentication failed") as error,
        postgres(dsn),
    ):
        pass
    assert "a-guess" not in str(error.value)


def test_the_server_keeps_no_password(server: PostgresServer) -> None:
    with psycopg.connect(server.superuser) as connection:
        kept = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin"
        ).fetchall()
    assert len(kept) == 5
    assert all(password.startswith("SCRAM-SHA-256$") for _, password in kept)


def test_the_roles_made_again_have_the_new_passwords_and_nothing_else_changes(
    warehouse: PostgresServer,
) -> None:
    before = owners(warehouse)
    new = PASSWORDS | {"POSTGRES_READER_PASSWORD": "another"}
    try:
        warehouse.make_roles(new)
        with psycopg.connect(warehouse.dsn("vitrina_reader", "another")) as connection:
            connection.execute("SELECT FROM sale")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address(warehouse, "vitrina_reader"))
    finally:
        warehouse.make_roles(PASSWORDS)
    assert owners(warehouse) == before


def test_a_backup_restores_into_a_fresh_server_that_loads_on(
    spark: SparkSession, warehouse: PostgresServer, tmp_path: Path
) -> None:
    """By the commands of docs/operations.md."""
    documented = (DEPLOY.parent / "docs/operations.md").read_text("utf-8")
    save = "pg_dump --username=postgres --format=custom vitrina"
    restore = "pg_restore --username=postgres --clean --if-exists --dbname=vitrina"
    assert save in documented
    assert restore in documented
    backup = warehouse.run(*save.split())
    reader, before = address(warehouse, "vitrina_reader"), owners(warehouse)
    with postgres_server(tmp_path, "127.0.0.1", PASSWORDS, port=free_port()) as fresh:
        fresh.run(*restore.split(), given=backup)
        assert owners(fresh) == before
        with postgres(reader) as old, postgres(address(fresh, "vitrina_reader")) as new:
            assert new.ledger() == old.ledger()
            for mart in marts(SALES):
                assert new.read_mart(mart).equals(old.read_mart(mart)), mart.name
            totals = "SELECT count(*), sum(quantity), sum(sale_amount) FROM sale"
            assert new.query(totals) == old.query(totals)
        run_batch(spark, fresh, tmp_path, "2026-12-01")
        with postgres(address(fresh, "vitrina_reader")) as new:
            assert str(new.ledger()[0].as_of) == "2026-12-01"


def test_the_roles_keep_their_rights_when_tables_of_0_1_0_are_migrated(
    spark: SparkSession, tmp_path: Path, home: Path
) -> None:
    made = (Path(__file__).parent / "version_1/postgres.sql").read_text("utf-8")
    sales = ("sale", "sale_20261117_0123abcd")
    with postgres_server(tmp_path / "old", "127.0.0.1", PASSWORDS, port=free_port()) as old:
        owner = address(old, "vitrina_owner")
        with psycopg.connect(owner) as connection:
            connection.execute(made.replace("CREATE SCHEMA vitrina;", "").encode())
            for table in sales:
                connection.execute(f"ALTER TABLE {table} OWNER TO vitrina_loader".encode())
        with (
            postgres(address(old, "vitrina_loader")) as store,
            pytest.raises(StoreError, match="run: vitrina migrate, as the user who owns them"),
        ):
            store.create_tables(SALES)
        migrated = migrate(Settings(home=home, postgres_dsn=SecretStr(owner)), GENERATED)
        assert [(each.store, each.before) for each in migrated] == [
            ("PostgreSQL", 1),
            ("ClickHouse", None),
        ]
        run_batch(spark, old, home, "2026-11-24")
        with postgres(address(old, "vitrina_reader")) as store:
            assert [str(entry.as_of) for entry in store.ledger()] == [
                "2026-11-24",
                "2026-11-17",
                "2026-11-10",
            ]
            assert len(store.rejects(date(2026, 11, 17))) == 2
            assert len(store.control_totals(date(2026, 11, 17))) == 3
