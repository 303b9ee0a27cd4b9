"""What docs/operations.md tells to do, done: on the servers of a deployment, by its own words."""

import ast
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from spark_server import free_port

from tests.commands import Ended, call
from tests.servers.clickhouse import clickhouse_server
from tests.servers.postgres import PostgresServer, postgres_server
from tests.topology.compose import DEPLOY, declared
from vitrina.contract import SALES
from vitrina.stores.clickhouse.store import clickhouse
from vitrina.stores.postgres.store import postgres

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
IMPORTS = ("2026-11-17", "2026-11-24")
ROLES = ("owner", "loader", "reader")
OLD, NEW = (
    {f"POSTGRES_{role}PASSWORD": f"{word}-{role}" for role in ("", "OWNER_", "LOADER_", "READER_")}
    | {"POSTGRES_AIRFLOW_PASSWORD": f"{word}-airflow"}
    for word in ("old", "new")
)
# In the table of failures: what others say, and names of parts and states.
OTHERS = {
    "ClassNotFoundException: … S3AFileSystem",
    "Lost executor",
    "migrate",
    "secrets",
    'service "host" didn\'t complete successfully',
    "spark-worker",
}


@dataclass
class Deployment:
    """Both stores as servers, and a lake."""

    postgres: PostgresServer
    clickhouse: str
    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def dsn(self, role: str) -> str:
        return self.postgres.dsn(f"vitrina_{role}", OLD[f"POSTGRES_{role.upper()}_PASSWORD"])

    def vitrina(self, *arguments: str, **settings: str) -> None:
        """A command as a task runs it."""
        ended = call(self.folder, *arguments, environment=self._environment("loader") | settings)
        assert ended.code == 0, ended.err

    def migrate(self) -> Ended:
        """What compose's `migrate` runs last."""
        return call(self.folder, "migrate", environment=self._environment("owner"))

    def warehouse(self) -> str:
        """Everything of PostgreSQL's: rows, tables, owners, rights."""
        dump = self.postgres.run("pg_dump", "--username=postgres", "vitrina").decode()
        # A word that guards the dump, another each time.
        return re.sub(r"(?m)^\\(un)?restrict .*\n", "", dump)

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every cell of ClickHouse's imports."""
        with clickhouse(self.clickhouse) as store:
            names = store.query(
                "SELECT name FROM system.tables "
                "WHERE database = 'vitrina' AND partition_key = 'import_date'"
            )[1]
            return {name: store.query(f"SELECT * FROM {name} ORDER BY ALL")[1] for (name,) in names}

    def _environment(self, role: str) -> dict[str, str]:
        return {
            "VITRINA_HOME": str(self.folder),
            "VITRINA_POSTGRES_DSN": self.dsn(role),
            "VITRINA_CLICKHOUSE_DSN": self.clickhouse,
        }


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Fresh servers, whose stores have no tables yet."""
    with ExitStack() as stack:
        warehouse = stack.enter_context(
            postgres_server(folder / "postgres", "127.0.0.1", OLD, port=free_port())
        )
        address = stack.enter_context(
            clickhouse_server(folder / "clickhouse", "127.0.0.1", "old", free_port())
        )
        yield Deployment(warehouse, address, folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two batches have run."""
    with deployment(tmp_path_factory.mktemp("running")) as deployed:
        assert deployed.migrate().code == 0
        for as_of in IMPORTS:
            deployed.vitrina("run", "--rows", "2000", "--as-of", as_of)
        yield deployed


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path) as deployed:
        yield deployed


def documented(pattern: str) -> str:
    """What the page has there; the test fails where it has it no longer."""
    found = re.search(pattern, PAGE)
    assert found is not None, pattern
    return found[1]


# Upgrade


def test_migrating_again_changes_nothing(running: Deployment) -> None:
    warehouse, marts = running.warehouse(), running.marts()
    assert running.migrate().code == 0
    assert running.warehouse() == warehouse
    assert running.marts() == marts


