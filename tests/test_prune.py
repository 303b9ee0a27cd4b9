"""Pruning: what is old goes, and nothing that a kept batch needs."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.lakes import clean_lake
from tests.ledgers import ledger_entry
from tests.own_shops import KIOSK, numbered, sold
from tests.rows import AS_OF
from vitrina.columns import Integer, arrow_schema
from vitrina.errors import BatchError, StoreUnavailable
from vitrina.exports.archive import Archive, Kept
from vitrina.ledger import ControlTotals
from vitrina.marts import marts
from vitrina.proof.checks import said_by
from vitrina.proof.prune import carry_out, plan
from vitrina.store import Batch
from vitrina.stores.addresses import database as database_of
from vitrina.stores.addresses import schema
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.lake import batches_of
from vitrina.stores.postgres import lock
from vitrina.stores.postgres.store import Postgres, postgres

DAYS = tuple(AS_OF - timedelta(days=7 * weeks) for weeks in range(5))
"""Of batches that were published, newest first."""


@pytest.fixture
def held(database: str) -> Iterator[Postgres]:
    with postgres(database, schema(KIOSK)) as store:
        store.create_tables(KIOSK.contract)
        yield store


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an embedded ClickHouse with all the batches."""
    folder = tmp_path_factory.mktemp("published") / "clickhouse"
    with (
        embedded_clickhouse(folder) as dsn,
        clickhouse(dsn, database=database_of(KIOSK)) as store,
    ):
        publish_all(store)
    return folder


@pytest.fixture
def shown(clickhouse_dsn: str, published: Path, tmp_path: Path) -> Iterator[ClickHouse]:
    """A store with all the batches: a copy of what was published, unless it is a server's."""
    is_embedded = clickhouse_dsn.startswith("chdb:")
    if is_embedded:
        shutil.copytree(published, tmp_path / "clickhouse", symlinks=True, dirs_exist_ok=True)
    with clickhouse(clickhouse_dsn, database=database_of(KIOSK)) as store:
        if not is_embedded:
            publish_all(store)
        yield store


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """Each batch was read from a file of its own and of the one before."""
    root = str(tmp_path / "lake")
    for day in DAYS:
        leave(root, day, day - timedelta(days=7), day)
    return root


def publish_all(store: ClickHouse) -> None:
    store.create_tables(KIOSK.contract)
    for day in DAYS:
        publish(store, day)


def publish(store: ClickHouse, day: date) -> None:
    for mart in marts(KIOSK.contract):
        texts = {"region": "Zug", "product_id": "A", "abc_class": "A"}
        row: dict[str, Any] = {each.name: Decimal(1) for each in mart.columns}
        row |= {each.name: 1 for each in mart.columns if isinstance(each.type, Integer)}
        row |= {"sale_date": day - timedelta(days=1), **texts}
        rows = pa.Table.from_pylist([row], arrow_schema(mart.columns))
        store.stage(mart, day, datetime.now(UTC), rows)
        store.replace_import(mart, day)
    store.record_batch(ledger_entry(day, seed=None), datetime.now(UTC), [], {"region_missing": 2})


def leave(root: str, day: date, *exports: date) -> None:
    """A batch in the lake, and in the archive the files that it was read from."""
    archive, kept = Archive(root), []
    for each in exports:
        content = f"sales until {each}".encode()
        sha256 = hashlib.sha256(content).hexdigest()
        Path(archive.root).mkdir(parents=True, exist_ok=True)
        Path(archive.root, sha256).write_bytes(content)
        seen = datetime(each.year, each.month, each.day, tzinfo=UTC)
        kept.append(Kept(sha256, len(content), seen, (f"{each}.csv",)))
    archive.remember(kept)
    batch = Batch(day, KIOSK)
    rows = numbered([sold("A", "1.00", sale_date=day - timedelta(days=1))])
    table = pa.Table.from_pylist(rows, arrow_schema(KIOSK.contract.fields))
    read = [{"name": each.name, "sha256": each.sha256, "bytes": each.size} for each in kept]
    clean_lake(Path(root), batch, table).document("extract", "report.json", {"read": read})


def archived(root: str) -> list[str]:
    return sorted(kept.name for kept in Archive(root).all().values())


def imports(store: ClickHouse, table: str) -> list[date]:
    return [
        day for (day,) in store.query(f"SELECT DISTINCT import_date FROM {table} ORDER BY 1")[1]
    ]


def test_old_folders_imports_and_files_go_and_the_chain_tells_of_it(
    lake: str, held: Postgres, shown: ClickHouse
) -> None:
    planned = plan(lake, KIOSK, held, shown, keep=2)
    assert planned.kept == DAYS[:2]
    assert [folder.as_of for folder in planned.folders] == [*reversed(DAYS[2:])]
    assert planned.imports == (*reversed(DAYS[2:]),)
    oldest = DAYS[-1] - timedelta(days=7)
    assert [file.name for file in planned.files] == [
        f"{day}.csv" for day in (oldest, DAYS[4], DAYS[3])
    ]
    assert planned.size > 0
    assert batches_of(lake) == [*reversed(DAYS)], "a plan deletes nothing"

    carry_out(planned, lake, KIOSK, held, shown, "a test")
    assert batches_of(lake) == [DAYS[1], DAYS[0]]
    assert archived(lake) == [f"{day}.csv" for day in (DAYS[2], DAYS[1], DAYS[0])]
    assert len([*Path(Archive(lake).root).iterdir()]) == 6
    for table in ("batch", "rejects_by_reason", *(mart.name for mart in marts(KIOSK.contract))):
        assert imports(shown, table) == [DAYS[1], DAYS[0]], table
    (link,) = held.manifests()
    said = said_by(link)
    assert said["batches"] == [day.isoformat() for day in reversed(DAYS[2:])]
    assert said["archived"] == [file.sha256 for file in planned.files]
    assert plan(lake, KIOSK, held, shown, keep=2).is_empty


