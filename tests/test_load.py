"""Loading, on a real server: what arrives, and what those who read meanwhile see."""

import datetime
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.lakes import COLLAPSED, CONFLICTING, REJECTED, clean_lake, clean_sales, right_marts
from tests.ledgers import ledger_entry
from tests.rows import shop
from tests.shown import load_and_show, show
from tests.values import any_value
from tests.waiting import WAITS_FOR_LOCK, WAITS_FOR_READERS, wait_for, wait_until
from vitrina.columns import ColumnType, Integer, Label, Numeric, arrow_schema
from vitrina.contract import SALES, Contract, Field
from vitrina.counts import Cleaned, Generated, Validated, read_result
from vitrina.errors import (
    BatchError,
    CorruptFile,
    ReconciliationError,
    StoreError,
    StoreUnavailable,
)
from vitrina.ledger import ControlTotals
from vitrina.steps import load
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres import housekeeping, session
from vitrina.stores.postgres import store as store_module
from vitrina.stores.postgres.store import postgres

THIS_WEEK = Batch(datetime.date(2026, 11, 24))
WEEK_BEFORE = Batch(datetime.date(2026, 11, 17))
COUNT = "SELECT count(*) FROM vitrina.sale"


def load_sales(dsn: str, root: Path, batch: Batch, *tables: pa.Table, **counts: Any) -> Lake:
    lake = clean_lake(root, batch, *tables, counts=counts)
    with postgres(dsn) as store:
        load_and_show(lake, store, batch)
    return lake


def ask(dsn: str, query: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def held_sales(dsn: str, contract: Contract = SALES) -> list[tuple[Any, ...]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, contract.names))
    query = sql.SQL("SELECT {} FROM vitrina.sale ORDER BY sale_id").format(columns)
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.sort_by("sale_id").to_pylist()]


def partitions(dsn: str) -> list[str]:
    """Every table that holds sales, or held some."""
    found = ask(
        dsn,
        "SELECT relname FROM pg_class WHERE relname LIKE 'sale\\_2%' AND relkind = 'r'",
    )
    return [name for (name,) in found]


# What arrives


def test_an_older_batch_takes_nothing_away_from_readers(database: str, tmp_path: Path) -> None:
    sales = clean_sales(THIS_WEEK, 300)
    load_sales(database, tmp_path, THIS_WEEK, sales)
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 500))
    assert held_sales(database) == rows_of(sales)
    with postgres(database) as store:
        assert [(e.as_of, e.is_current, e.is_kept, e.clean) for e in store.ledger()] == [
            (THIS_WEEK.as_of, True, True, 300),
            (WEEK_BEFORE.as_of, False, False, 500),
        ]


def test_a_load_is_seen_by_no_reader_until_it_is_published(database: str, tmp_path: Path) -> None:
    first, again = clean_sales(THIS_WEEK, 300), clean_sales(THIS_WEEK, 200, first_id=9)
    with postgres(database) as store:
        load.run(clean_lake(tmp_path / "1", THIS_WEEK, first), store, THIS_WEEK)
        assert store.current_batch() is None
        assert held_sales(database) == []
        show(store, THIS_WEEK)
        before = store.ledger(), store.control_totals(THIS_WEEK.as_of)
        load.run(clean_lake(tmp_path / "2", THIS_WEEK, again), store, THIS_WEEK)
        assert held_sales(database) == rows_of(first)
        assert (store.ledger(), store.control_totals(THIS_WEEK.as_of)) == before
        show(store, THIS_WEEK)
        assert held_sales(database) == rows_of(again)
        [entry] = store.ledger()
        assert (entry.clean, entry.is_current, len(partitions(database))) == (200, True, 1)


def test_reasons_are_told_from_the_most_frequent_to_the_rarest(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 10))
    reasons = {"b_rare": 1, "often": 30, "a_rare": 1, "sometimes": 5}
    with psycopg.connect(database) as owner, owner.cursor() as cursor:
        cursor.execute("DELETE FROM vitrina.rejects_by_reason_by_load")
        cursor.executemany(
            "INSERT INTO vitrina.rejects_by_reason_by_load SELECT load_id, %s, %s "
            "FROM vitrina.batch",
            [*reasons.items()],
        )
    with postgres(database) as store:
        found = [*store.rejects(THIS_WEEK.as_of)]
    assert found == ["often", "sometimes", "a_rare", "b_rare"]


