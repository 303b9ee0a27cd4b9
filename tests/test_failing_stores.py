"""Stores that fail: one line says what, a batch is left as it was, and a rerun heals it."""

import datetime
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from spark_server import free_port

from tests.lakes import clean_lake, clean_sales, right_marts
from tests.servers.clickhouse import clickhouse_server
from tests.servers.proxy import Proxy, proxy
from tests.shown import show
from vitrina.contract import SALES
from vitrina.counts import Analyzed
from vitrina.errors import StoreError, StoreUnavailable
from vitrina.ledger import MANIFEST, RUN_EVENT
from vitrina.marts import marts
from vitrina.steps import load, publish
from vitrina.store import Batch
from vitrina.stores.clickhouse import silence
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.lake import Lake
from vitrina.stores.postgres import connection, copying, session
from vitrina.stores.postgres.session import translated
from vitrina.stores.postgres.store import Postgres, postgres
from vitrina.stores.postgres.tables import tables

BATCH = Batch(datetime.date(2026, 11, 24))
SOLD = clean_sales(BATCH, 100)
MARTS = right_marts(BATCH, SOLD)
LEFT = "PostgreSQL shows "


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return clean_lake(tmp_path / "lake", BATCH, SOLD)


def run(lake: Lake, dsn: str) -> None:
    """Load a batch, compute its marts, show both."""
    with postgres(dsn) as store:
        load.run(lake, store, BATCH)
        store.replace_marts(BATCH, MARTS, lake.result("load")["attempt"])
        show(store, BATCH)


def require_one_line(error: StoreError, *parts: str) -> None:
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)
    assert error.transient


def require_shown(dsn: str) -> None:
    with postgres(dsn) as store:
        assert store.read_mart(marts(SALES)[0]).num_rows == MARTS[marts(SALES)[0].name].num_rows


# PostgreSQL


def test_a_server_out_of_connections_is_worth_another_try(database: str, lake: Lake) -> None:
    with ExitStack() as others:
        with suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(database))
        with pytest.raises(StoreUnavailable) as refused, postgres(database):
            pass
    require_one_line(refused.value, "PostgreSQL at ", "too many clients")
    run(lake, database)
    require_shown(database)


def test_a_lock_on_any_table_ends_soon_and_a_rerun_heals(
    database: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lake, database)
    monkeypatch.setitem(session._SETTINGS, "lock_timeout", "100ms")  # noqa: SLF001
    # The other two are written by the run around the steps.
    for table in sorted({each.name for each in tables(SALES)} - {MANIFEST, RUN_EVENT}):
        with psycopg.connect(database) as other:
            other.execute(sql.SQL("LOCK TABLE vitrina.{}").format(sql.Identifier(table)))
            with pytest.raises(StoreUnavailable) as refused:
                run(lake, database)
        require_one_line(refused.value)
        run(lake, database)
    require_shown(database)


@pytest.mark.usefixtures("soon")
def test_who_holds_the_lock_on_a_mart_is_named(
    database: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lake, database)
    monkeypatch.setitem(session._SETTINGS, "lock_timeout", "1s")  # noqa: SLF001
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE vitrina.sales_by_region_by_load")
        pid, user = other.info.backend_pid, other.info.user
        with pytest.raises(StoreUnavailable) as refused:
            run(lake, database)
    require_one_line(refused.value, f"holds the table; it is held by pid {pid} of {user} since 20")


