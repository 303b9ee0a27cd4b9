"""ClickHouse on a cluster: what is said to it, and what of that the embedded engine can try.

The embedded engine has no other servers, and keeps replicated tables read-only. So each
statement is held against its text, parsed by the engine, and done on it as on one server; the
replicated tables are made for real, with what Keeper would hold kept in memory.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.ledgers import ledger_entry
from tests.mart_rows import BY_REGION, mart_table
from vitrina.columns import clickhouse_type
from vitrina.contract import SALES
from vitrina.errors import SettingsError, StoreError
from vitrina.ledger import ControlTotals
from vitrina.settings import load_settings
from vitrina.stores.clickhouse.session import Session
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse

AS_OF = date(2026, 11, 24)
AT = datetime(2026, 11, 24, 9, 45, 1, 250000, tzinfo=UTC)
TOTALS = ControlTotals("spark", "sales_by_region", 2, 3, Decimal("30.50"))
ENTRY = ledger_entry(AS_OF)
# What a cluster's servers have in their configuration.
CONFIG = """<clickhouse>
<zookeeper><implementation>testkeeper</implementation></zookeeper>
<macros><shard>1</shard><replica>ch-1</replica></macros>
<remote_servers>
    <marts><shard>
        <replica><host>127.0.0.1</host><port>9001</port></replica>
        <replica><host>127.0.0.1</host><port>9002</port></replica>
    </shard></marts>
    <sharded>
        <shard><replica><host>127.0.0.1</host><port>9001</port></replica></shard>
        <shard><replica><host>127.0.0.1</host><port>9002</port></replica></shard>
    </sharded>
</remote_servers>
</clickhouse>"""
ON_CLUSTER = re.compile(r" ON CLUSTER `marts`")
IDENTIFIER = re.compile(r"\{(\w+):Identifier\}")
REPLICATED = re.compile(r"ReplicatedMergeTree\('[^']*', '[^']*'\)")
UUID = "2f0d1c5e-8f3b-4c52-9d3e-0a1b2c3d4e5f"


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    """The embedded engine, told of two clusters."""
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)
    return "chdb://?" + urlencode({"path": f"{tmp_path / 'data'}?config-file={config}"})


@pytest.fixture
def engine(dsn: str) -> Iterator[Client]:
    with closing(clickhouse_connect.get_client(dsn=dsn, tz_mode="aware")) as client:
        client.command("CREATE DATABASE vitrina")
        client.database = "vitrina"
        yield client


@contextmanager
def heard(engine: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the store says to its cluster, with names in their places.

    It is done on the one server that is there, which puts the names in their places itself.
    """
    said: list[str] = []
    command = engine.command

    def on_one_server(statement: str, parameters: dict[str, Any]) -> Any:
        if statement.startswith("EXISTS"):
            return command(statement, parameters=parameters)
        said.append(IDENTIFIER.sub(lambda found: f"`{parameters[found[1]]}`", statement))
        if statement.startswith("SYSTEM SYNC REPLICA"):
            return None
        local = REPLICATED.sub("MergeTree", ON_CLUSTER.sub("", statement))
        return command(local, parameters=parameters)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "command", on_one_server)
        yield said


def publish(store: ClickHouse) -> None:
    store.stage(BY_REGION, AS_OF, AT, mart_table(BY_REGION, {}))
    store.withdraw(AS_OF)
    store.replace_import(BY_REGION, AS_OF)
    store.record_batch(ENTRY, AT, [TOTALS], {})


def create_and_publish(
    dsn: str, engine: Client, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[str]]:
    """What is said while the tables are created, and while an import is published."""
    store = ClickHouse(Session(dsn, engine, "marts"))
    with heard(engine, monkeypatch) as created:
        store.create_tables(SALES)
    with heard(engine, monkeypatch) as published:
        publish(store)
    return created, published