def test_the_table_holds_exactly_the_clean_rows(database: str, tmp_path: Path) -> None:
    sales = clean_sales(THIS_WEEK, 120_000)
    root = tmp_path / "Мои 'проекты' и данные"
    load_sales(database, root, THIS_WEEK, sales.slice(0, 70_000), sales.slice(70_000))
    assert held_sales(database) == rows_of(sales)


def test_a_rerun_leaves_identical_contents(database: str, tmp_path: Path) -> None:
    lake = load_sales(database, tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 1_000))
    with postgres(database) as store:
        before = held_sales(database), store.ledger(), store.control_totals(THIS_WEEK.as_of)
        load_and_show(lake, store, THIS_WEEK)
        sales, [entry], totals = (
            held_sales(database),
            store.ledger(),
            store.control_totals(THIS_WEEK.as_of),
        )
    [first] = before[1]
    assert entry.load_id > first.load_id
    # Of another load, which was loaded and published later.
    same = ("load_id", "loaded_at", "published_at")
    entry = replace(entry, **{name: getattr(first, name) for name in same})
    assert (sales, [entry], totals) == before
    assert len(partitions(database)) == 1


def test_another_batch_takes_the_place_of_the_first(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 500))
    sales = clean_sales(THIS_WEEK, 300, first_id=400)
    load_sales(database, tmp_path, THIS_WEEK, sales)
    assert held_sales(database) == rows_of(sales)
    with postgres(database) as store:
        assert [(e.as_of, e.is_current) for e in store.ledger()] == [
            (THIS_WEEK.as_of, True),
            (WEEK_BEFORE.as_of, False),
        ]


def test_a_batch_without_sales_is_a_batch(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    load_sales(database, tmp_path, THIS_WEEK)
    assert held_sales(database) == []
    with postgres(database) as store:
        current = store.current_batch()
    assert current is not None
    assert (current.as_of, current.clean) == (THIS_WEEK.as_of, 0)
    assert current.total_sales_amount == 0


def test_the_ledger_says_what_became_of_every_row(database: str, tmp_path: Path) -> None:
    sales = clean_sales(THIS_WEEK, 100)
    lake = clean_lake(tmp_path, THIS_WEEK, sales)
    with postgres(database) as store:
        load.run(lake, store, THIS_WEEK)
    amount = sum((row["sale_amount"] for row in sales.to_pylist()), Decimal(0))
    quantity = sum(sales["quantity"].to_pylist())
    with postgres(database) as store:
        [entry] = store.ledger()
        assert store.newest_load(THIS_WEEK.as_of) == entry
        assert list(store.rejects(THIS_WEEK.as_of).items()) == [
            ("quantity_missing", 3),
            ("conflicting_duplicate", CONFLICTING),
            ("region_unknown", 1),
        ]
        assert store.control_totals(THIS_WEEK.as_of) == [
            ControlTotals(engine, "sale", 100, quantity, amount)
            for engine in ("postgresql", "spark")
        ]
    assert (entry.source, entry.seed, entry.repaired) == ("generated", 42, 1)
    assert entry.attempt == lake.result("generate")["attempt"]
    assert entry.rows_in == 100 + REJECTED + CONFLICTING + COLLAPSED
    assert (entry.clean, entry.rejected, entry.collapsed) == (
        100,
        REJECTED + CONFLICTING,
        COLLAPSED,
    )
    assert entry.total_sales_amount == amount
    started = datetime.datetime.fromisoformat(lake.result("generate")["started"])
    assert entry.started_at == started <= entry.loaded_at
    assert entry.analyzed_at is None
    assert entry.published_at is None
    assert lake.result("load")["counts"] == {
        "total_sales": 100,
        "total_quantity": quantity,
        "total_sales_amount": str(amount),
        "total_returns": 0,
        "total_returns_amount": "0",
    }


def test_a_batch_was_started_with_its_feed(tmp_path: Path) -> None:
    lake = clean_lake(tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 1))
    generated = read_result(
        lake.result("generate") | {"started": "2026-11-24T12:45:00+03:00"}, Generated
    )
    validated = read_result(lake.result("validate"), Validated).counts
    cleaned = read_result(lake.result("clean"), Cleaned).counts
    entry = load.ledger_entry(THIS_WEEK, generated, validated, cleaned, "3f9c41d27b90")
    assert entry.started_at == datetime.datetime(2026, 11, 24, 9, 45, tzinfo=datetime.UTC)