@pytest.fixture
def tiny_disk(database: str) -> Iterator[Path | None]:
    """A disk of 256 KiB, on which the database has its tables; None where nobody may mount one."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        yield None
        return
    with psycopg.connect(database, autocommit=True) as owner:
        [(data,)] = owner.execute("SELECT current_setting('data_directory')")
        shutil.chown(folder, Path(data).stat().st_uid)
        place, here = sql.Identifier(folder.name), sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(place, str(folder)))
        owner.execute(sql.SQL("ALTER DATABASE {} SET default_tablespace = {}").format(here, place))
        yield folder
        owner.execute("DROP SCHEMA IF EXISTS vitrina CASCADE")
        owner.execute(sql.SQL("ALTER DATABASE {} RESET default_tablespace").format(here))
        owner.execute(sql.SQL("DROP TABLESPACE {}").format(place))
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_server_whose_disk_is_full_is_worth_another_try(
    database: str, lake: Lake, tiny_disk: Path | None
) -> None:
    if tiny_disk is None:
        # The same code, from the system's own full device.
        with (
            psycopg.connect(database) as owner,
            pytest.raises(StoreUnavailable, match="No space left"),
            translated({}),
        ):
            owner.execute("COPY (SELECT 1) TO '/dev/full'")
        return
    with pytest.raises(StoreUnavailable) as refused:
        run(lake, database)
    require_one_line(refused.value, "PostgreSQL at ", "No space left on device")
    subprocess.run(["mount", "-o", "remount,size=64m", str(tiny_disk)], check=True)
    run(lake, database)
    require_shown(database)


@contextmanager
def behind_a_proxy(database: str, delay: float = 0) -> Iterator[tuple[str, Proxy]]:
    """The address of the database through a proxy."""
    parts = conninfo_to_dict(database)

    def connect() -> socket.socket:
        if not str(parts["host"]).startswith("/"):
            return socket.create_connection((str(parts["host"]), int(parts["port"] or 5432)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{parts['host']}/.s.PGSQL.{parts['port']}")
        return server

    with proxy(connect, delay) as before:
        yield (
            make_conninfo(database, host="127.0.0.1", port=before.port, connect_timeout=2),
            before,
        )


def test_a_server_that_takes_connections_and_never_answers_is_given_up(database: str) -> None:
    with behind_a_proxy(database) as (dsn, before):
        with postgres(dsn) as store:
            assert store.query("SELECT 1")[1] == [(1,)]
        before.silent = True
        with pytest.raises(StoreUnavailable) as refused, postgres(dsn):
            pass
    require_one_line(refused.value, f"PostgreSQL at 127.0.0.1:{before.port}: ", "timeout expired")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a silent server soon."""
    monkeypatch.setattr(connection, "_SILENCE", 0.2)
    monkeypatch.setattr(connection, "_GRACE", 0.2)


