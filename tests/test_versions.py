"""Tables of an older version: upgraded with their data, by the steps or by `vitrina migrate`."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.at_once import create_tables_at_once
from tests.databases import new_database
from tests.lakes import analyze_lake, clean_lake, clean_sales, right_marts
from tests.ledgers import ledger_entry
from tests.mart_rows import BY_REGION, mart_table
from tests.shown import show
from vitrina import ledger
from vitrina.columns import Amount, Column, Integer, Label, Numeric
from vitrina.contract import SALES, Contract
from vitrina.errors import StoreError
from vitrina.ledger import ControlTotals, LedgerEntry, LedgerTable
from vitrina.steps import load, publish
from vitrina.store import Batch
from vitrina.stores import versions
from vitrina.stores.clickhouse.session import Session as ClickHouseSession
from vitrina.stores.clickhouse.session import open_session
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.clickhouse.versions import upgrade as clickhouse_upgrade
from vitrina.stores.postgres.session import Session as PostgresSession
from vitrina.stores.postgres.store import Postgres, postgres

VERSION_1 = Path(__file__).parent / "version_1"
LAST_WEEK, THIS_WEEK = Batch(date(2026, 11, 17)), Batch(date(2026, 11, 24))
AT = datetime(2026, 11, 24, 9, 48, tzinfo=UTC)
NEWEST = versions.newest()
PASSWORD = "s3cret"  # noqa: S105


def in_version_1(dsn: str) -> None:
    """Make the tables of 0.1.0 in PostgreSQL."""
    with psycopg.connect(dsn) as connection:
        connection.execute((VERSION_1 / "postgres.sql").read_bytes())


def imports_in_version_1(dsn: str) -> None:
    """Make the tables of 0.1.0 in ClickHouse."""
    text = (VERSION_1 / "clickhouse.sql").read_text("utf-8")
    with open_session(dsn) as session:
        for statement in text.partition("\n")[2].split(";\n"):
            if statement:
                session.command(statement)


@pytest.fixture
def old(database: str) -> str:
    in_version_1(database)
    return database


@pytest.fixture
def old_imports(clickhouse_dsn: str) -> str:
    imports_in_version_1(clickhouse_dsn)
    return clickhouse_dsn


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        connection.execute("SET search_path = vitrina")
        return connection.execute(query.encode()).fetchall()


def tables_of(dsn: str) -> list[tuple[Any, ...]]:
    """Every column and every constraint, by table and name."""
    return rows(
        dsn,
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || "
        "CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END FROM pg_attribute AS a "
        "JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p', 'i', 'v') "
        "AND a.attnum > 0 AND NOT a.attisdropped AND c.relname !~ '^sale_2' "
        "AND c.relnamespace = 'vitrina'::regnamespace "
        "UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = 'vitrina'::regnamespace "
        "AND conrelid::regclass::text !~ '^sale_2' ORDER BY 1, 2, 3",
    )


CONTENTS = (
    "SELECT * FROM sale ORDER BY 1",
    "SELECT {of_region} FROM sales_by_region ORDER BY 1",
    "SELECT {of_batch}, analyzed_at, published_at, is_current FROM batch ORDER BY as_of",
    "SELECT * FROM {rejects} ORDER BY 1, 2",
    "SELECT as_of, {of_totals} FROM {totals} ORDER BY 1, 2, 3",
)
# As they were in version 1.
_OF_REGION = "region, total_sales, total_quantity, total_sales_amount, average_sale_amount, share, \
sales_rank"
_OF_BATCH = "source, seed, rows_in, clean, rejected, repaired, collapsed, total_sales_amount, \
started_at, loaded_at"
_OF_TOTALS = "engine, table_name, total_sales, total_quantity, total_sales_amount"


def contents(dsn: str, rejects: str, totals: str) -> list[list[tuple[Any, ...]]]:
    names = {
        "rejects": rejects,
        "totals": totals,
        "of_region": _OF_REGION,
        "of_totals": _OF_TOTALS,
        "of_batch": _OF_BATCH,
    }
    return [rows(dsn, query.format(**names)) for query in CONTENTS]


# From 0.1.0


def test_postgresqls_tables_keep_their_data_and_take_the_next_batch(
    old: str, tmp_path: Path
) -> None:
    before = contents(old, "batch_reject", "control_total")
    with postgres(old) as store:
        assert store.version() == 1
        store.create_tables(SALES)
        assert store.version() == NEWEST
        assert contents(old, "rejects_by_reason", "control_totals") == before
        returns = "SELECT total_returns, total_returns_amount, net_amount FROM {} ORDER BY 3 DESC"
        sold = [(0, Decimal(0), Decimal("19.98")), (0, Decimal(0), Decimal("9.99"))]
        assert rows(old, returns.format("sales_by_region")) == sold
        current = store.current_batch()
        assert current is not None
        assert (current.as_of, current.source) == (LAST_WEEK.as_of, "orders.csv")
        assert store.rejects(LAST_WEEK.as_of) == {"quantity_missing": 2, "region_unknown": 1}
        assert len(store.control_totals(LAST_WEEK.as_of)) == 3

        sold = clean_sales(THIS_WEEK, 100)
        load.run(clean_lake(tmp_path, THIS_WEEK, sold), store, THIS_WEEK)
        store.replace_marts(THIS_WEEK, right_marts(THIS_WEEK, sold))
        assert contents(old, "rejects_by_reason", "control_totals")[:2] == before[:2]
        show(store, THIS_WEEK)
        assert rows(old, "SELECT count(*) FROM sale") == [(100,)]
        assert rows(old, "SELECT sum(total_sales) FROM sales_by_day") == [(100,)]
        assert [entry.as_of.day for entry in store.ledger()] == [24, 17, 10]
        assert len(store.control_totals(LAST_WEEK.as_of)) == 3


def test_postgresqls_upgraded_tables_are_those_that_would_be_created(
    old: str, postgres_server: str
) -> None:
    name = f"{psycopg.conninfo.conninfo_to_dict(old)['dbname']}_new"
    with new_database(postgres_server, name) as new:
        for dsn in (old, new):
            with postgres(dsn) as store:
                store.create_tables(SALES)
        assert tables_of(old) == tables_of(new)


def test_who_could_read_a_table_can_read_the_view_that_takes_its_place(old: str) -> None:
    with psycopg.connect(old) as owner:
        owner.execute("GRANT SELECT ON vitrina.sale TO pg_monitor WITH GRANT OPTION")
        owner.execute("GRANT SELECT (region) ON vitrina.sales_by_region TO PUBLIC")
        owner.execute("GRANT UPDATE ON vitrina.batch TO pg_monitor")
    with postgres(old) as store:
        store.create_tables(SALES)
    for suffix in ("", "_by_load"):
        assert rows(
            old,
            f"SELECT has_table_privilege('pg_monitor', 'sale{suffix}', 'SELECT WITH GRANT OPTION'),"
            f" has_column_privilege('pg_signal_backend', 'sales_by_region{suffix}', 'region', "
            f"'SELECT'), has_table_privilege('pg_monitor', 'batch{suffix}', 'UPDATE'), "
            f"has_table_privilege('pg_signal_backend', 'sale{suffix}', 'SELECT')",
        ) == [(True, True, True, False)]


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE VIEW receipts AS SELECT sale_amount FROM sale", "view receipts"),
        (
            "CREATE MATERIALIZED VIEW days AS SELECT * FROM sales_by_day",
            "materialized view days",
        ),
        ("CREATE POLICY own ON batch USING (true)", "policy own on table batch"),
        ("CREATE INDEX by_product ON sale (product_id)", "index by_product"),
        (
            (
                "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
                "CREATE TRIGGER note AFTER INSERT ON sale FOR EACH ROW EXECUTE FUNCTION noted()"
            ),
            "trigger note on table sale",
        ),
    ],
)
def test_what_a_user_has_built_on_a_table_is_named_and_nothing_changes(
    old: str, made: LiteralString, named: str
) -> None:
    with psycopg.connect(old) as owner:
        owner.execute("SET search_path = vitrina")
        owner.execute(made)
    before = tables_of(old)
    with postgres(old) as store, pytest.raises(StoreError) as raised:
        store.create_tables(SALES)
    assert f"are to become views: {named}; note how" in str(raised.value)
    assert "run: vitrina migrate" in str(raised.value)
    assert tables_of(old) == before


def test_a_batch_of_0_1_0_that_was_not_analyzed_waits_to_be(old: str, tmp_path: Path) -> None:
    with psycopg.connect(old) as owner:
        owner.execute("UPDATE vitrina.batch SET analyzed_at = NULL, published_at = NULL")
    with postgres(old) as store:
        store.create_tables(SALES)
        assert store.current_batch() is None
        seen = "SELECT (SELECT count(*) FROM sale), (SELECT count(*) FROM sales_by_region)"
        assert rows(old, seen) == [(0, 0)]
        entry = store.newest_load(LAST_WEEK.as_of)
        assert entry is not None
        assert (entry.clean, entry.is_kept) == (2, True)
        assert rows(old, "SELECT count(*) FROM sale_by_load") == [(2,)]


def test_a_load_upgrades_the_tables_by_itself(old: str, tmp_path: Path) -> None:
    with postgres(old) as store:
        load.run(clean_lake(tmp_path, THIS_WEEK, clean_sales(THIS_WEEK, 10)), store, THIS_WEEK)
        assert store.version() == NEWEST
        assert len(store.rejects(LAST_WEEK.as_of)) == 2


def test_clickhouses_tables_keep_their_data_and_take_the_next_import(old_imports: str) -> None:
    columns = dict.fromkeys(ledger.NAMES, "*") | {
        "sales_by_region": _OF_REGION,
        "control_totals": _OF_TOTALS,
        "batch": _OF_BATCH,
    }
    queries = [
        f"SELECT {names} FROM {table} WHERE import_date = '2026-11-17' ORDER BY ALL"
        for table, names in columns.items()
    ]
    with clickhouse(old_imports) as store:
        before = [store.query(query) for query in queries]
        assert all(rows for _, rows in before)
        assert store.version() == 1
        store.create_tables(SALES)
        assert store.version() == NEWEST
        assert [store.query(query) for query in queries] == before
        enter_import(store)
        assert [store.query(query) for query in queries] == before
        returns = "SELECT import_date, total_returns, total_returns_amount, net_amount \
FROM sales_by_region ORDER BY ALL"
        assert store.query(returns)[1] == [
            (LAST_WEEK.as_of, 0, Decimal(0), Decimal("9.99")),
            (LAST_WEEK.as_of, 0, Decimal(0), Decimal("19.98")),
            (THIS_WEEK.as_of, 3, Decimal("7.25"), Decimal("23.25")),
        ]
        assert [day for day, _ in store.imports()] == [LAST_WEEK.as_of, THIS_WEEK.as_of]


def enter_import(store: ClickHouse) -> None:
    store.stage(BY_REGION, THIS_WEEK.as_of, AT, mart_table(BY_REGION, {}))
    store.replace_import(BY_REGION, THIS_WEEK.as_of)
    totals = [ControlTotals("spark", "sale", 2, 5, Decimal("30.50"))]
    store.record_batch(ledger_entry(THIS_WEEK.as_of), AT, totals, {"region_unknown": 1})


def test_a_batch_is_published_from_older_tables_to_older_tables(
    old: str, old_imports: str, tmp_path: Path
) -> None:
    sold = clean_sales(THIS_WEEK, 100)
    lake = clean_lake(tmp_path, THIS_WEEK, sold)
    with postgres(old) as source, clickhouse(old_imports) as target:
        load.run(lake, source, THIS_WEEK)
        new = right_marts(THIS_WEEK, sold)
        source.replace_marts(THIS_WEEK, new)
        analyze_lake(lake, new)
        publish.run(lake, source, target, THIS_WEEK)
        assert [day for day, _ in target.imports()] == [LAST_WEEK.as_of, THIS_WEEK.as_of]


def test_every_version_is_noted_with_what_changed(old: str) -> None:
    with postgres(old) as store:
        store.create_tables(SALES)
        store.create_tables(SALES)
    assert rows(old, "SELECT version, description FROM schema_version ORDER BY 1") == [
        (1, "The tables of Vitrina 0.1.0"),
        *[(number, change.description) for number, change in versions.pending(1)],
    ]


def test_new_tables_have_the_newest_version(database: str, clickhouse_dsn: str) -> None:
    with postgres(database) as store, clickhouse(clickhouse_dsn) as target:
        for each in (store, target):
            assert each.version() is None
            each.create_tables(SALES)
            each.create_tables(SALES)
            assert each.version() == NEWEST
        noted = target.query("SELECT version, description FROM schema_version")[1]
    assert rows(database, "SELECT version, description FROM schema_version") == noted
    assert noted == [(NEWEST, "Created")]


def test_batches_of_0_1_0_had_no_rows_set_aside_or_superseded(old: str, old_imports: str) -> None:
    with postgres(old) as store, clickhouse(old_imports) as target:
        store.create_tables(SALES)
        target.create_tables(SALES)
        entries = [(entry.rows_in, entry.set_aside, entry.superseded) for entry in store.ledger()]
        found = target.query("SELECT rows_in, set_aside, superseded FROM batch")[1]
    assert entries == [(rows_in, 0, 0) for rows_in, _, _ in entries] != []
    assert found == [(rows_in, 0, 0) for rows_in, _, _ in found] != []


def test_tables_of_version_2_learn_the_new_fates_and_take_them(
    old: str, old_imports: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Up to version 2 first, as the Vitrina before left them.
    with monkeypatch.context() as before:
        before.setattr(versions, "CHANGES", versions.CHANGES[:1])
        with postgres(old) as store, clickhouse(old_imports) as target:
            store._upgrade(SALES)  # noqa: SLF001
            clickhouse_upgrade(target._session, 1, SALES)  # noqa: SLF001
            assert (store.version(), target.version()) == (2, 2)
    told = ledger_entry(THIS_WEEK.as_of, rows_in=15, set_aside=3, superseded=2)
    none = ControlTotals("spark", "sale", 0, 0, Decimal(0))
    with postgres(old) as store, clickhouse(old_imports) as target:
        store.create_tables(SALES)
        store.replace_sales(THIS_WEEK, told, {}, none, [[]])
        target.create_tables(SALES)
        target.record_batch(told, AT, [], {})
        newest = store.ledger()[0]
        found = target.query("SELECT set_aside, superseded FROM batch ORDER BY import_date")[1]
    assert (newest.set_aside, newest.superseded) == (3, 2)
    assert found[-1] == (3, 2)
    assert set(found[:-1]) == {(0, 0)}


# What cannot be upgraded


def test_a_user_who_does_not_own_the_tables_is_told_the_command(old: str) -> None:
    name = f"guest_{threading.get_native_id()}_{datetime.now(UTC):%H%M%S%f}"
    guest = sql.Identifier(name)
    with psycopg.connect(old, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(guest, PASSWORD))
        try:
            owner.execute(sql.SQL("GRANT ALL ON SCHEMA vitrina TO {}").format(guest))
            owner.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA vitrina TO {}").format(guest))
            before = tables_of(old)
            with postgres(make_conninfo(old, user=name, password=PASSWORD)) as store:
                attempts: list[Callable[[], object]] = [
                    lambda: store.create_tables(SALES),
                    store.ledger,
                    lambda: store.rejects(LAST_WEEK.as_of),
                    lambda: store.control_totals(LAST_WEEK.as_of),
                ]
                for attempt in attempts:
                    with pytest.raises(
                        StoreError,
                        match=r"^PostgreSQL: the tables have version 1, and this Vitrina needs "
                        rf"version {NEWEST}; run: vitrina migrate, as the user who owns them",
                    ) as raised:
                        attempt()
                    assert not raised.value.transient
            assert tables_of(old) == before
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(guest))
            owner.execute(sql.SQL("DROP ROLE {}").format(guest))


def test_tables_of_a_newer_vitrina_are_refused(database: str, clickhouse_dsn: str) -> None:
    text = (
        f"the tables have version {NEWEST + 1}, and this Vitrina knows version {NEWEST}; "
        "install the newer Vitrina that made them"
    )
    with postgres(database) as source:
        source.create_tables(SALES)
        with psycopg.connect(database) as newer:
            newer.execute(
                "INSERT INTO vitrina.schema_version VALUES (%s, 'More', now())", [NEWEST + 1]
            )
        attempts: list[Callable[[], object]] = [
            lambda: source.create_tables(SALES),
            source.version,
            source.ledger,
        ]
        for attempt in attempts:
            with pytest.raises(StoreError, match=f"^PostgreSQL: {text}$"):
                attempt()
    with clickhouse(clickhouse_dsn) as target:
        target.create_tables(SALES)
        with open_session(clickhouse_dsn) as session:
            session.command(f"INSERT INTO schema_version VALUES ({NEWEST + 1}, 'More', now())")
        with pytest.raises(StoreError, match=f"^ClickHouse: {text}$"):
            target.create_tables(SALES)


# At once, and interrupted


def test_many_may_upgrade_postgresql_at_once(old: str) -> None:
    create_tables_at_once(4, lambda: postgres(old))
    assert rows(old, "SELECT count(*), max(version) FROM schema_version") == [(NEWEST, NEWEST)]


class Interrupted(Exception):
    """The process is killed here."""


def counted(left: Iterator[int], function: Any) -> Any:
    """The function, which does its work while there are numbers left, and then no more."""

    def call(*arguments: Any, **values: Any) -> Any:
        if next(left, None) is None:
            raise Interrupted
        return function(*arguments, **values)

    return call


def test_an_interrupted_upgrade_of_postgresql_leaves_all_as_it_was(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables_of(old)
    for calls in range(100):
        with postgres(old) as store, monkeypatch.context() as patch:
            execute = counted(iter(range(calls)), PostgresSession.execute)
            patch.setattr(PostgresSession, "execute", execute)
            try:
                store._upgrade(SALES)  # noqa: SLF001
            except Interrupted:
                pass
            else:
                break
        assert tables_of(old) == before
    assert calls > 10
    with postgres(old) as store:
        store.create_tables(SALES)
        assert store.version() == NEWEST


# A new column


SHOP = Column("shop", Label(), "Whose sales they are", nullable=True)
TILLS = Column("tills", Integer(64), "Tills that were open")


@dataclass(frozen=True)
class Entry(LedgerEntry):
    shop: str | None = None
    tills: int = 0


@pytest.fixture
def two_columns_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer does who adds two columns to the ledger: declare them, and a change."""
    before = ledger.tables

    def more(contract: Contract) -> tuple[LedgerTable, ...]:
        batch, *others = before(contract)
        return (replace(batch, columns=(*batch.columns, SHOP, TILLS)), *others)

    added = (versions.Add("batch", SHOP), versions.Add("batch", TILLS))
    change = versions.Change("The ledger knows the shop", postgres=added, clickhouse=added)
    monkeypatch.setattr(versions, "CHANGES", (*versions.CHANGES, change))
    monkeypatch.setattr(ledger, "tables", more)
    # Fields of an entry are read when the modules are.
    monkeypatch.setattr("vitrina.ledger._OF_BATCH", more(SALES)[0].names)
    names = tuple(field.name for field in fields(Entry))
    monkeypatch.setattr("vitrina.stores.postgres.ledger.ENTRY", names)


