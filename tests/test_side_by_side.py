"""Batches side by side in PostgreSQL: runs that meet, and what their readers see."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from psycopg import IsolationLevel

from tests.lakes import clean_sales, right_marts
from tests.ledgers import ledger_entry
from tests.shown import show
from vitrina.contract import SALES
from vitrina.errors import BatchError
from vitrina.ledger import ControlTotals
from vitrina.marts import marts
from vitrina.store import Batch
from vitrina.stores.postgres.store import Postgres, postgres

OLDER = [Batch(date(2026, 11, day)) for day in (3, 10)]
WEEK_BEFORE, THIS_WEEK = Batch(date(2026, 11, 17)), Batch(date(2026, 11, 24))
NEXT_WEEK = Batch(date(2026, 12, 1))
TABLES = ("sale", *(mart.name for mart in marts(SALES)))
LOOKS_A_SECOND = 200


def run(store: Postgres, batch: Batch, sales: pa.Table) -> None:
    """Take a batch through the steps that leave something in PostgreSQL."""
    quantity, amount = pc.sum(sales["quantity"]).as_py(), pc.sum(sales["sale_amount"]).as_py()
    totals = ControlTotals("spark", "sale", sales.num_rows, quantity, amount)
    entry = ledger_entry(batch.as_of, clean=sales.num_rows, total_sales_amount=amount)
    store.replace_sales(batch, entry, {}, totals, [sales.to_batches()])
    store.replace_marts(batch, right_marts(batch, sales))
    show(store, batch)


def kept(store: Postgres) -> list[tuple[int, bool]]:
    """The day of each batch that is kept, and whether it is shown."""
    return [(each.as_of.day, each.is_current) for each in store.ledger() if each.is_kept]


def partitions(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        query = "SELECT count(*) FROM pg_class WHERE relname LIKE 'sale\\_2%' AND relkind = 'r'"
        [(count,)] = connection.execute(query).fetchall()
        return int(count)


class Look(NamedTuple):
    """What one look sees: the batch of the ledger, and the sales of each table."""

    load_id: int
    as_of: date
    clean: int
    total_sales: tuple[int, ...]


_QUERIES = (
    "SELECT count(*) FROM sale",
    *(f"SELECT sum(total_sales) FROM {table}" for table in TABLES[1:]),
    "SELECT load_id FROM batch WHERE is_current",
    "SELECT as_of FROM batch WHERE is_current",
    "SELECT clean FROM batch WHERE is_current",
)


def look(connection: psycopg.Connection[Any], *, in_one_statement: bool) -> Look:
    if in_one_statement:
        query = ", ".join(f"({each})" for each in _QUERIES)
        [found] = connection.execute(f"SELECT {query}".encode()).fetchall()
    else:
        connection.execute("SELECT 1")  # the snapshot is from here
        found = []
        for each in _QUERIES:
            time.sleep(0.002)
            found.append(connection.execute(each.encode()).fetchall()[0][0])
    *total_sales, load_id, as_of, clean = found
    return Look(load_id, as_of, clean, tuple(total_sales))


@contextmanager
def readers(dsn: str) -> Iterator[dict[IsolationLevel, list[Look]]]:
    """Look again and again until the block ends, in every level of isolation.

    Gives what was seen, in order, once the block has ended.
    """
    done = threading.Event()

    def read(isolation: IsolationLevel) -> list[Look]:
        looks = []
        with psycopg.connect(dsn) as connection:
            connection.execute("SET search_path = vitrina")
            connection.commit()
            connection.isolation_level = isolation
            while not done.is_set():
                due = time.monotonic() + 1 / LOOKS_A_SECOND
                with connection.transaction():
                    single = isolation is IsolationLevel.READ_COMMITTED
                    looks.append(look(connection, in_one_statement=single))
                time.sleep(max(0, due - time.monotonic()))
        return looks

    levels = [
        IsolationLevel.READ_COMMITTED,
        IsolationLevel.REPEATABLE_READ,
        IsolationLevel.SERIALIZABLE,
    ]
    seen: dict[IsolationLevel, list[Look]] = {}
    with ThreadPoolExecutor(len(levels)) as pool:
        reading = {level: pool.submit(read, level) for level in levels}
        try:
            yield seen
        finally:
            done.set()
        seen.update({level: looks.result() for level, looks in reading.items()})


def test_runs_that_meet_show_one_whole_batch_and_never_an_older_one(database: str) -> None:
    with postgres(database) as store:
        store.create_tables(SALES)
        run(store, WEEK_BEFORE, clean_sales(WEEK_BEFORE, 290))
    scheduled = [(THIS_WEEK, 300)]
    backfill = [(batch, 310 + number) for number, batch in enumerate(OLDER * 2)]
    by_command = [(WEEK_BEFORE, 320), (THIS_WEEK, 330), (WEEK_BEFORE, 340)]
    together = threading.Barrier(3)

    def work(batches: list[tuple[Batch, int]]) -> None:
        with postgres(database) as store:
            together.wait(30)
            for batch, count in batches:
                run(store, batch, clean_sales(batch, count))

    with readers(database) as seen, ThreadPoolExecutor(3) as pool:
        for working in [pool.submit(work, each) for each in (scheduled, backfill, by_command)]:
            working.result(timeout=120)
    for looks in seen.values():
        assert len(looks) > 20
        # Each look shows one batch, in the ledger, the sales and every mart.
        assert {each.total_sales for each in looks} == {
            (each.clean,) * len(TABLES) for each in looks
        }
        shown = [each.as_of for each in looks]
        assert shown == sorted(shown)
        assert {WEEK_BEFORE.as_of, THIS_WEEK.as_of} == set(shown)
    with postgres(database) as store:
        assert kept(store) == [(24, True)]
        assert [(each.as_of.day, each.clean) for each in store.ledger()][1:] == [
            (17, 340),
            (10, 313),
            (3, 312),
        ]
    assert partitions(database) == 1


@pytest.mark.parametrize("keep", [1, 2])
def test_as_many_batches_are_kept_as_the_setting_says(database: str, keep: int) -> None:
    with postgres(database, keep=keep) as store:
        store.create_tables(SALES)
        for batch in (WEEK_BEFORE, THIS_WEEK, OLDER[0], NEXT_WEEK):
            run(store, batch, clean_sales(batch, 20))
        assert kept(store) == [(1, True), (24, False)][:keep]
        assert partitions(database) == keep
        assert [each.as_of.day for each in store.ledger()] == [1, 24, 17, 3]
        # The marts of the others are gone, too.
        marts_of = "SELECT count(DISTINCT load_id) FROM sales_by_day_by_load"
        assert store.query(marts_of)[1] == [(keep,)]


def test_an_older_batch_is_shown_when_that_is_asked_for_until_a_newer_one_is_published(
    database: str,
) -> None:
    with postgres(database, keep=2) as store:
        store.create_tables(SALES)
        for number, batch in enumerate((WEEK_BEFORE, THIS_WEEK)):
            run(store, batch, clean_sales(batch, 20 + number))
        store.show(WEEK_BEFORE.as_of)
        assert kept(store) == [(24, False), (17, True)]
        assert store.query("SELECT count(*) FROM sale")[1] == [(20,)]
        assert store.read_mart(marts(SALES)[0]).num_rows > 0
        # A backfill of a batch older than the newest leaves what was asked for.
        run(store, OLDER[0], clean_sales(OLDER[0], 5))
        assert store.query("SELECT count(*) FROM sale")[1] == [(20,)]
        with pytest.raises(
            BatchError,
            match=r"^batch 2026-11-03 is not among .* to be shown: 2026-11-24, 2026-11-17; set "
            "VITRINA_POSTGRES_KEEP to keep more",
        ):
            store.show(OLDER[0].as_of)
        run(store, NEXT_WEEK, clean_sales(NEXT_WEEK, 7))
        assert kept(store) == [(1, True), (24, False)]


def test_a_batch_that_is_not_published_is_not_shown(database: str) -> None:
    sales = clean_sales(THIS_WEEK, 9)
    totals = ControlTotals(
        "spark",
        "sale",
        9,
        pc.sum(sales["quantity"]).as_py(),
        pc.sum(sales["sale_amount"]).as_py(),
    )
    with postgres(database) as store:
        with pytest.raises(BatchError, match=r"no batch has been loaded yet; run: vitrina run"):
            store.show(THIS_WEEK.as_of)
        store.create_tables(SALES)
        store.replace_sales(
            THIS_WEEK, ledger_entry(THIS_WEEK.as_of), {}, totals, [sales.to_batches()]
        )
        with pytest.raises(BatchError, match=r"batch 2026-11-24 is not among .*: none yet;"):
            store.show(THIS_WEEK.as_of)


def test_what_was_loaded_and_not_published_for_a_week_is_dropped(database: str) -> None:
    with postgres(database) as store:
        store.create_tables(SALES)
        for batch in (WEEK_BEFORE, THIS_WEEK):
            sales = clean_sales(batch, 9)
            run(store, batch, sales)
            again = ledger_entry(batch.as_of)
            totals = store.control_totals(batch.as_of)[1]
            store.replace_sales(batch, again, {}, totals, [sales.to_batches()])
        # That of an earlier batch was not shown any more, and the second load of it waits.
        assert partitions(database) == 3
        with psycopg.connect(database) as owner:
            owner.execute(
                "UPDATE vitrina.batch_by_load SET loaded_at = loaded_at - interval '8 days'"
            )
        run(store, NEXT_WEEK, clean_sales(NEXT_WEEK, 9))
        assert kept(store) == [(1, True)]
        assert partitions(database) == 1
        assert [each.as_of.day for each in store.ledger()] == [1, 24, 17]