def test_a_withdrawn_file_stays_since_it_may_come_again(
    lake: str, held: Postgres, shown: ClickHouse
) -> None:
    first, *others = plan(lake, KIOSK, held, shown, keep=2).files
    Archive(lake).withdraw(first.sha256, datetime.now(UTC))
    assert plan(lake, KIOSK, held, shown, keep=2).files == (*others,)


@pytest.mark.parametrize("keep", [5, 8])
def test_nothing_is_deleted_as_long_as_no_more_are_there(
    lake: str, held: Postgres, shown: ClickHouse, keep: int
) -> None:
    assert plan(lake, KIOSK, held, shown, keep).is_empty


def test_the_newest_published_batch_stays_whatever_failed_after_it(
    lake: str, held: Postgres, shown: ClickHouse
) -> None:
    failed = [DAYS[0] + timedelta(days=7 * weeks) for weeks in (1, 2, 3)]
    for day in failed:
        leave(lake, day, day)
    planned = plan(lake, KIOSK, held, shown, keep=1)
    assert planned.kept == (*reversed(failed), DAYS[0])
    assert [folder.as_of for folder in planned.folders] == [*reversed(DAYS[1:])]
    names = {file.name for file in planned.files}
    assert not names & {f"{day}.csv" for day in (*failed, DAYS[0], DAYS[1])}


def test_an_old_batch_that_postgresql_holds_stays(
    lake: str, held: Postgres, shown: ClickHouse
) -> None:
    totals = ControlTotals("spark", "sale", 0, 0, ledger_entry().total_sales_amount * 0)
    held.replace_sales(Batch(DAYS[3], KIOSK), ledger_entry(DAYS[3]), {}, totals, [[]])
    planned = plan(lake, KIOSK, held, shown, keep=1)
    assert planned.kept == (DAYS[0], DAYS[3])
    assert [folder.as_of for folder in planned.folders] == [DAYS[4], DAYS[2], DAYS[1]]
    assert f"{DAYS[4]}.csv" not in {file.name for file in planned.files}


def test_what_an_interrupted_deletion_left_goes_with_the_next(
    lake: str, held: Postgres, shown: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    planned = plan(lake, KIOSK, held, shown, keep=1)
    with monkeypatch.context() as patch:
        patch.setattr(Archive, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            carry_out(planned, lake, KIOSK, held, shown, "a test")
    left = plan(lake, KIOSK, held, shown, keep=1)
    assert not left.folders
    assert left.files
    carry_out(left, lake, KIOSK, held, shown, "a test")
    assert archived(lake) == [f"{day}.csv" for day in (DAYS[1], DAYS[0])]


def test_nothing_is_deleted_while_a_run_is_at_work_and_the_other_way_round(
    lake: str, held: Postgres, shown: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    planned = plan(lake, KIOSK, held, shown, keep=1)
    with held.alone_with(Batch(DAYS[-1], KIOSK)), held.alone_with(Batch(DAYS[0], KIOSK)):
        with pytest.raises(
            StoreUnavailable,
            match=r"^nothing is deleted while a run is at work: .* run the same command again",
        ):
            carry_out(planned, lake, KIOSK, held, shown, "a test")
        assert plan(lake, KIOSK, held, shown, keep=1) == planned
    with (
        held.without_runs("vitrina prune, process 1 on here"),
        pytest.raises(
            StoreUnavailable,
            match=f"^batch {DAYS[0]} cannot run while others are deleted: vitrina prune, process 1",
        ),
        held.alone_with(Batch(DAYS[0], KIOSK)),
    ):
        pytest.fail("both at once")
    carry_out(planned, lake, KIOSK, held, shown, "a test")


def test_a_plan_that_a_run_has_changed_is_not_carried_out(
    lake: str, held: Postgres, shown: ClickHouse
) -> None:
    planned = plan(lake, KIOSK, held, shown, keep=2)
    publish(shown, DAYS[0] + timedelta(days=7))
    with pytest.raises(BatchError, match="a run has changed what there is to delete"):
        carry_out(planned, lake, KIOSK, held, shown, "a test")
    assert batches_of(lake) == [*reversed(DAYS)]


def test_where_nothing_was_published_nothing_is_old(
    lake: str, held: Postgres, clickhouse_store: ClickHouse
) -> None:
    with pytest.raises(BatchError, match="no batch of kiosk has been published, so none is"):
        plan(lake, KIOSK, held, clickhouse_store, keep=1)


def test_the_plan_is_told_in_few_lines(lake: str, held: Postgres, shown: ClickHouse) -> None:
    planned = plan(lake, KIOSK, held, shown, keep=4)
    keeps, folder, of_clickhouse, *files = planned.lines()
    assert keeps == "keeps   batches 2026-11-24, 2026-11-17, 2026-11-10, 2026-11-03"
    assert folder.startswith("deletes batch 2026-10-27 of the lake (")
    assert of_clickhouse == "        batch 2026-10-27 of ClickHouse"
    assert files == ["        2026-10-20.csv of the archive (0.0 MB)"]
    empty = replace(planned, folders=(), imports=(), files=())
    assert [*empty.lines()][1:] == ["deletes nothing"]