@pytest.fixture
def impatient(soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And wait only a moment for its answer."""
    monkeypatch.setattr(connection, "_ANSWER", 1)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_falls_silent_within_a_statement_is_given_up(database: str) -> None:
    with behind_a_proxy(database) as (dsn, before), postgres(dsn) as store:
        before.silent = True
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as refused:
            store.query("SELECT 1")
        assert time.monotonic() - began < 15
    require_one_line(
        refused.value, f"127.0.0.1:{before.port}: no answer for ", "run the same command again"
    )


@pytest.mark.usefixtures("soon")
def test_a_connection_that_alone_is_dead_is_given_up_with_its_locks(database: str) -> None:
    with behind_a_proxy(database) as (dsn, before), postgres(dsn) as store:
        with store._session.alone("left"):  # noqa: SLF001
            before.forget()
            with pytest.raises(StoreUnavailable, match=r"its process \d+ is not at work"):
                store.query("SELECT 1")
        with postgres(dsn) as other, replace(other._session, patience=5).alone("left"):  # noqa: SLF001
            pass


@pytest.mark.usefixtures("soon")
def test_a_server_at_work_is_waited_for_however_long_it_says_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    is_at_work = connection.Silence._is_at_work  # noqa: SLF001

    def ask(silence: connection.Silence, process: int) -> bool:
        asked.append(is_at_work(silence, process))
        return asked[-1]

    monkeypatch.setattr(connection.Silence, "_is_at_work", ask)
    with postgres(database) as store:
        assert store.query("SELECT pg_sleep(1.5)")[1] == [("",)]
    # The last time it may just have been done.
    assert asked[:-1]
    assert all(asked[:-1])


@pytest.mark.usefixtures("impatient")
def test_a_server_that_falls_silent_during_a_copy_is_given_up_and_a_rerun_heals(
    database: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_copy = threading.Barrier(2)
    with behind_a_proxy(database) as (dsn, before):

        def shares(*arguments: object) -> list[Iterator[pa.RecordBatch]]:
            return [share(rows) for rows in original(*arguments)]

        def share(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            both_copy.wait(30)
            before.silent = True
            yield from rows

        with monkeypatch.context() as patch:
            original: Callable[..., list[Iterator[pa.RecordBatch]]] = load.shares
            patch.setattr(load, "shares", shares)
            patch.setattr(copying, "PATIENCE", 0.1)
            with pytest.raises(StoreUnavailable) as refused:
                run(lake, dsn)
    require_one_line(refused.value, f"127.0.0.1:{before.port}: no answer for ")
    run(lake, database)
    require_shown(database)


def test_a_load_from_a_server_200_ms_away_is_only_slow(database: str, lake: Lake) -> None:
    run(lake, database)
    with behind_a_proxy(database, 0.2) as (dsn, _), postgres(dsn) as store:
        load.run(lake, store, BATCH)
        assert store.newest_load(BATCH.as_of) != store.current_batch()


# ClickHouse


@pytest.fixture
def analyzed(database: str, lake: Lake) -> Iterator[Postgres]:
    """A PostgreSQL whose batch is ready to be published."""
    with postgres(database) as store:
        load.run(lake, store, BATCH)
        attempt = lake.result("load")["attempt"]
        store.replace_marts(BATCH, MARTS, attempt)
        with lake.step("analyze", lake.result("load")) as left:
            left.counts = Analyzed({name: mart.num_rows for name, mart in MARTS.items()}).document()
        yield store


def require_published(store: ClickHouse) -> None:
    assert [day for day, _ in store.imports()] == [BATCH.as_of]
    for mart in marts(SALES):
        [(rows,)] = store.query(f"SELECT count() FROM {mart.name}")[1]
        assert rows == MARTS[mart.name].num_rows
    tables = {name for (name,) in store.query("SHOW TABLES")[1]}
    assert not [name for name in tables if name.endswith("_staging")]


def test_a_refused_insert_leaves_what_was_shown_and_a_rerun_heals(
    analyzed: Postgres, lake: Lake, clickhouse_store: ClickHouse
) -> None:
    publish.run(lake, analyzed, clickhouse_store, BATCH)
    command = clickhouse_store._session.command  # noqa: SLF001
    command(f"ALTER TABLE {marts(SALES)[1].name} ADD CONSTRAINT none CHECK total_sales < 0")
    with pytest.raises(StoreError, match="VIOLATED_CONSTRAINT") as refused:
        publish.run(lake, analyzed, clickhouse_store, BATCH)
    assert "\n" not in str(refused.value)
    assert [day for day, _ in clickhouse_store.imports()] == [BATCH.as_of]
    command(f"ALTER TABLE {marts(SALES)[1].name} DROP CONSTRAINT none")
    publish.run(lake, analyzed, clickhouse_store, BATCH)
    require_published(clickhouse_store)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse server."""
    folder = tmp_path_factory.mktemp("server")
    with clickhouse_server(folder, "127.0.0.1", "p-assword", free_port()) as dsn:
        yield dsn


@contextmanager
def over_a_proxy(server: str) -> Iterator[tuple[str, Proxy]]:
    """The address of the server through a proxy."""
    port = urlsplit(server).port
    assert port is not None
    with proxy(lambda: socket.create_connection(("127.0.0.1", port))) as before:
        yield server.replace(str(port), str(before.port)), before


@pytest.fixture
def asked_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a silent ClickHouse soon, and wait only a moment for its answer."""
    monkeypatch.setattr(silence, "SILENCE", 1)
    monkeypatch.setattr(silence, "ANSWER", 1)
    monkeypatch.setattr(silence, "_GRACE", 0.2)


@pytest.mark.usefixtures("asked_soon")
def test_a_clickhouse_that_takes_connections_and_never_answers_is_given_up(server: str) -> None:
    with over_a_proxy(server) as (dsn, before):
        before.silent = True
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as refused, clickhouse(dsn):
            pass
        assert time.monotonic() - began < 10
    require_one_line(refused.value, f"ClickHouse does not answer at 127.0.0.1:{before.port}: ")
    assert "p-assword" not in str(refused.value)


@pytest.mark.usefixtures("asked_soon")
def test_a_clickhouse_that_falls_silent_at_a_swap_is_given_up_and_a_rerun_heals(
    analyzed: Postgres, lake: Lake, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ClickHouse.replace_import
    with over_a_proxy(server) as (dsn, before):

        def fall_silent(store: ClickHouse, *arguments: Any) -> None:
            before.silent = True
            original(store, *arguments)

        with clickhouse(dsn) as store, monkeypatch.context() as patch:
            patch.setattr(ClickHouse, "replace_import", fall_silent)
            began = time.monotonic()
            with pytest.raises(StoreUnavailable) as refused:
                publish.run(lake, analyzed, store, BATCH)
            assert time.monotonic() - began < 15
        require_one_line(
            refused.value, f":{before.port}: no answer for ", "run the same command again"
        )
    with clickhouse(server) as store:
        publish.run(lake, analyzed, store, BATCH)
        require_published(store)


@pytest.mark.usefixtures("asked_soon")
def test_a_clickhouse_at_work_is_waited_for_however_long_it_says_nothing(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    is_at_work = silence._is_at_work  # noqa: SLF001

    def ask(*arguments: Any) -> bool | None:
        asked.append(is_at_work(*arguments))
        return asked[-1]

    monkeypatch.setattr(silence, "_is_at_work", ask)
    monkeypatch.setattr(silence, "ELSEWHERE", 0.5)
    with clickhouse(server) as store:
        assert store.query("SELECT sleep(2.5)")[1] == [(0,)]
    # The last time it may just have been done.
    assert asked[:-1]
    assert all(asked[:-1])


@pytest.mark.usefixtures("asked_soon")
def test_a_connection_to_clickhouse_that_alone_is_dead_is_given_up_later(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ELSEWHERE", 1.5)
    with over_a_proxy(server) as (dsn, before), clickhouse(dsn) as store:
        before.forget()
        with pytest.raises(StoreUnavailable, match=r"no answer for [23] s; run the same"):
            store.imports()
        # The next one takes a connection of its own.
        store.create_tables(SALES)


@pytest.mark.parametrize("moment", ["withdraw", "replace_import"])
def test_a_server_that_dies_between_stage_and_swap_is_worth_another_try(
    analyzed: Postgres,
    lake: Lake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    port = free_port()
    original = getattr(ClickHouse, moment)

    def die(store: ClickHouse, *arguments: object) -> None:
        """End the server just before what was asked of it."""
        for child in psutil.Process().children():
            if str(port) in child.cmdline():
                child.kill()
                child.wait()
        original(store, *arguments)

    with (
        clickhouse_server(tmp_path / "server", "127.0.0.1", "p", port) as dsn,
        clickhouse(dsn) as store,
        monkeypatch.context() as patch,
    ):
        patch.setattr(ClickHouse, moment, die)
        with pytest.raises(StoreUnavailable) as refused:
            publish.run(lake, analyzed, store, BATCH)
    require_one_line(refused.value, f"ClickHouse does not answer at 127.0.0.1:{port}")
    with (
        clickhouse_server(tmp_path / "server", "127.0.0.1", "p", port) as dsn,
        clickhouse(dsn) as store,
    ):
        publish.run(lake, analyzed, store, BATCH)
        require_published(store)