def test_everything_is_done_on_every_server_and_batch_comes_last(
    dsn: str, engine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, said = create_and_publish(dsn, engine, monkeypatch)
    columns = ", ".join(f"`{each.name}` {clickhouse_type(each)}" for each in BY_REGION.columns)
    by_region = next(statement for statement in created if "`sales_by_region`" in statement)
    assert by_region == (
        "CREATE TABLE IF NOT EXISTS `vitrina`.`sales_by_region` ON CLUSTER `marts` "
        f"(`import_date` Date32, `imported_at` DateTime64(3, 'UTC'), {columns}) "
        "ENGINE = ReplicatedMergeTree("
        "'/clickhouse/tables/marts/{database}/{table}', '{replica}') "
        "PARTITION BY import_date ORDER BY (`import_date`, `region`)"
    )
    assert len(created) == 9
    assert all(" ON CLUSTER `marts` (" in statement for statement in created)

    def swap(table: str, order: str, last: str) -> list[str]:
        staging = f"`vitrina`.`{table}_staging`"
        return [
            f"DROP TABLE IF EXISTS {staging} ON CLUSTER `marts` SYNC",
            (
                f"CREATE TABLE {staging} ON CLUSTER `marts` AS `vitrina`.`{table}` "
                "ENGINE = ReplicatedMergeTree('/clickhouse/tables/marts/{uuid}', '{replica}') "
                f"PARTITION BY import_date ORDER BY ({order})"
            ),
            f"SYSTEM SYNC REPLICA ON CLUSTER `marts` {staging}",
            f"SELECT count() FROM {staging}",
            f"ALTER TABLE `vitrina`.`{table}` ON CLUSTER `marts` {last}",
            f"DROP TABLE IF EXISTS {staging} ON CLUSTER `marts` SYNC",
        ]

    def replace(table: str) -> str:
        return f"REPLACE PARTITION {{day:Date32}} FROM `vitrina`.`{table}_staging`"

    withdrawn = "ALTER TABLE `vitrina`.`batch` ON CLUSTER `marts` DROP PARTITION {day:Date32}"
    mart = swap("sales_by_region", "import_date, region", replace("sales_by_region"))
    assert said == [
        *mart[:3],
        withdrawn,
        *mart[3:],
        *swap("control_totals", "import_date, table_name, engine", replace("control_totals")),
        *swap("rejects_by_reason", "import_date, reason", "DROP PARTITION {day:Date32}"),
        *swap("batch", "(import_date)", replace("batch")),
    ]
    # And what was said had its effect.
    store = ClickHouse(Session(dsn, engine, "marts"))
    assert store.imports() == [(AS_OF, AT)]
    assert store.sums(BY_REGION, AS_OF)["total_sales_amount"] == Decimal("30.50")


def test_the_engine_reads_every_statement_as_one_for_the_cluster(
    dsn: str, engine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, published = create_and_publish(dsn, engine, monkeypatch)
    for statement in created + published:
        # As it is written into Keeper for the other servers: without parameters.
        bound = statement.replace("{day:Date32}", f"_CAST('{AS_OF}', 'Date32')")
        (((written,),)) = engine.query(
            "SELECT formatQuery({statement:String})", parameters={"statement": bound}
        ).result_rows
        assert ("ON CLUSTER marts" in written) == (not statement.startswith("SELECT"))
        engine.command(f"EXPLAIN AST {written}")


def test_a_partition_named_as_in_keeper_is_the_partition(
    dsn: str, engine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_and_publish(dsn, engine, monkeypatch)
    day = f"_CAST('{AS_OF}', 'Date32')"
    engine.command("CREATE TABLE copy AS sales_by_region")
    engine.command(f"ALTER TABLE copy REPLACE PARTITION {day} FROM sales_by_region")
    engine.command(f"ALTER TABLE sales_by_region DROP PARTITION {day}")
    assert engine.command("SELECT count() FROM copy") == 1
    assert engine.command("SELECT count() FROM sales_by_region") == 0


# Ends without closing the engine, which would wait for its replicas for ever.
MAKE_REPLICATED = f"""
import json, os, sys
import clickhouse_connect
from vitrina.contract import SALES
from vitrina.stores.clickhouse.session import Session
from vitrina.stores.clickhouse.staging import create_staging
from vitrina.stores.clickhouse.store import ClickHouse

client = clickhouse_connect.get_client(dsn=sys.argv[1])
client.command("CREATE DATABASE vitrina")
client.database = "vitrina"
command = client.command

def create(statement, parameters):
    if statement.startswith("EXISTS"):
        return command(statement, parameters=parameters)
    if statement.startswith("CREATE"):
        # What the first server of a cluster adds to the statement for all of them.
        name = "{{staging:Identifier}} ON"
        statement = statement.replace(name, name.replace(" ON", " UUID '{UUID}' ON"))
        command(statement.replace(" ON CLUSTER `marts`", ""), parameters=parameters)

client.command = create
# Its table is read-only.
client.raw_insert = lambda *arguments, **options: None
session = Session(sys.argv[1], client, "marts")
store = ClickHouse(session)
# The second time it finds what it needs.
store.create_tables(SALES)
store.create_tables(SALES)
create_staging(session, "batch")
replicas = client.query("SELECT table, zookeeper_path, replica_name FROM system.replicas")
print(json.dumps(replicas.result_rows), flush=True)
os._exit(0)
"""


def test_the_engine_makes_replicated_tables_of_the_statements(dsn: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", MAKE_REPLICATED, dsn],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    found = {table: (path, replica) for table, path, replica in json.loads(made.stdout)}
    assert len(found) == 9
    path = "/clickhouse/tables/marts/vitrina/sales_by_region"
    assert found["sales_by_region"] == (path, "ch-1")
    assert found["batch_staging"] == (f"/clickhouse/tables/marts/{UUID}", "ch-1")


@pytest.mark.parametrize(
    ("cluster", "complaint"),
    [
        ("mart", "knows no cluster mart, .* it knows marts, sharded$"),
        ("sharded", "cluster sharded has 2 shards, and each would hold a part of an import"),
    ],
)
def test_a_cluster_that_would_not_show_every_import_is_refused(
    dsn: str, cluster: str, complaint: str
) -> None:
    with clickhouse(dsn) as store:
        store.create_tables(SALES)
    with clickhouse(dsn, cluster) as store, pytest.raises(StoreError, match=complaint):
        store.create_tables(SALES)


def test_a_table_that_only_one_server_has_is_refused(dsn: str) -> None:
    with clickhouse(dsn) as store:
        store.create_tables(SALES)
    with (
        clickhouse(dsn, "marts") as store,
        pytest.raises(StoreError, match="is MergeTree, expected ReplicatedMergeTree; rename or"),
    ):
        store.create_tables(SALES)


def test_statements_end_when_every_replica_has_done_them(dsn: str) -> None:
    query = "SELECT getSetting('alter_sync'), getSetting('distributed_ddl_output_mode')"
    with clickhouse(dsn) as store:
        store.create_tables(SALES)
    with clickhouse(dsn, "marts") as store:
        client = store._session.client  # noqa: SLF001
        assert client.query(query).result_rows == [(2, "throw")]


def test_a_cluster_is_a_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRINA_CLICKHOUSE_DSN", raising=False)
    monkeypatch.setenv("VITRINA_CLICKHOUSE_CLUSTER", "marts")
    with pytest.raises(SettingsError, match=r"CLUSTER: .*needs a server of it, in VITRINA_CLICK"):
        load_settings()
    monkeypatch.setenv("VITRINA_CLICKHOUSE_DSN", "clickhouse://loader@ch-1:8123/vitrina")
    assert load_settings().clickhouse_cluster == "marts"
    monkeypatch.setenv("VITRINA_CLICKHOUSE_CLUSTER", "a b")
    with pytest.raises(SettingsError, match="CLICKHOUSE_CLUSTER"):
        load_settings()