def entry(as_of: date, **more: Any) -> Entry:
    return Entry(**vars(ledger_entry(as_of)) | more)


def load_entry(store: Postgres, batch: Batch, **more: Any) -> None:
    totals = ControlTotals("spark", "sale", 0, 0, Decimal(0))
    store.create_tables(SALES)
    store.replace_sales(batch, entry(batch.as_of, **more), {}, totals, [[]])


ADDED = "SELECT as_of::text, shop, tills FROM batch ORDER BY 1"


def test_a_new_column_comes_to_tables_of_0_1_0(old: str, two_columns_more: None) -> None:
    with postgres(old) as store:
        load_entry(store, THIS_WEEK, shop="Own", tills=3)
        assert store.version() == NEWEST + 1
    assert rows(old, ADDED) == [
        ("2026-11-10", None, 0),
        ("2026-11-17", None, 0),
        ("2026-11-24", "Own", 3),
    ]


def test_a_new_column_comes_to_the_tables_of_today(
    database: str, clickhouse_dsn: str, request: pytest.FixtureRequest
) -> None:
    with postgres(database) as store, clickhouse(clickhouse_dsn) as target:
        store.create_tables(SALES)
        store.replace_sales(
            LAST_WEEK,
            ledger_entry(LAST_WEEK.as_of),
            {},
            ControlTotals("spark", "sale", 0, 0, Decimal(0)),
            [[]],
        )
        target.create_tables(SALES)
        target.record_batch(ledger_entry(LAST_WEEK.as_of), AT, [], {})
        request.getfixturevalue("two_columns_more")
        with pytest.raises(StoreError, match="run: vitrina migrate"):
            store.ledger()
        load_entry(store, THIS_WEEK, shop="Own", tills=3)
        target.create_tables(SALES)
        target.record_batch(entry(THIS_WEEK.as_of, shop="Own", tills=3), AT, [], {})
        assert target.version() == store.version() == NEWEST + 1
        expected = [("2026-11-17", None, 0), ("2026-11-24", "Own", 3)]
        assert rows(database, ADDED) == expected
        assert (
            target.query(
                "SELECT toString(import_date), shop, tills FROM batch ORDER BY import_date"
            )[1]
            == expected
        )
    described = rows(
        database,
        "SELECT col_description('batch'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'batch'::regclass AND attname IN ('shop', 'tills') ORDER BY 1",
    )
    assert described == [(TILLS.description,), (SHOP.description,)]
    required = rows(
        database,
        "SELECT attnotnull, atthasdef FROM pg_attribute "
        "WHERE attrelid = 'batch_by_load'::regclass AND attname = 'tills'",
    )
    assert required == [(True, False)]