SHOP = Contract(
    (
        *(replace(f, type=Integer(64)) if f.name == "quantity" else f for f in SALES.fields[:5]),
        Field("sale_amount", Numeric(38, 5), "In a currency of many decimals"),
        Field("region", Label(), "Where", allowed=("Nord", 'S"üd', "a,b\n", "")),
        Field('Cashier\'s "no"', Integer(32), "Who sold", nullable=True),
        Field("select", Label(), "A word of SQL", nullable=True, allowed=("x",)),
        Field("delivered", SALES["sale_date"].type, "When", nullable=True),
    ),
    days=30,
)


# Of which twenty can still be summed in the field's own type.
NARROWER: dict[str, ColumnType] = {"quantity": Integer(32), "sale_amount": Numeric(36, 5)}


# An example is a whole load.
@settings(
    max_examples=settings().max_examples // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                field.name: any_value(NARROWER.get(field.name, field.type), nullable=field.nullable)
                for field in SHOP.fields
            }
        ),
        max_size=20,
        unique_by=lambda row: row["sale_id"],
    )
)
def test_every_value_of_any_contract_arrives_as_it_is(
    database: str, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    batch = Batch(THIS_WEEK.as_of, shop(SHOP))
    sales = pa.Table.from_pylist(rows, arrow_schema(SHOP.fields))
    load_sales(database, tmp_path_factory.mktemp("lake"), batch, sales)
    assert held_sales(database, SHOP) == rows_of(sales)


def test_the_table_is_keyed_and_its_planner_knows_it(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 1_000))
    keyed = (
        "SELECT indisprimary, indisvalid, pg_get_indexdef(indexrelid) LIKE '%(sale_id)' "
        "FROM pg_index WHERE indrelid IN "
        "(SELECT inhrelid FROM pg_inherits WHERE inhparent = 'vitrina.sale_by_load'::regclass)"
    )
    assert ask(database, keyed) == [(True, True, True)]
    # Proved before it was attached, so that no pass over the sales was needed then.
    proved = "SELECT convalidated FROM pg_constraint WHERE conname LIKE 'sale%load\\_id\\_check'"
    assert ask(database, proved) == [(True,)]
    analyzed = (
        "SELECT count(*), bool_and(reltuples = 1000) FROM pg_class "
        "WHERE relname LIKE 'sale\\_%' AND relkind IN ('p', 'r')"
    )
    assert ask(database, analyzed) == [(2, True)]
    # Statistics of the whole table are its own, and no autovacuum makes them.
    known = (
        "SELECT n_distinct FROM pg_stats WHERE tablename = 'sale_by_load' AND attname = 'region'"
    )
    assert ask(database, known) == [(len(SALES.regions),)]
    kinds = (
        "SELECT attname, null_frac, avg_width, n_distinct, most_common_vals::text, "
        "most_common_freqs, histogram_bounds::text, correlation "
        "FROM pg_stats WHERE tablename LIKE '{}' ORDER BY attname"
    )
    of_all = ask(database, kinds.format("sale\\_by\\_load"))
    assert len(of_all) == len(SALES.fields) + 1
    assert of_all == ask(database, kinds.format("sale\\_2%"))