def test_a_table_with_other_columns_stops_the_upgrade_until_it_is_renamed(
    fresh: Deployment,
) -> None:
    with psycopg.connect(fresh.dsn("owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE sales_by_day_by_load (day date)")
        stopped = fresh.migrate()
        assert stopped.code == 1
        assert stopped.err.startswith("error: vitrina.sales_by_day_by_load: column ")
        assert stopped.err.count("\n") == 1
        remedy = re.search(r"\((ALTER TABLE .*) …\)", stopped.err)
        assert remedy is not None
        owner.execute(f"{remedy[1]} sales_by_day_of_before".encode())
    ask(fresh.clickhouse, "CREATE DATABASE vitrina")
    ask(fresh.clickhouse, "CREATE TABLE vitrina.batch (day Date32) ENGINE = MergeTree ORDER BY day")
    stopped = fresh.migrate()
    assert stopped.code == 1
    assert re.match(
        r"error: ClickHouse vitrina\.batch\.\w+ is .*; rename or drop batch ", stopped.err
    )
    ask(fresh.clickhouse, "DROP TABLE vitrina.batch")
    assert fresh.migrate().code == 0
    fresh.vitrina("run", "--rows", "500", "--as-of", IMPORTS[0])


# Backup and restore


def ask(dsn: str, statement: str, data: bytes = b"") -> bytes:
    """What ClickHouse answers over HTTP: what its own client would print.

    Raises:
        RuntimeError: it refuses; in its words.
    """
    parts = urlsplit(dsn)
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}/?{urlencode({'query': statement})}",
        data,
        {"X-ClickHouse-User": "loader", "X-ClickHouse-Key": parts.password or ""},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            saved: bytes = answer.read()
            return saved
    except HTTPError as error:
        with error:
            raise RuntimeError(error.read().decode()) from error


def test_clickhouse_restores_from_its_files_and_takes_the_next_import(
    running: Deployment, fresh: Deployment
) -> None:
    tables = documented(r"for table in ((?:\w+ |\\\n *)+\w+); do").replace("\\\n", " ").split()
    save = documented(r'--query "(SELECT [^"]* FORMAT Parquet)"')
    restore = documented(r'--query "(INSERT [^"]* FORMAT Parquet)"')
    before = running.marts()
    assert {*tables} == before.keys()
    assert tables[-1] == "batch"
    assert fresh.migrate().code == 0
    # Two years of Tuesdays: unless it is told otherwise, an insert makes a hundred partitions.
    long = "sales_by_region"
    ask(
        running.clickhouse,
        f"INSERT INTO vitrina.{long} SETTINGS max_partitions_per_insert_block = 0 "
        "SELECT * EXCEPT number REPLACE (import_date - 14 * number AS import_date) "
        f"FROM vitrina.{long}, numbers(1, 52) AS past",
    )
    before = running.marts()
    for table in tables:
        saved = ask(running.clickhouse, save.replace("'$table'", table))
        restored = restore.replace("'$table'", table)
        if table == long:
            with pytest.raises(RuntimeError, match="TOO_MANY_PARTS"):
                ask(fresh.clickhouse, re.sub("SETTINGS .* FORMAT", "FORMAT", restored), saved)
        ask(fresh.clickhouse, restored, saved)
    assert fresh.marts() == before
    assert len({row[0] for row in before[long]}) == len(IMPORTS) * 53
    fresh.vitrina("run", "--rows", "2000", "--as-of", "2026-12-01")
    after = fresh.marts()
    assert len(after["batch"]) == len(before["batch"]) + 1
    assert {table: rows[: len(before[table])] for table, rows in after.items()} == before


def test_a_lake_restored_elsewhere_is_loaded_from(
    running: Deployment, tmp_path: Path, database: str
) -> None:
    places = {"/backup": str(tmp_path), "/lake": str(tmp_path / "lake")}
    for pattern, lake in ((r"(tar --create .*)", running.lake), (r"(tar --extract .*)", None)):
        command = documented(pattern).replace("/lake.tar", "\0").replace("/backup", "\1")
        command = command.replace("/lake", str(lake or places["/lake"]))
        command = command.replace("\0", "/lake.tar").replace("\1", places["/backup"])
        (tmp_path / "lake").mkdir(exist_ok=True)
        subprocess.run(shlex.split(command), check=True)
    running.vitrina(
        "load", "--as-of", IMPORTS[-1], VITRINA_LAKE=places["/lake"], VITRINA_POSTGRES_DSN=database
    )
    query = f"SELECT {', '.join(SALES.names)} FROM {{}} ORDER BY sale_id"
    with postgres(database) as restored, postgres(running.dsn("reader")) as original:
        # Readers see a load once it is published.
        assert restored.query(query.format("sale_by_load")) == original.query(query.format("sale"))


