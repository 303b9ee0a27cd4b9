"""Loading more sales than are kept in one piece: a partition a month, and all else as before."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from pydantic import SecretStr

from tests.at_once import read_meanwhile
from tests.lakes import clean_lake, clean_sales, right_marts
from tests.ledgers import ledger_entry
from tests.rows import shop
from tests.shown import load_and_show
from vitrina.contract import SALES, Contract
from vitrina.errors import StoreError, StoreUnavailable
from vitrina.pipeline import STEPS, Run
from vitrina.settings import Settings
from vitrina.store import FIRST_DAY, LAST_DAY, Batch
from vitrina.stores.postgres import housekeeping, session
from vitrina.stores.postgres import store as store_module
from vitrina.stores.postgres.ledger import begin
from vitrina.stores.postgres.session import open_session
from vitrina.stores.postgres.staging import create_staging, months
from vitrina.stores.postgres.store import postgres

WEEK_BEFORE = Batch(datetime.date(2026, 11, 17))
THIS_WEEK = Batch(datetime.date(2026, 11, 24))
A = clean_sales(WEEK_BEFORE, 2_000)
B = clean_sales(THIS_WEEK, 3_000)
A_AGAIN = clean_sales(THIS_WEEK, 1_000)
COUNT = "SELECT count(*) FROM vitrina.sale"


def load_sales(
    dsn: str, root: Path, batch: Batch, *tables: pa.Table, monthly_above: int | None = 0
) -> None:
    lake = clean_lake(root, batch, *tables)
    with postgres(dsn) as store:
        load_and_show(lake, store, batch, monthly_above=monthly_above)


def ask(dsn: str, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query, values).fetchall()


def held_sales(dsn: str) -> list[tuple[Any, ...]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, SALES.names))
    query = sql.SQL("SELECT {} FROM vitrina.sale ORDER BY sale_id").format(columns)
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.sort_by("sale_id").to_pylist()]


def pieces(dsn: str) -> dict[str, int]:
    """How many sales each table with rows of its own holds, whether of `sale` or a leftover."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'sale\\_2%' AND relkind = 'r' "
            "ORDER BY relname"
        ).fetchall()
        count = sql.SQL("SELECT count(*) FROM vitrina.{}")
        return {
            name: connection.execute(count.format(sql.Identifier(name))).fetchall()[0][0]
            for (name,) in names
        }


@contextmanager
def nothing_changes(dsn: str) -> Iterator[None]:
    with postgres(dsn) as store:
        before = held_sales(dsn), pieces(dsn), store.ledger()
        yield
        assert (held_sales(dsn), pieces(dsn), store.ledger()) == before


def test_more_sales_than_the_limit_are_kept_by_month(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, THIS_WEEK, B.slice(0, 1_000), B.slice(1_000), monthly_above=2999)
    assert held_sales(database) == rows_of(B)
    of_month = pc.value_counts(pc.strftime(B["sale_date"], "%Y%m")).to_pylist()
    assert {name[-6:]: count for name, count in pieces(database).items()} == {
        month["values"]: month["counts"] for month in of_month
    }
    assert len(of_month) == 13


def test_as_many_sales_as_the_limit_are_kept_in_one_piece(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, THIS_WEEK, B, monthly_above=3_000)
    assert list(pieces(database).values()) == [3_000]


def test_a_setting_says_above_how_many_sales_a_batch_is_kept_by_month(
    database: str, tmp_path: Path
) -> None:
    load = next(step for step in STEPS if step.name == "load")
    for limit, held in [(None, 1), (2_999, 13)]:
        clean_lake(tmp_path, THIS_WEEK, B)
        settings = Settings(
            lake=str(tmp_path), postgres_dsn=SecretStr(database), postgres_monthly_above=limit
        )
        with Run(settings, THIS_WEEK.as_of) as run:
            run.step(load)
        assert len(pieces(database)) == held


@given(
    as_of=st.dates(FIRST_DAY + datetime.timedelta(days=800), LAST_DAY),
    days=st.integers(1, 800),
)
def test_the_months_of_a_batch_cover_its_window_and_no_more(
    as_of: datetime.date, days: int
) -> None:
    batch = Batch(as_of, shop(Contract(SALES.fields, days)))
    found = months(batch)
    assert [following for _, following in found[:-1]] == [month for month, _ in found[1:]]
    assert all(month.day == following.day == 1 for month, following in found)
    assert all(27 < (following - month).days < 32 for month, following in found)
    last_day = as_of - datetime.timedelta(days=1)
    assert found[0][0] <= batch.first_day < found[0][1]
    assert found[-1][0] <= last_day < found[-1][1]


def test_each_month_is_keyed_and_the_planner_reads_only_the_months_it_needs(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, THIS_WEEK, B)
    assert ask(
        database,
        "SELECT count(*), bool_and(indisprimary AND indisvalid), "
        "bool_and(pg_get_indexdef(indexrelid) LIKE '%%(sale_id)') FROM pg_index "
        "JOIN pg_partition_tree('vitrina.sale_by_load') ON relid = indrelid WHERE isleaf",
    ) == [(13, True, True)]
    known = (
        "SELECT n_distinct FROM pg_stats WHERE tablename = 'sale_by_load' AND attname = 'region'"
    )
    assert ask(database, known) == [(len(SALES.regions),)]
    plan = ask(
        database,
        "EXPLAIN SELECT sum(sale_amount) FROM vitrina.sale "
        "WHERE sale_date >= '2026-03-01' AND sale_date < '2026-05-01'",
    )
    scanned = [line for (line,) in plan if "Seq Scan on sale" in line]
    assert len(scanned) == 2
    assert "_202603" in scanned[0]
    assert "_202604" in scanned[1]