def test_shares_are_copied_at_the_same_time(database: str, tmp_path: Path) -> None:
    sales = clean_sales(THIS_WEEK, 1_000)
    lake = load_sales(database, tmp_path, THIS_WEEK, sales)
    together = threading.Barrier(2, timeout=20)

    def share(rows: pa.Table) -> Iterator[pa.RecordBatch]:
        together.wait()
        yield from rows.to_batches()

    with postgres(database) as store:
        [entry], [expected, _] = store.ledger(), store.control_totals(THIS_WEEK.as_of)
        shares = [share(sales.slice(0, 400)), share(sales.slice(400))]
        store.replace_sales(THIS_WEEK, entry, {}, expected, shares)
        show(store, THIS_WEEK)
    assert held_sales(database) == rows_of(sales)
    assert lake.result("load")["counts"]["total_sales"] == 1_000


# What is not loaded


def test_a_share_that_fails_ends_the_other(database: str, tmp_path: Path) -> None:
    sales = clean_sales(THIS_WEEK, 1_000)
    load_sales(database, tmp_path, THIS_WEEK, sales)
    handed_over = []

    def failing() -> Iterator[pa.RecordBatch]:
        yield from sales.to_batches()
        raise CorruptFile("sales.parquet is torn")

    def long() -> Iterator[pa.RecordBatch]:
        for number in range(500):
            handed_over.append(number)
            time.sleep(0.01)
            yield from sales.to_batches()

    with postgres(database) as store:
        [entry], [expected, _] = store.ledger(), store.control_totals(THIS_WEEK.as_of)
        with nothing_changes(database), pytest.raises(CorruptFile, match="is torn"):
            store.replace_sales(THIS_WEEK, entry, {}, expected, [failing(), long()])
    assert len(handed_over) < 400


def test_sales_are_not_attached_without_their_row_in_the_ledger(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    with psycopg.connect(database) as owner:
        owner.execute(
            "ALTER TABLE vitrina.batch_by_load ADD CONSTRAINT few CHECK (clean < 10 OR NOT is_kept)"
        )
    with nothing_changes(database), pytest.raises(StoreError, match='constraint "few"'):
        load_sales(database, tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 10))


@contextmanager
def nothing_changes(dsn: str) -> Iterator[None]:
    with postgres(dsn) as store:
        before = held_sales(dsn), partitions(dsn), store.ledger()
        yield
        assert (held_sales(dsn), partitions(dsn), store.ledger()) == before


@pytest.mark.parametrize(
    ("measure", "wrong", "counts"),
    [
        ("total_quantity", Decimal(1), {"total_quantity": 1}),
        ("total_sales_amount", Decimal("0.01"), {"total_sales_amount": "0.01"}),
        ("total_sales", Decimal(9), {"total_returns": 1}),
    ],
)
def test_rows_that_do_not_sum_to_what_clean_counted_are_not_loaded(
    database: str, tmp_path: Path, measure: str, wrong: Decimal, counts: dict[str, Any]
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    sales = clean_sales(THIS_WEEK, 10)
    with nothing_changes(database), pytest.raises(ReconciliationError) as raised:
        load_sales(database, tmp_path, THIS_WEEK, sales, **counts)
    right = {
        "total_sales": 10,
        "total_quantity": sum(sales["quantity"].to_pylist()),
        "total_sales_amount": sum(sales["sale_amount"].to_pylist()),
    }
    assert (raised.value.measure, raised.value.expected, raised.value.actual) == (
        measure,
        wrong,
        right[measure],
    )
    assert f"the lake has {wrong}, PostgreSQL has {right[measure]}" in str(raised.value)


def test_rows_that_went_astray_on_the_way_are_noticed(database: str, tmp_path: Path) -> None:
    with pytest.raises(ReconciliationError, match=r"rows_in does not reconcile.*19.*18"):
        load_sales(database, tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 10), collapsed=3)
    with postgres(database) as store:
        assert store.ledger() == []


def test_a_batch_that_is_not_clean_yet_is_not_loaded(database: str, tmp_path: Path) -> None:
    with postgres(database) as store, pytest.raises(BatchError, match="vitrina generate"):
        load.run(Lake(str(tmp_path), THIS_WEEK.as_of), store, THIS_WEEK)