def test_a_new_column_is_in_new_tables_from_the_start(
    database: str, clickhouse_dsn: str, two_columns_more: None
) -> None:
    with postgres(database) as store, clickhouse(clickhouse_dsn) as target:
        load_entry(store, THIS_WEEK, shop="Own", tills=3)
        target.create_tables(SALES)
        target.record_batch(entry(THIS_WEEK.as_of, shop="Own", tills=3), AT, [], {})
        assert target.query("SELECT shop, tills FROM batch")[1] == [("Own", 3)]
    assert rows(database, ADDED) == [("2026-11-24", "Own", 3)]


def upgrade(dsn: str, calls: int) -> tuple[bool, int | None]:
    """Upgrade ClickHouse until so many statements have changed something.

    Tells whether any were left, and the version that is noted.
    """
    with clickhouse(dsn) as store:
        left, interrupted = iter(range(calls)), False
        with pytest.MonkeyPatch.context() as patch:
            for name in ("command", "insert"):
                function = counted(left, getattr(ClickHouseSession, name))
                patch.setattr(ClickHouseSession, name, function)
            try:
                store.create_tables(SALES)
            except Interrupted:
                interrupted = True
        return interrupted, store.version()


def assert_is_upgraded(dsn: str) -> None:
    with clickhouse(dsn) as store:
        assert store.version() == NEWEST + 1
        assert store.query("SELECT import_date, shop, tills FROM batch")[1] == [
            (LAST_WEEK.as_of, None, 0)
        ]