def test_grants_views_and_prepared_readers_survive_from_either_form_to_the_other(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A, monthly_above=None)
    with psycopg.connect(database) as owner:
        owner.execute("GRANT USAGE ON SCHEMA vitrina TO pg_monitor")
        owner.execute("GRANT SELECT ON vitrina.sale TO pg_monitor")
        owner.execute("CREATE VIEW receipts AS SELECT sale_amount FROM vitrina.sale")
        owner.execute("CREATE INDEX by_product ON vitrina.sale_by_load (product_id)")
    with psycopg.connect(database, autocommit=True) as reader:

        def total() -> Any:
            query = "SELECT sum(sale_amount), count(*) FROM receipts"
            return reader.execute(query, prepare=True).fetchone()

        for batch, sales, monthly_above in [
            (THIS_WEEK, B, 0),
            (THIS_WEEK, A_AGAIN, 0),
            (THIS_WEEK, B, None),
            (THIS_WEEK, A_AGAIN, 0),
        ]:
            load_sales(database, tmp_path, batch, sales, monthly_above=monthly_above)
            assert total() == (pc.sum(sales["sale_amount"]).as_py(), sales.num_rows)
            assert len(pieces(database)) == (1 if monthly_above is None else 13)
            reader.execute("SET ROLE pg_monitor")
            assert reader.execute(COUNT).fetchone() == (sales.num_rows,)
            reader.execute("RESET ROLE")
            indexed = (
                "SELECT count(*) FROM pg_index JOIN pg_partition_tree('vitrina.by_product') "
                "ON relid = indexrelid WHERE isleaf AND indisvalid"
            )
            assert ask(database, indexed) == [(len(pieces(database)),)]


def test_those_who_read_meanwhile_see_one_batch_whole(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A, monthly_above=None)
    with read_meanwhile(database, COUNT) as seen:
        for limit in (0, 0, None):
            load_sales(database, tmp_path, THIS_WEEK, B, monthly_above=limit)
            load_sales(database, tmp_path, THIS_WEEK, A_AGAIN, monthly_above=limit)
    assert seen == {(A.num_rows,), (B.num_rows,), (A_AGAIN.num_rows,)}


def test_marts_are_compared_with_sales_by_month_as_with_any(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, THIS_WEEK, B)
    with postgres(database) as store:
        [attempt] = [entry.attempt for entry in store.ledger()]
        totals = store.replace_marts(THIS_WEEK, right_marts(THIS_WEEK, B), attempt)
    assert {each.total_sales_amount for each in totals} == {pc.sum(B["sale_amount"]).as_py()}


@pytest.mark.parametrize(
    ("days_later", "complaint"),
    [
        (0, r"Key \(sale_id\)=\(7\) is duplicated"),
        (
            40,
            r"sale_id 7 is sold on 2026-03-07 and again on 2026-04-16, .* it showed before",
        ),
    ],
)
def test_one_id_twice_is_not_loaded_in_one_month_or_in_two(
    database: str, tmp_path: Path, days_later: int, complaint: str
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    [again] = B.filter(pc.field("sale_id") == 8).to_pylist()
    sale = again | {"sale_id": 7, "sale_date": datetime.date(2026, 3, 7)}
    later = sale | {"sale_date": sale["sale_date"] + datetime.timedelta(days=days_later)}
    others = B.filter(pc.field("sale_id") != 7)
    twice = pa.Table.from_pylist([sale, later], B.schema)
    with nothing_changes(database), pytest.raises(StoreError, match=complaint):
        load_sales(database, tmp_path, THIS_WEEK, others, twice)


def test_a_day_outside_the_window_is_not_loaded(database: str, tmp_path: Path) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    with nothing_changes(database), pytest.raises(StoreError, match="no partition of relation"):
        load_sales(
            database, tmp_path, WEEK_BEFORE, clean_sales(Batch(datetime.date(2020, 1, 1)), 9)
        )


def test_the_months_that_a_killed_load_has_left_are_removed_by_the_next(
    database: str, tmp_path: Path
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    with open_session(database, "vitrina") as killed:
        load_id = begin(killed, ledger_entry(THIS_WEEK.as_of))
        create_staging(killed, THIS_WEEK, load_id, monthly=True)
    assert len(pieces(database)) == 26
    load_sales(database, tmp_path, THIS_WEEK, B, monthly_above=None)
    assert list(pieces(database).values()) == [3_000]


def test_a_reader_of_one_month_who_never_ends_is_named(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sales(database, tmp_path, WEEK_BEFORE, A)
    monkeypatch.setattr(store_module, "PATIENCE_AFTER", 0.1)
    monkeypatch.setattr(session, "_PATIENCE", 0.3)
    monkeypatch.setattr(housekeeping, "_LOCK_TIMEOUT", "100ms")
    month = next(iter(pieces(database)))
    with psycopg.connect(database) as reader:
        reader.execute(sql.SQL("SELECT FROM vitrina.{} LIMIT 1").format(sql.Identifier(month)))
        named = f"pid {reader.info.backend_pid} of"
        load_sales(database, tmp_path, THIS_WEEK, A_AGAIN)
        with nothing_changes(database), pytest.raises(StoreUnavailable, match=named):
            load_sales(database, tmp_path, THIS_WEEK, B)