def test_one_id_twice_is_not_loaded(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    sales = clean_sales(THIS_WEEK, 10)
    with nothing_changes(database), pytest.raises(StoreError, match=r"\(sale_id\)=\(3\)"):
        load_sales(database, tmp_path, THIS_WEEK, sales, sales.slice(2, 1))


def test_a_file_without_a_column_of_the_contract_is_not_loaded(
    database: str, tmp_path: Path
) -> None:
    lake = load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    contract = replace(SALES, fields=(*SALES.fields, Field("shop", Integer(32), "Which shop")))
    load_sales(database, tmp_path, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 5))
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE vitrina.sale_by_load ADD shop integer NOT NULL DEFAULT 1")
    with (
        postgres(database) as store,
        nothing_changes(database),
        pytest.raises(CorruptFile, match=r"parquet.*shop.*vitrina clean --as-of 2026-11-17"),
    ):
        load.run(lake, store, Batch(WEEK_BEFORE.as_of, shop(contract)))


# Readers

A, B = clean_sales(WEEK_BEFORE, 6_000), clean_sales(THIS_WEEK, 5_000)
C = clean_sales(THIS_WEEK, 4_000)


def in_background(pool: ThreadPoolExecutor, dsn: str, lake: Lake, batch: Batch) -> Any:
    def work() -> None:
        with postgres(dsn) as store:
            load_and_show(lake, store, batch)

    return pool.submit(work)


def test_readers_see_whole_batches_only(database: str, tmp_path: Path) -> None:
    loads = [(WEEK_BEFORE, A), (THIS_WEEK, B), (THIS_WEEK, C), (THIS_WEEK, B)]
    lakes = [
        (clean_lake(tmp_path / str(number), batch, table), batch)
        for number, (batch, table) in enumerate(loads)
    ]
    whole = {
        (table.num_rows, sum(table["sale_amount"].to_pylist()), batch.as_of)
        for batch, table in loads
    }
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    done = threading.Event()

    def read(isolation: psycopg.IsolationLevel, pause: float) -> set[tuple[Any, ...]]:
        seen = set()
        with psycopg.connect(database) as connection:
            connection.isolation_level = isolation
            while not done.is_set():
                with connection.transaction():
                    connection.execute("SELECT 1")  # in REPEATABLE READ the snapshot is from here
                    time.sleep(pause)
                    # Sales and ledger in one statement, twice in one transaction.
                    query = (
                        "SELECT (SELECT count(*) FROM vitrina.sale), "
                        "(SELECT sum(sale_amount) FROM vitrina.sale), "
                        "(SELECT as_of FROM vitrina.batch WHERE is_current)"
                    )
                    once, again = (connection.execute(query).fetchone() for _ in range(2))
                    assert once is not None
                    if isolation is not psycopg.IsolationLevel.READ_COMMITTED:
                        assert once == again
                    seen.add(once)
        return seen

    levels = (
        psycopg.IsolationLevel.READ_COMMITTED,
        psycopg.IsolationLevel.REPEATABLE_READ,
        psycopg.IsolationLevel.SERIALIZABLE,
    )
    pauses = (0.002, 0.1)
    with ThreadPoolExecutor(len(levels) * len(pauses)) as pool:
        readers = [pool.submit(read, *how) for how in itertools.product(levels, pauses)]
        try:
            with postgres(database) as store:
                for lake, batch in lakes:
                    load_and_show(lake, store, batch)
        finally:
            done.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen == whole