# Secrets


def test_the_roles_take_new_passwords_and_keep_their_data_and_rights(running: Deployment) -> None:
    before = running.warehouse()
    running.postgres.make_roles(NEW)
    try:
        for role in ROLES:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(running.dsn(role))
            password = NEW[f"POSTGRES_{role.upper()}_PASSWORD"]
            with psycopg.connect(running.postgres.dsn(f"vitrina_{role}", password)) as connection:
                assert connection.execute("SELECT count(*) > 0 FROM sale").fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(running.postgres.dsn("postgres", OLD["POSTGRES_PASSWORD"]))
        psycopg.connect(running.postgres.dsn("postgres", NEW["POSTGRES_PASSWORD"])).close()
        assert running.warehouse() == before
        loader = running.postgres.dsn("vitrina_loader", NEW["POSTGRES_LOADER_PASSWORD"])
        running.vitrina("load", "--as-of", IMPORTS[-1], VITRINA_POSTGRES_DSN=loader)
    finally:
        running.postgres.make_roles(OLD)


def test_clickhouse_started_with_another_password_refuses_the_old_one_and_keeps_its_imports(
    tmp_path: Path,
) -> None:
    made = "CREATE TABLE vitrina.kept ENGINE = MergeTree ORDER BY a AS SELECT 7 AS a"
    with clickhouse_server(tmp_path, "127.0.0.1", "old", free_port()) as address:
        ask(address, "CREATE DATABASE vitrina")
        ask(address, made)
    with clickhouse_server(tmp_path, "127.0.0.1", "new", free_port()) as address:
        assert ask(address, "SELECT a FROM vitrina.kept") == b"7\n"
        with pytest.raises(RuntimeError, match="Authentication failed"):
            ask(address.replace(":new@", ":old@"), "SELECT a FROM vitrina.kept")


def test_every_secret_has_its_line_and_a_command_that_starts_its_users_anew() -> None:
    _, _, section = PAGE.partition("\n## Secrets\n")
    rows = re.findall(r"(?m)^\| (`.*?) \| (.*) \|$", section.partition("\n## ")[0])
    listed = [name for cell, _ in rows for name in re.findall("`([A-Z_]+)`", cell)]
    groups = declared()["secrets"]["environment"]
    names = {each.removeprefix("GROUP_OF_") for each in groups if each.startswith("GROUP_OF_")}
    assert sorted(listed) == sorted(names - {"CLICKHOUSE_XML"})
    for cell, remedy in rows:
        # `up` alone leaves a container as it is, since its environment has no secret in it.
        anew = "--force-recreate" in remedy or remedy.startswith("the same; ")
        assert anew or "GRAFANA_ADMIN_PASSWORD" in cell, cell


# Failures


def messages() -> Iterator[str]:
    """Every text of the code but docstrings, with … where a value is put in."""
    for path in (*(ROOT / "src").rglob("*.py"), *DEPLOY.rglob("*.py")):
        nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_message_in_the_table_of_failures_is_one_that_the_code_has() -> None:
    _, _, section = PAGE.partition("\n## Failures\n")
    seen = re.findall(r"(?m)^\| (.*?) \|", section.partition("\n## ")[0])
    quoted = {phrase for cell in seen for phrase in re.findall("`(.*?)`", cell)}
    assert quoted >= OTHERS
    assert len(quoted - OTHERS) > 8
    texts = list(messages())
    for phrase in quoted - OTHERS:
        parts = [part.strip() for part in phrase.split("…") if part.strip(" :()")]
        wanted = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        assert any(wanted.search(text) for text in texts), phrase