def test_an_interrupted_upgrade_of_clickhouse_is_finished_by_the_next(
    clickhouse_dsn: str, two_columns_more: None
) -> None:
    imports_in_version_1(clickhouse_dsn)
    # Interrupted after every statement: each attempt makes again what was made since the last
    # version that was noted, and one statement more.
    points, calls = 0, 0
    version: int | None = 1
    # Each attempt has a session of its own; this one keeps the engine open between them.
    with open_session(clickhouse_dsn):
        while (attempt := upgrade(clickhouse_dsn, calls))[0]:
            points += 1
            before, version = version, attempt[1]
            calls = calls + 1 if version == before else 1
    assert points > 20
    assert_is_upgraded(clickhouse_dsn)

    # Interrupted once, in the middle.
    with open_session(clickhouse_dsn) as session:
        for (table,) in session.rows("SHOW TABLES"):
            session.command("DROP TABLE {table:Identifier}", table=table)
    imports_in_version_1(clickhouse_dsn)
    assert upgrade(clickhouse_dsn, points // 2)[0]
    assert not upgrade(clickhouse_dsn, 1_000)[0]
    assert_is_upgraded(clickhouse_dsn)


def test_many_may_upgrade_clickhouse_at_once(old_imports: str, two_columns_more: None) -> None:
    create_tables_at_once(3, lambda: clickhouse(old_imports))
    with clickhouse(old_imports) as store:
        assert store.version() == NEWEST + 1
        store.record_batch(entry(THIS_WEEK.as_of), AT, [], {})
        assert len(store.imports()) == 2


def test_a_user_who_may_not_change_clickhouses_tables_is_told_the_command(
    old_imports: str, two_columns_more: None
) -> None:
    with clickhouse(old_imports) as store:
        store._session.client.set_client_setting("readonly", 1)  # noqa: SLF001
        with pytest.raises(
            StoreError,
            match=r"^ClickHouse: the tables have version 1, and this Vitrina needs version "
            rf"{NEWEST + 1}; run: vitrina migrate, as the user who owns them \(.*READONLY",
        ) as raised:
            store.create_tables(SALES)
        assert not raised.value.transient
    with clickhouse(old_imports) as store:
        assert store.version() == 1
        store.create_tables(SALES)
        assert store.version() == NEWEST + 1


def test_changes_are_pending_until_their_version_is_reached() -> None:
    for version in range(1, NEWEST + 1):
        found = [number for number, _ in versions.pending(version)]
        assert found == [*range(version + 1, NEWEST + 1)]


def test_a_column_without_nulls_has_to_be_a_number() -> None:
    for change in versions.CHANGES:
        for part in (*change.postgres, *change.clickhouse):
            if isinstance(part, versions.Add) and not part.column.nullable:
                assert isinstance(part.column.type, Integer | Amount | Numeric)


def test_the_ledgers_columns_are_the_fields_of_an_entry() -> None:
    batch = ledger.tables(SALES)[0]
    columns = (ledger.AS_OF, *batch.columns, *batch.of_postgres)
    assert [column.name for column in columns] == [field.name for field in fields(LedgerEntry)]
    for table in ledger.tables(SALES):
        totals = [ControlTotals("spark", "sale", 1, 1, Decimal(1))]
        [row] = ledger.rows(ledger_entry(), {"region_unknown": 1}, totals)[table.name]
        assert tuple(row) == table.names
        assert {*table.key} <= {*table.names}