def test_a_reader_from_before_who_comes_late_sees_the_batch_of_then(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    monkeypatch.setattr(store_module, "PATIENCE_AFTER", 0.1)
    with psycopg.connect(database) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")
        # Nobody waits for the reader, and what the reader may come to is not dropped.
        load_sales(database, tmp_path, THIS_WEEK, B)
        assert ask(database, COUNT) == [(B.num_rows,)]
        assert len(partitions(database)) == 2
        assert reader.execute(COUNT).fetchone() == (A.num_rows,)
        reader.commit()
        assert reader.execute(COUNT).fetchone() == (B.num_rows,)
    # Left by the publication, dropped by the next load.
    load_sales(database, tmp_path, THIS_WEEK, B)
    assert len(partitions(database)) == 1


def test_the_room_that_batches_take_waits_for_those_who_read_them(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    lake = clean_lake(tmp_path, THIS_WEEK, B)
    with (
        psycopg.connect(database) as early,
        psycopg.connect(database) as late,
        ThreadPoolExecutor() as pool,
    ):
        for reader in (early, late):
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        early.execute("SELECT 1")
        loading = in_background(pool, database, lake, THIS_WEEK)
        wait_until(database, WAITS_FOR_READERS)
        late.execute("SELECT 1")
        early.commit()
        # Nobody waits for the late one, to whom the new batch is shown.
        loading.result(timeout=30)
        assert len(partitions(database)) == 1
        assert late.execute(COUNT).fetchone() == (B.num_rows,)


def test_a_reader_of_another_database_is_not_waited_for(
    database: str, postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    monkeypatch.setattr(session, "_PATIENCE", 0.3)
    with psycopg.connect(postgres_server) as elsewhere:
        elsewhere.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        elsewhere.execute("SELECT 1")
        load_sales(database, tmp_path, THIS_WEEK, B)
    assert ask(database, COUNT) == [(B.num_rows,)]


@pytest.mark.parametrize("first", ["SELECT 1", COUNT])
def test_a_reader_who_never_ends_is_named_by_the_load_after(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: LiteralString
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    monkeypatch.setattr(store_module, "PATIENCE_AFTER", 0.1)
    monkeypatch.setattr(session, "_PATIENCE", 0.3)
    monkeypatch.setattr(housekeeping, "_LOCK_TIMEOUT", "100ms")
    with psycopg.connect(database) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute(first)
        load_sales(database, tmp_path, THIS_WEEK, B)
        with nothing_changes(database), pytest.raises(StoreUnavailable) as raised:
            load_sales(database, tmp_path, THIS_WEEK, C)
        user = reader.info.user
        assert f"pid {reader.info.backend_pid} of {user} since 20" in str(raised.value)
        assert "PostgreSQL shows what it showed before" in str(raised.value)


def test_new_readers_are_let_through_while_a_drop_waits_for_an_old_one(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    monkeypatch.setattr(housekeeping, "_LOCK_TIMEOUT", "300ms")
    monkeypatch.setattr(housekeeping, "_PAUSE", 0.3)
    lake = clean_lake(tmp_path, THIS_WEEK, B)
    with psycopg.connect(database) as old, ThreadPoolExecutor() as pool:
        old.execute(COUNT)  # and keeps its lock
        loading = in_background(pool, database, lake, THIS_WEEK)
        wait_until(database, WAITS_FOR_LOCK)
        began = time.monotonic()
        assert ask(database, COUNT) == [(B.num_rows,)]
        assert time.monotonic() - began < 10
        assert not loading.done()
        old.commit()
        loading.result(timeout=30)
    assert len(partitions(database)) == 1


def test_what_others_built_on_the_table_survives(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    role = sql.Identifier(f"analyst_{time.time_ns()}")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(role))
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA vitrina TO {}").format(role))
        owner.execute(sql.SQL("GRANT SELECT ON vitrina.sale TO {}").format(role))
        owner.execute("COMMENT ON VIEW vitrina.sale IS 'ours'")
        owner.execute("CREATE VIEW amounts AS SELECT sum(sale_amount) AS a FROM vitrina.sale")
        owner.execute("CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM vitrina.sale")
        owner.execute("PREPARE counting AS SELECT count(*) FROM vitrina.sale")
        before = owner.execute("SELECT 'vitrina.sale'::regclass::oid").fetchall()
        load_sales(database, tmp_path, THIS_WEEK, B)
        assert owner.execute("SELECT 'vitrina.sale'::regclass::oid").fetchall() == before
        assert owner.execute("EXECUTE counting").fetchall() == [(B.num_rows,)]
        owner.execute("REFRESH MATERIALIZED VIEW counts")
        assert owner.execute("SELECT * FROM counts").fetchall() == [(B.num_rows,)]
        assert owner.execute("SELECT a FROM amounts").fetchall() == [
            (sum(B["sale_amount"].to_pylist()),)
        ]
        comment = owner.execute("SELECT obj_description('vitrina.sale'::regclass)").fetchall()
        assert comment == [("ours",)]
        owner.execute(sql.SQL("SET ROLE {}").format(role))
        assert owner.execute(COUNT).fetchall() == [(B.num_rows,)]
        owner.execute("RESET ROLE")
        owner.execute(sql.SQL("DROP OWNED BY {}").format(role))
        owner.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_with_no_more_than_the_documented_rights_can_load_and_analyze(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"loader_{time.time_ns()}"
    role = sql.Identifier(name)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        owner.execute("CREATE SCHEMA vitrina")
        owner.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA vitrina TO {}").format(role))
        loader = make_conninfo(database, user=name)
        lake = load_sales(loader, tmp_path, THIS_WEEK, B)
        with postgres(loader) as store:
            attempt = lake.result("clean")["attempt"]
            store.replace_marts(THIS_WEEK, right_marts(THIS_WEEK, B), attempt)
        # Without pg_read_all_stats it cannot tell an idle transaction from a reader's.
        monkeypatch.setattr(session, "_PATIENCE", 0.3)
        monkeypatch.setattr(store_module, "PATIENCE_AFTER", 0.1)
        owner.execute("BEGIN")
        owner.execute("SELECT 1")
        load_sales(loader, tmp_path, THIS_WEEK, B)
        with pytest.raises(StoreUnavailable, match=f"pid {owner.info.backend_pid} of"):
            load_sales(loader, tmp_path, THIS_WEEK, B)
        owner.execute("ROLLBACK")
        owner.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(role))
        owner.execute("BEGIN")
        owner.execute("SELECT 1")
        load_sales(loader, tmp_path, THIS_WEEK, B)
        owner.execute("ROLLBACK")
        owner.execute(sql.SQL("DROP OWNED BY {}").format(role))
        owner.execute(sql.SQL("DROP ROLE {}").format(role))


# Two at once, and killed ones


def test_loads_of_two_batches_go_on_at_the_same_time(database: str, tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=30)

    def share(rows: pa.Table) -> Iterator[pa.RecordBatch]:
        together.wait()
        yield from rows.to_batches()

    def work(batch: Batch, rows: pa.Table) -> None:
        with postgres(database) as store:
            shares = [share(rows)]
            store.replace_sales(batch, ledger_entry(batch.as_of), {}, sums_of(rows), shares)

    with postgres(database) as store, ThreadPoolExecutor() as pool:
        store.create_tables(SALES)
        for loading in [pool.submit(work, WEEK_BEFORE, A), pool.submit(work, THIS_WEEK, B)]:
            loading.result(timeout=60)
        for batch, rows in ((WEEK_BEFORE, A), (THIS_WEEK, B)):
            show(store, batch)
            assert held_sales(database) == rows_of(rows)


def sums_of(rows: pa.Table) -> ControlTotals:
    quantity, amount = sum(rows["quantity"].to_pylist()), sum(rows["sale_amount"].to_pylist())
    return ControlTotals("spark", "sale", rows.num_rows, quantity, amount)


def test_of_two_loads_of_one_batch_the_second_waits_and_says_when_that_is_too_long(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def slow() -> Iterator[pa.RecordBatch]:
        let_go.wait(30)
        yield from B.to_batches()

    def work() -> None:
        with postgres(database) as store:
            store.replace_sales(THIS_WEEK, ledger_entry(THIS_WEEK.as_of), {}, sums_of(B), [slow()])

    load_sales(database, tmp_path, WEEK_BEFORE, A)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(work)
        wait_for(lambda: len(partitions(database)) > 1, pause=0.01)
        with monkeypatch.context() as patch:
            patch.setattr(session, "_PATIENCE", 0.2)
            with pytest.raises(StoreUnavailable, match=r"another load .* pid \d+ of"):
                load_sales(database, tmp_path / "other", THIS_WEEK, C)
        second = in_background(pool, database, clean_lake(tmp_path, THIS_WEEK, C), THIS_WEEK)
        let_go.set()
        first.result(timeout=30)
        second.result(timeout=30)
    assert held_sales(database) == rows_of(C)
    assert len(partitions(database)) == 1


# Loads the batch; its rows come to a halt before the last, as does the copying.
HALF_A_LOAD = """
import sys, datetime, time
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import postgres
from vitrina.steps import load

def slow(share):
    for n, rows in enumerate(share):
        yield rows
        print(n, flush=True)
        if n == 1:
            time.sleep(600)

shares = load.shares
load.shares = lambda *arguments: [slow(share) for share in shares(*arguments)]
batch = Batch(datetime.date(2026, 11, 24))
with postgres(sys.argv[1]) as store:
    load.run(Lake(sys.argv[2], batch.as_of), store, batch)
"""


def test_a_table_that_only_looks_like_a_leftover_stays(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    with psycopg.connect(database) as owner:
        owner.execute("CREATE TABLE vitrina.sale_20261117_1_kept AS SELECT 1 AS a")
        owner.execute("CREATE TABLE vitrina.my_sale_20261117_1 AS SELECT 2 AS a")
    load_sales(database, tmp_path, THIS_WEEK, B)
    assert ask(database, "SELECT a FROM vitrina.sale_20261117_1_kept") == [(1,)]
    assert ask(database, "SELECT a FROM vitrina.my_sale_20261117_1") == [(2,)]


def test_a_load_that_is_killed_leaves_nothing_that_the_next_does_not_remove(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    sales = clean_sales(THIS_WEEK, 300_000)
    lake = clean_lake(tmp_path, THIS_WEEK, sales)
    with subprocess.Popen(
        [sys.executable, "-c", HALF_A_LOAD, database, tmp_path],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as half:
        assert half.stdout is not None
        while half.stdout.readline().strip() != "1":
            assert half.poll() is None
        half.send_signal(signal.SIGKILL)
    assert ask(database, COUNT) == [(A.num_rows,)]
    assert len(partitions(database)) == 2
    with postgres(database) as store:
        load_and_show(lake, store, THIS_WEEK)
    assert len(partitions(database)) == 1
    assert ask(database, COUNT) == [(300_000,)]


def test_a_server_that_goes_away_while_rows_are_copied_is_worth_another_try(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    sales = clean_sales(THIS_WEEK, 100_000)
    lake = clean_lake(tmp_path, THIS_WEEK, sales)

    killed = threading.Event()

    def interrupted(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Either share may be the only one that gets rows.
        for batch in rows:
            yield batch
            if not killed.is_set():
                killed.set()
                with psycopg.connect(database, autocommit=True) as killer:
                    killer.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                time.sleep(0.5)

    shares = [
        interrupted(each) for each in load.shares(lake, lake.dataset("clean", "clean"), THIS_WEEK)
    ]
    none = ControlTotals("spark", "sale", 0, 0, Decimal(0))
    with postgres(database) as store:
        entry = replace(store.ledger()[0], as_of=THIS_WEEK.as_of)
        with pytest.raises(StoreUnavailable):
            store.replace_sales(THIS_WEEK, entry, {}, none, shares)
    with postgres(database) as store:
        load_and_show(lake, store, THIS_WEEK)
    assert len(partitions(database)) == 1
    assert ask(database, COUNT) == [(100_000,)]


MEASURED_LOAD = """
import sys, datetime, resource
from pathlib import Path
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import postgres
from vitrina.steps import load

def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Not ru_maxrss, which Linux hands down from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

batch = Batch(datetime.date(2026, 11, 24))
with postgres(sys.argv[1]) as store:
    before = peak()
    load.run(Lake(sys.argv[2], batch.as_of), store, batch)
    print(peak() - before)
"""


def test_memory_does_not_grow_with_the_batch(database: str, tmp_path: Path) -> None:
    def growth(rows: int) -> int:
        clean_lake(tmp_path / str(rows), THIS_WEEK, clean_sales(THIS_WEEK, rows))
        done = subprocess.run(
            [sys.executable, "-c", MEASURED_LOAD, database, tmp_path / str(rows)],
            env={"PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            check=True,
        )
        return int(done.stdout)

    # The rows that come on top take 29 MB.
    assert growth(850_000) < growth(250_000) + 18_000_000
