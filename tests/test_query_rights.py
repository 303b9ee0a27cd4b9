"""What `vitrina sql` may do in PostgreSQL: read tables, and reach neither a file nor a program."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from tests.homes import home_folder
from tests.postgres_data import PostgresData
from vitrina.contract import SALES
from vitrina.errors import StoreError
from vitrina.settings import Settings
from vitrina.store import GENERATED
from vitrina.stores.opening import open_postgres, open_postgres_for_queries
from vitrina.stores.postgres.store import Postgres


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData
) -> Iterator[Settings]:
    """Those of an embedded server, which has tables and runs."""
    with home_folder(tmp_path_factory.mktemp("queries")) as home:
        postgres_data.copy_to(home / "postgres")
        settings = Settings(home=home, postgres_dsn=None)
        with open_postgres(settings, GENERATED) as owner:
            owner.create_tables(SALES)
            yield settings


@pytest.fixture
def reader(settings: Settings) -> Iterator[Postgres]:
    with open_postgres_for_queries(settings, GENERATED) as opened:
        yield opened


def test_every_table_can_be_read(reader: Postgres) -> None:
    assert reader.query("SELECT count(*) FROM sale")[1] == [(0,)]
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'vitrina'"
    for (table,) in reader.query(query)[1]:
        reader.query(f"SELECT * FROM vitrina.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/vitrina-test')",
        "SELECT set_config('role', 'vitrina', true)",
        "SELECT set_config('session_authorization', 'vitrina', true)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vitrina'",
        "SELECT pg_reload_conf()",
        # Executed one after the other, whatever was allowed when the statement began.
        "SELECT set_config('role', 'vitrina', true), query_to_xml('TABLE x', true, true, '')",
    ],
)
def test_nothing_else_is_allowed(reader: Postgres, statement: str) -> None:
    with pytest.raises(StoreError, match=r"permission denied"):
        reader.query(statement)


def test_the_role_is_the_same_the_next_time(settings: Settings) -> None:
    for _ in range(2):
        with open_postgres_for_queries(settings, GENERATED) as reader:
            assert reader.query("SELECT session_user, current_user")[1] == [
                ("vitrina_query", "vitrina_query")
            ]


def address(settings: Settings) -> str:
    with open_postgres(settings, GENERATED) as owner:
        [(socket,)] = owner.query("SELECT current_setting('unix_socket_directories')")[1]
    return make_conninfo(host=socket, port=5432, dbname="vitrina", user="vitrina")


def at(dsn: str, user: str, folder: Path) -> Settings:
    return Settings(home=folder, postgres_dsn=SecretStr(make_conninfo(dsn, user=user)))


@pytest.mark.parametrize(
    "right", ["pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"]
)
def test_a_user_of_a_server_who_reaches_its_files_is_refused(
    settings: Settings, tmp_path: Path, right: str
) -> None:
    dsn = address(settings)
    with (
        pytest.raises(StoreError, match=r"vitrina of PostgreSQL is a superuser, .*VITRINA_"),
        open_postgres_for_queries(at(dsn, "vitrina", tmp_path), GENERATED),
    ):
        pass
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("CREATE ROLE clerk LOGIN IN ROLE pg_read_all_data")
        try:
            with open_postgres_for_queries(at(dsn, "clerk", tmp_path), GENERATED) as clerk:
                assert clerk.query("SELECT count(*) FROM sale")[1] == [(0,)]
            owner.execute(sql.SQL("GRANT {} TO clerk").format(sql.Identifier(right)))
            with (
                pytest.raises(StoreError, match=f"clerk of PostgreSQL is a member of {right}"),
                open_postgres_for_queries(at(dsn, "clerk", tmp_path), GENERATED),
            ):
                pass
        finally:
            owner.execute("DROP ROLE clerk")
