"""The store on a real server: its tables, marts, ledger and queries, and how it refuses."""

import datetime
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.at_once import create_tables_at_once, read_meanwhile
from tests.databases import new_database
from tests.lakes import clean_lake, clean_sales, right_marts
from tests.shown import load_and_show, show
from tests.values import any_value
from tests.waiting import WAITS_FOR_LOCK, wait_until
from vitrina.columns import arrow_schema
from vitrina.contract import SALES
from vitrina.errors import BatchError, ReconciliationError, StoreError, StoreUnavailable
from vitrina.ledger import ControlTotals
from vitrina.marts import Mart, marts
from vitrina.steps import load
from vitrina.store import Batch
from vitrina.stores.postgres import session
from vitrina.stores.postgres.store import Postgres, postgres

BATCH = Batch(datetime.date(2026, 11, 24))
LATER = Batch(datetime.date(2026, 12, 1))
MARTS = {mart.name: mart for mart in marts(SALES)}
SOLD = clean_sales(BATCH, 3_000)
PASSWORD = "s3cret"  # noqa: S105


@pytest.fixture(scope="module")
def loaded_database(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a database with a batch that readers see, for tests to have copies of."""
    name = f"loaded_{uuid.uuid4().hex}"
    with new_database(postgres_server, name) as dsn:
        with postgres(dsn) as store:
            lake = clean_lake(tmp_path_factory.mktemp("loaded"), BATCH, SOLD)
            load_and_show(lake, store, BATCH)
        yield name


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[str]:
    """The test's own database, with a batch in it if the test wants a `loaded` store."""
    copied = "template1"
    if "loaded" in request.fixturenames:
        copied = request.getfixturevalue("loaded_database")
    with new_database(postgres_server, f"test_{uuid.uuid4().hex}", copied) as dsn:
        yield dsn


@pytest.fixture
def store(database: str) -> Iterator[Postgres]:
    with postgres(database) as store:
        yield store


@pytest.fixture
def loaded(store: Postgres) -> Postgres:
    return store


@pytest.fixture(scope="module")
def right() -> dict[str, pa.Table]:
    """The marts of what was loaded."""
    return right_marts(BATCH, SOLD)


@pytest.fixture(scope="module")
def analyzed(
    postgres_server: str, loaded_database: str, right: dict[str, pa.Table]
) -> Iterator[Postgres]:
    """A store that shows these marts, for tests after which it shows them still."""
    name = f"analyzed_{uuid.uuid4().hex}"
    with new_database(postgres_server, name, loaded_database) as dsn, postgres(dsn) as store:
        store.replace_marts(BATCH, right)
        yield store


def shown(store: Postgres) -> dict[str, pa.Table]:
    return {name: store.read_mart(mart) for name, mart in MARTS.items()}


# Tables


def test_tables_are_created_once_and_then_left_alone(store: Postgres) -> None:
    store.create_tables(SALES)
    query = "SELECT relname, oid FROM pg_class WHERE relnamespace = 'vitrina'::regnamespace"
    before = store.query(query)
    store.create_tables(SALES)
    assert store.query(query) == before
    names = {name for name, _ in before[1]}
    views = {"sale", "batch", "rejects_by_reason", "control_totals", *MARTS}
    assert views | {f"{name}_by_load" for name in views} <= names


def test_columns_say_what_they_hold(store: Postgres) -> None:
    store.create_tables(SALES)
    assert store.query("SELECT col_description('sale'::regclass, 6)") == (
        ("col_description",),
        [("Money received: quantity × the product's price",)],
    )
    undescribed = store.query(
        "SELECT c.relname, a.attname"
        " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'vitrina'::regnamespace AND c.relkind IN ('r', 'p', 'v')"
        " AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL"
    )
    assert undescribed[1] == []


def test_many_may_create_the_tables_at_once(database: str) -> None:
    create_tables_at_once(4, lambda: postgres(database))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            "DROP VIEW sale; ALTER TABLE sale_by_load ALTER sale_amount TYPE numeric(14,3)",
            (
                r"^vitrina.sale_by_load: column sale_amount is numeric\(14,3\) NOT NULL there, and "
                r"the contract needs it numeric\(12,2\) NOT NULL; alter it, or rename it \(ALTER "
                r"TABLE vitrina.sale_by_load RENAME TO …\) and the next load creates it anew$"
            ),
        ),
        (
            "ALTER TABLE sale_by_load DROP region CASCADE",
            "region is absent there, .* needs it text NOT NULL",
        ),
        ("ALTER TABLE sale_by_load ADD shop text", "shop is text there, .* needs it absent"),
        ("ALTER TABLE sale_by_load ALTER region DROP NOT NULL", "region is text there"),
        (
            "ALTER TABLE sales_by_region_by_load DROP share CASCADE",
            "sales_by_region_by_load: column share is absent",
        ),
        (
            "DROP VIEW batch; ALTER TABLE batch_by_load ALTER seed TYPE integer",
            "batch_by_load: column seed is integer there",
        ),
        (
            "DROP TABLE sale_by_load CASCADE; CREATE TABLE sale_by_load (sale_id bigint)",
            "sale_by_load is an ordinary table, and a partitioned table is needed",
        ),
        (
            "DROP VIEW sale; CREATE TABLE sale (sale_id bigint)",
            r"sale is an ordinary table, and a view is needed; rename it \(ALTER TABLE",
        ),
        (
            (
                "DROP TABLE sales_by_region_by_load CASCADE; "
                "CREATE VIEW sales_by_region_by_load AS SELECT 1 AS region"
            ),
            "sales_by_region_by_load is a view, and an ordinary table is needed",
        ),
    ],
)
def test_a_table_of_another_shape_is_not_touched(
    database: str, store: Postgres, change: LiteralString, complaint: str
) -> None:
    store.create_tables(SALES)
    with psycopg.connect(database) as connection:
        connection.execute("SET search_path = vitrina")
        connection.execute(change)
    with pytest.raises(StoreError, match=complaint):
        store.create_tables(SALES)


def test_tables_that_were_renamed_are_created_anew_and_their_view_keeps_its_grants(
    database: str, loaded: Postgres, tmp_path: Path
) -> None:
    with psycopg.connect(database) as owner:
        owner.execute("GRANT SELECT ON vitrina.sale TO pg_monitor")
        owner.execute("GRANT SELECT (region) ON vitrina.sale TO PUBLIC")
        owner.execute("ALTER TABLE vitrina.sale_by_load RENAME TO older_sales")
    load_and_show(clean_lake(tmp_path, LATER, SOLD.slice(9)), loaded, LATER)
    assert loaded.query("SELECT count(*) FROM sale")[1] == [(2_991,)]
    assert loaded.query(
        "SELECT has_table_privilege('pg_monitor', 'sale', 'SELECT'), "
        "has_column_privilege('pg_signal_backend', 'sale', 'region', 'SELECT'), "
        "has_table_privilege('pg_signal_backend', 'sale', 'SELECT')"
    )[1] == [(True, True, False)]


def test_a_view_of_the_users_on_a_view_that_has_to_be_replaced_is_named(
    database: str, loaded: Postgres
) -> None:
    with psycopg.connect(database) as owner:
        owner.execute("CREATE VIEW vitrina.receipts AS SELECT sale_amount FROM vitrina.sale")
        owner.execute("ALTER TABLE vitrina.sale_by_load RENAME TO older_sales")
    with pytest.raises(StoreError, match=r"built on it: view receipts depends on view sale; drop"):
        loaded.create_tables(SALES)
    assert loaded.query("SELECT count(*) FROM receipts")[1] == [(3_000,)]


# Marts


def test_marts_are_read_as_they_were_handed_over(loaded: Postgres) -> None:
    new = right_marts(BATCH, SOLD)
    loaded.replace_marts(BATCH, new)
    for name, mart in MARTS.items():
        read = loaded.read_mart(mart)
        assert read.schema == arrow_schema(mart.columns)
        assert read == new[name].sort_by([(key, "ascending") for key in mart.key])


def test_a_rerun_leaves_identical_marts_and_totals(loaded: Postgres) -> None:
    first = loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    before = shown(loaded), loaded.control_totals(BATCH.as_of)
    assert loaded.replace_marts(BATCH, right_marts(BATCH, SOLD)) == first
    assert (shown(loaded), loaded.control_totals(BATCH.as_of)) == before


def test_the_ledger_has_the_totals_of_every_table(loaded: Postgres) -> None:
    totals = loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    amount = sum(SOLD["sale_amount"].to_pylist())
    quantity = sum(SOLD["quantity"].to_pylist())
    assert totals == [
        ControlTotals("postgresql", "sale", 3_000, quantity, amount),
        ControlTotals("postgresql", "sales_by_region_product", 3_000, quantity, amount),
        ControlTotals("postgresql", "sales_by_region", 3_000, quantity, amount),
        ControlTotals("postgresql", "sales_by_product", 3_000, quantity, amount),
        ControlTotals("postgresql", "sales_by_day", 3_000, None, amount),
    ]
    recorded = loaded.control_totals(BATCH.as_of)
    assert set(recorded) == {*totals, ControlTotals("spark", "sale", 3_000, quantity, amount)}
    assert [(each.table, each.engine) for each in recorded] == sorted(
        (each.table, each.engine) for each in recorded
    )
    current = loaded.current_batch()
    assert current is not None
    assert current.analyzed_at is not None
    assert current.analyzed_at > current.loaded_at


def test_the_planner_knows_the_marts(database: str, loaded: Postgres) -> None:
    loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    known = "SELECT DISTINCT tablename FROM pg_stats WHERE tablename = ANY(ARRAY{}) ORDER BY 1"
    tables = [f"{name}_by_load" for name in sorted(MARTS)]
    assert loaded.query(known.format(tables))[1] == [(name,) for name in tables]


def changed(table: pa.Table, row: int, measure: str, by: Any) -> pa.Table:
    rows = table.to_pylist()
    rows[row][measure] += by
    return pa.Table.from_pylist(rows, table.schema)


@contextmanager
def nothing_changes(store: Postgres) -> Iterator[None]:
    before = shown(store), store.ledger(), store.control_totals(BATCH.as_of)
    yield
    assert (shown(store), store.ledger(), store.control_totals(BATCH.as_of)) == before


@pytest.mark.parametrize(
    ("name", "measure"),
    [(name, measure) for name, mart in MARTS.items() for measure in mart.recomputed],
)
def test_a_figure_that_differs_from_sql_keeps_the_old_marts(
    analyzed: Postgres, right: dict[str, pa.Table], name: str, measure: str
) -> None:
    by = Decimal("0.01") if measure == "total_sales_amount" else 1
    wrong = {**right, name: changed(right[name], 2, measure, by)}
    row = right[name].to_pylist()[2]
    with nothing_changes(analyzed), pytest.raises(ReconciliationError) as raised:
        analyzed.replace_marts(BATCH, wrong)
    error = raised.value
    assert (error.mart, error.measure) == (name, measure)
    assert (error.expected, error.actual) == (row[measure], row[measure] + by)
    where = ", ".join(f"{key} {row[key]}" for key in MARTS[name].key)
    assert str(error) == (
        f"{name}.{measure} for {where} does not reconcile: SQL over sale has {error.expected}, "
        f"the mart has {error.actual}; PostgreSQL shows the marts that it showed before; "
        f"run: vitrina load --as-of {BATCH.as_of}"
    )


def test_errors_that_cancel_out_are_found(analyzed: Postgres, right: dict[str, pa.Table]) -> None:
    swapped = changed(right["sales_by_region"], 0, "total_sales_amount", 5)
    swapped = changed(swapped, 1, "total_sales_amount", -5)
    regions = [row["region"] for row in swapped.to_pylist()[:2]]
    # Of rows that differ the first is named.
    first = f"sales_by_region.total_sales_amount for region {min(regions)} "
    with nothing_changes(analyzed), pytest.raises(ReconciliationError, match=first):
        analyzed.replace_marts(BATCH, {**right, "sales_by_region": swapped})


def test_a_row_too_few_or_too_many_is_found(analyzed: Postgres, right: dict[str, pa.Table]) -> None:
    by_day = right["sales_by_day"].sort_by([("sale_date", "ascending"), ("region", "ascending")])
    with (
        nothing_changes(analyzed),
        pytest.raises(ReconciliationError, match=r"sale_date 2025-11-24.*the mart has no such row"),
    ):
        analyzed.replace_marts(BATCH, {**right, "sales_by_day": by_day.slice(1)})
    elsewhere = replace_value(by_day.slice(0, 1), "region", "Atlantis")
    more = pa.concat_tables([by_day, elsewhere])
    with (
        nothing_changes(analyzed),
        pytest.raises(ReconciliationError, match=r"Atlantis.*SQL over sale has no such row"),
    ):
        analyzed.replace_marts(BATCH, {**right, "sales_by_day": more})
    twice = pa.concat_tables([by_day, by_day.slice(0, 1)])
    with (
        nothing_changes(analyzed),
        pytest.raises(StoreError, match=r"duplicate key .*sales_by_day"),
    ):
        analyzed.replace_marts(BATCH, {**right, "sales_by_day": twice})


def test_a_row_of_zeros_is_a_day_without_sales(loaded: Postgres) -> None:
    right = right_marts(BATCH, SOLD)
    zeros = right["sales_by_day"].slice(0, 1)
    for name, nothing in {
        "region": "Nowhere",
        **dict.fromkeys(MARTS["sales_by_day"].recomputed, 0),
    }.items():
        zeros = replace_value(zeros, name, nothing)
    dense = pa.concat_tables([right["sales_by_day"], zeros])
    loaded.replace_marts(BATCH, {**right, "sales_by_day": dense})
    assert loaded.read_mart(MARTS["sales_by_day"]).num_rows == dense.num_rows


def replace_value(table: pa.Table, name: str, value: Any) -> pa.Table:
    rows = [{**row, name: value} for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, table.schema)


def test_marts_of_a_batch_that_is_not_loaded_are_refused(store: Postgres, tmp_path: Path) -> None:
    store.create_tables(SALES)
    refused = "no sales of batch 2026-12-01; run: vitrina load --as-of 2026-12-01"
    with pytest.raises(BatchError, match=refused):
        store.replace_marts(LATER, right_marts(BATCH, SOLD))
    load.run(clean_lake(tmp_path, BATCH, SOLD), store, BATCH)
    with pytest.raises(BatchError, match=refused):
        store.replace_marts(LATER, right_marts(BATCH, SOLD))


def test_marts_keep_their_grants_and_views_and_readers_see_all_or_none(
    database: str, loaded: Postgres, tmp_path: Path
) -> None:
    loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    with psycopg.connect(database) as connection:
        connection.execute("GRANT SELECT ON vitrina.sales_by_day TO public")
        connection.execute("CREATE VIEW days AS SELECT * FROM vitrina.sales_by_day")
    fewer, fewest = clean_sales(LATER, 1_000), clean_sales(LATER, 500)
    query = (
        "SELECT (SELECT sum(total_sales) FROM vitrina.sales_by_region), "
        "(SELECT sum(total_sales) FROM days)"
    )
    with read_meanwhile(database, query, pause=0.01) as seen:
        for batch, sales in [(LATER, fewer), (BATCH, SOLD), (LATER, fewest)]:
            load.run(clean_lake(tmp_path, batch, sales), loaded, batch)
            loaded.replace_marts(batch, right_marts(batch, sales))
            show(loaded, batch)
    assert seen == {(3_000, 3_000), (1_000, 1_000), (500, 500)}
    granted = loaded.query("SELECT has_table_privilege('pg_monitor', 'sales_by_day', 'SELECT')")
    assert granted[1] == [(True,)]


def test_what_was_published_is_known_until_a_new_load_is_published(
    loaded: Postgres, tmp_path: Path
) -> None:
    published = ControlTotals("clickhouse", "sales_by_region", 1, 1, Decimal(1))
    loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    [first] = loaded.ledger()
    loaded.show_published(BATCH, first.load_id, [published])
    [entry] = loaded.ledger()
    assert entry.is_published
    assert published in loaded.control_totals(BATCH.as_of)

    loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    [entry] = loaded.ledger()
    assert not entry.is_published
    assert published not in loaded.control_totals(BATCH.as_of)

    load.run(clean_lake(tmp_path, BATCH, SOLD), loaded, BATCH)
    assert loaded.ledger() == [entry]
    again = loaded.newest_load(BATCH.as_of)
    assert again is not None
    assert (again.analyzed_at, again.published_at) == (None, None)
    of_again = loaded.control_totals(BATCH.as_of, again.load_id)
    assert {each.table for each in of_again} == {"sale"}
    assert len(loaded.control_totals(BATCH.as_of)) > 2
    show(loaded, BATCH)
    assert loaded.control_totals(BATCH.as_of) == of_again


def test_marts_wait_for_a_load_that_is_under_way(
    database: str, loaded: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PATIENCE", 0.2)
    with (
        nothing_changes(loaded),
        session.open_session(database, "vitrina") as other,
        other.at_work_on(BATCH.as_of, "nothing is left"),
        postgres(database) as store,
        pytest.raises(StoreUnavailable, match=f"pid {other.connection.info.backend_pid} of"),
    ):
        store.replace_marts(BATCH, right_marts(BATCH, SOLD))


def test_all_marts_are_compared_with_one_moment_of_the_sales(
    database: str, loaded: Postgres
) -> None:
    with psycopg.connect(database) as other, ThreadPoolExecutor() as pool:
        other.execute("LOCK TABLE vitrina.sales_by_day_by_load")
        replacing = pool.submit(loaded.replace_marts, BATCH, right_marts(BATCH, SOLD))
        wait_until(database, WAITS_FOR_LOCK)
        other.execute("DELETE FROM vitrina.sale WHERE sale_id < 100")
        other.commit()
        assert replacing.result(timeout=30)[0].total_sales == 3_000


def test_no_default_of_the_server_changes_what_is_read(database: str, tmp_path: Path) -> None:
    defaults = {"DateStyle": "German, DMY", "TimeZone": "Asia/Tokyo", "search_path": "public"}
    with psycopg.connect(database, autocommit=True) as owner:
        for name, value in defaults.items():
            query = "ALTER DATABASE {} SET {} = {}"
            names = map(sql.Identifier, (owner.info.dbname, name))
            owner.execute(sql.SQL(query).format(*names, value))
    right = right_marts(BATCH, SOLD)
    with postgres(database) as store:
        load.run(clean_lake(tmp_path, BATCH, SOLD), store, BATCH)
        store.replace_marts(BATCH, right)
        show(store, BATCH)
        by_day = MARTS["sales_by_day"]
        order = [(key, "ascending") for key in by_day.key]
        assert store.read_mart(by_day) == right[by_day.name].sort_by(order)
        [entry] = store.ledger()
        assert entry.loaded_at.utcoffset() == datetime.timedelta()


def test_one_batch_only_is_current(database: str, loaded: Postgres, tmp_path: Path) -> None:
    load.run(clean_lake(tmp_path, LATER, SOLD), loaded, LATER)
    with psycopg.connect(database) as owner, pytest.raises(psycopg.errors.ExclusionViolation):
        owner.execute("UPDATE vitrina.batch_by_load SET is_current = true")


def test_totals_are_replaced_when_they_are_recorded_again(loaded: Postgres) -> None:
    for count in (1, 2):
        totals = ControlTotals("clickhouse", "sales_by_day", count, None, Decimal(count))
        [entry] = loaded.ledger()
        loaded.show_published(BATCH, entry.load_id, [totals])
        of_clickhouse = [
            each for each in loaded.control_totals(BATCH.as_of) if each.engine == "clickhouse"
        ]
        assert of_clickhouse == [totals]


def test_a_load_that_another_has_replaced_is_not_shown(loaded: Postgres) -> None:
    with pytest.raises(BatchError, match=r"2026-12-01 was loaded again .* run: vitrina analyze"):
        loaded.show_published(LATER, 999, [])


def rows_without_sales(mart: Mart) -> st.SearchStrategy[pa.Table]:
    """Rows that no sale speaks against: zeros in the totals, anything elsewhere."""
    schema = arrow_schema(mart.columns)
    row = st.fixed_dictionaries(
        {
            column.name: st.just(0)
            if column.name in mart.recomputed
            else any_value(column.type, nullable=column.nullable)
            for column in mart.columns
        }
    )
    rows = st.lists(row, max_size=25, unique_by=lambda row: tuple(row[key] for key in mart.key))
    return rows.map(lambda rows: pa.Table.from_pylist(rows, schema))


@pytest.fixture
def loaded_nothing(store: Postgres, tmp_path: Path) -> Postgres:
    load_and_show(clean_lake(tmp_path, BATCH), store, BATCH)
    return store


# An example replaces every mart, so a few with many rows go a long way.
@settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(new=st.fixed_dictionaries({name: rows_without_sales(mart) for name, mart in MARTS.items()}))
def test_every_value_of_a_mart_is_read_as_it_was_written(
    loaded_nothing: Postgres, new: dict[str, pa.Table]
) -> None:
    loaded_nothing.replace_marts(BATCH, new)
    for name, mart in MARTS.items():
        # The order of texts is PostgreSQL's, by their bytes, which is also Arrow's.
        order = [(key, "ascending") for key in mart.key]
        assert loaded_nothing.read_mart(mart) == new[name].sort_by(order)


# Queries


def test_before_the_first_load_the_ledger_is_empty(store: Postgres) -> None:
    assert store.ledger() == []
    assert store.current_batch() is None
    assert store.rejects(BATCH.as_of) == {}
    assert store.control_totals(BATCH.as_of) == []


def test_a_query_gives_names_and_rows(loaded: Postgres) -> None:
    assert loaded.query("SELECT count(*) AS sales, '100%' AS share FROM sale;") == (
        ("sales", "share"),
        [(3_000, "100%")],
    )
    assert loaded.query("SELECT 1 WHERE false")[1] == []
    assert loaded.query("VALUES (current_setting('transaction_read_only'))")[1] == [("on",)]


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (
            "DELETE FROM sale",
            'at or near "DELETE"; a query begins with SELECT, WITH, VALUES, TABLE',
        ),
        ("WITH gone AS (DELETE FROM sale) SELECT 1", "must not contain data-modifying"),
        ("SELECT 1 AS a INTO b", "INTO is not allowed here"),
        ("SELECT * FROM sale FOR UPDATE", "FOR UPDATE in a read-only transaction"),
        ("SELECT set_config('transaction_read_only', 'off', true)", "must be set before any query"),
        ("SELECT 1; DELETE FROM sale", "cannot insert multiple commands"),
        ("COMMIT; DELETE FROM sale", "a query begins with SELECT"),
        ("COPY (SELECT 1) TO STDOUT", 'at or near "COPY"; a query begins with SELECT'),
        ("COPY (SELECT 1) TO PROGRAM 'cat'", 'at or near "COPY"; a query begins with SELECT'),
        ("DO 'BEGIN END'", "a query begins with SELECT"),
        ("LOCK TABLE sale", "a query begins with SELECT"),
        ("", "a query begins with SELECT"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT * FROM nothing", 'relation "nothing" does not exist'),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_in_one_line(
    loaded: Postgres, statement: str, complaint: str
) -> None:
    with pytest.raises(StoreError, match=complaint) as raised:
        loaded.query(statement)
    assert "\n" not in str(raised.value)
    assert loaded.query("SELECT count(*) FROM sale")[1] == [(3_000,)]


def test_a_query_is_answered_block_by_block(store: Postgres) -> None:
    with store.ask("SELECT * FROM generate_series(1, 12000)") as answer:
        assert [len(block) for block in answer.blocks] == [5_000, 5_000, 2_000]
    # One that is not read to its end is closed.
    with store.ask("SELECT * FROM generate_series(1, 12000)") as answer:
        next(answer.blocks)
    assert store.query("SELECT 1 WHERE false") == (("?column?",), [])


def test_a_query_has_a_time_limit_in_all(store: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.stores.postgres.query.SECONDS", 0.3)
    unset = "set_config('statement_timeout', '0', true)"
    slow = f"SELECT {unset}, pg_sleep({{}}) FROM generate_series(1, {{}})"
    # Once at the beginning, and once in a later block.
    for seconds, rows in ((5, 1), (0.00004, 100_000)):
        with pytest.raises(StoreError, match=r"took PostgreSQL more than 0\.3 s and was stopped"):
            store.query(slow.format(seconds, rows))
    # How long its reader takes does not count.
    with store.ask("SELECT * FROM generate_series(1, 6000)") as answer:
        next(answer.blocks)
        time.sleep(0.4)
        assert len(next(answer.blocks)) == 1_000


def test_the_queries_of_the_documentation_are_answered(loaded: Postgres) -> None:
    loaded.replace_marts(BATCH, right_marts(BATCH, SOLD))
    page = Path(__file__).parents[1] / "docs" / "postgresql.md"
    blocks = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    current, disagreements, kept = [block for block in blocks if block.startswith("SELECT")]
    [(as_of, loaded_at, analyzed_at, published_at)] = loaded.query(current)[1]
    assert as_of == BATCH.as_of
    assert loaded_at < published_at < analyzed_at
    assert loaded.query(disagreements)[1] == []
    assert {day for day, *_ in loaded.query(kept)[1]} == {BATCH.as_of}
    [entry] = loaded.ledger()
    wrong = ControlTotals("clickhouse", "sales_by_region", 1, None, Decimal(1))
    loaded.show_published(BATCH, entry.load_id, [wrong])
    assert loaded.query(disagreements)[1] == [(BATCH.as_of, "sales_by_region")]


def test_the_roles_of_the_documentation_can_load_and_read(database: str, tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "postgresql.md"
    [roles] = re.findall(
        r"```sql\n(CREATE SCHEMA.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )
    loader, reader = (f"{name}_{time.time_ns()}" for name in ("loader", "reader"))
    roles = re.sub(r"\bloader\b", loader, re.sub(r"\breader\b", reader, roles))
    before, after = roles.split("-- after the first load\n")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(before.encode())
        set_password(owner, loader)
        with postgres(make_conninfo(database, user=loader, password=PASSWORD)) as store:
            load.run(clean_lake(tmp_path, BATCH, SOLD), store, BATCH)
            owner.execute(after.encode())
            load.run(clean_lake(tmp_path, LATER, SOLD), store, LATER)
            store.replace_marts(LATER, right_marts(BATCH, SOLD))
            show(store, LATER)
        owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader)))
        for table in ("sale", "batch", "sales_by_day"):
            count = owner.execute(
                sql.SQL("SELECT count(*) > 0 FROM vitrina.{}").format(sql.Identifier(table))
            )
            assert count.fetchone() == (True,)
        owner.execute("RESET ROLE")
        for name in (loader, reader):
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def set_password(owner: psycopg.Connection[Any], role: str) -> None:
    """Give a role the password that some servers want."""
    query = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), PASSWORD)
    owner.execute(query)


# Refusals


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://vitrina:s3cret@127.0.0.1:1/vitrina",
        "host=127.0.0.1 port=1 user=vitrina password=s3cret",
        "postgresql://vitrina:s3cret@no-such-host.invalid/vitrina",
        "postgresql://vitrina:100%25s3cret@127.0.0.1:1/vitrina",
    ],
)
def test_a_server_that_does_not_answer_is_worth_another_try(dsn: str) -> None:
    with pytest.raises(StoreUnavailable) as raised, postgres(dsn):
        pass
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://vitrina:s3cret/x@127.0.0.1:1/vitrina",
        "postgresql://vitrina:s3cret%@127.0.0.1:1/vitrina",
        "postgresql://vitrina:s3cret@host?sslmod=s3cret",
        "password=s3cret host",
    ],
)
def test_an_address_that_cannot_be_read_is_not_shown(dsn: str) -> None:
    with pytest.raises(StoreError, match="looks like postgresql://") as raised, postgres(dsn):
        pass
    assert "s3cret" not in str(raised.value)
    assert not raised.value.transient


def test_a_role_that_is_not_let_in_is_refused(database: str) -> None:
    dsn = make_conninfo(database, user="nobody_at_all", password=PASSWORD)
    with (
        pytest.raises(
            StoreUnavailable,
            # What a server says that wants a password, too.
            match=r'role "nobody_at_all" does not exist|failed for user "nobody_at_all"',
        ) as raised,
        postgres(dsn),
    ):
        pass
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("kind", ["password", "sslpassword"])
def test_a_password_is_cut_out_of_what_the_server_says(database: str, kind: str) -> None:
    secret = str(conninfo_to_dict(database).get(kind, PASSWORD))
    with (
        postgres(make_conninfo(database, **{kind: secret})) as store,
        pytest.raises(StoreError, match=r'relation "\*\*\*" does not exist') as raised,
    ):
        store.query(f'SELECT * FROM "{secret}"')
    assert secret not in str(raised.value)


def test_an_error_says_at_which_server_it_was(database: str, store: Postgres) -> None:
    address = conninfo_to_dict(database)
    # A socket's folder is a place by itself.
    place = str(address["host"])
    if not place.startswith("/"):
        place += f":{address['port']}"
    with pytest.raises(StoreError, match=f"^PostgreSQL at {place}: division by zero$"):
        store.query("SELECT 1 / 0")
    with (
        pytest.raises(StoreUnavailable, match=r"^PostgreSQL at 127\.0\.0\.1:1: "),
        postgres("postgresql://127.0.0.1:1/vitrina"),
    ):
        pass


@pytest.mark.parametrize("rights", [(), ("USAGE ON SCHEMA vitrina",)])
def test_a_role_without_rights_is_refused(
    database: str, loaded: Postgres, rights: Sequence[LiteralString]
) -> None:
    name = f"guest_{time.time_ns()}"
    role = sql.Identifier(name)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        set_password(owner, name)
        for right in rights:
            owner.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
        with postgres(make_conninfo(database, user=name, password=PASSWORD)) as guest:
            attempts: list[Callable[[], object]] = [
                lambda: guest.read_mart(MARTS["sales_by_region"]),
                lambda: guest.query("SELECT * FROM vitrina.sale"),
                lambda: guest.replace_marts(BATCH, right_marts(BATCH, SOLD)),
                guest.ledger,
                lambda: guest.rejects(BATCH.as_of),
                lambda: guest.control_totals(BATCH.as_of),
            ]
            for attempt in attempts:
                # Who may not look into the schema finds nothing by a name without it.
                with pytest.raises(StoreError, match=r"permission denied|does not exist") as raised:
                    attempt()
                assert not raised.value.transient
        owner.execute(sql.SQL("DROP OWNED BY {}").format(role))
        owner.execute(sql.SQL("DROP ROLE {}").format(role))


def test_whatever_is_asked_of_a_server_that_is_gone_is_worth_another_try(
    database: str, tmp_path: Path
) -> None:
    new = right_marts(BATCH, SOLD)
    lake = clean_lake(tmp_path, BATCH, SOLD)
    attempts: dict[str, Callable[[Postgres], object]] = {
        "create_tables": lambda store: store.create_tables(SALES),
        "load": lambda store: load.run(lake, store, BATCH),
        "replace_marts": lambda store: store.replace_marts(BATCH, new),
        "read_mart": lambda store: store.read_mart(MARTS["sales_by_day"]),
        "current_batch": lambda store: store.current_batch(),
        "ledger": lambda store: store.ledger(),
        "rejects": lambda store: store.rejects(BATCH.as_of),
        "control_totals": lambda store: store.control_totals(BATCH.as_of),
        "newest_load": lambda store: store.newest_load(BATCH.as_of),
        "show_published": lambda store: store.show_published(BATCH, 1, []),
        "show": lambda store: store.show(BATCH.as_of),
        "query": lambda store: store.query("SELECT 1"),
    }
    for attempt in attempts.values():
        with postgres(database) as store:
            with psycopg.connect(database, autocommit=True) as killer:
                killer.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    attempt(store)


def test_a_stricter_limit_of_the_user_holds(database: str) -> None:
    dsn = make_conninfo(database, options="-c statement_timeout=200ms")
    with postgres(dsn) as store, pytest.raises(StoreError, match=r"more than 0\.2 s"):
        store.query("SELECT pg_sleep(5)")


def test_a_lock_that_is_not_let_go_is_worth_another_try(
    database: str, loaded: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session._SETTINGS, "lock_timeout", "100ms")  # noqa: SLF001
    with psycopg.connect(database) as other, postgres(database) as store:
        other.execute("LOCK TABLE vitrina.sales_by_day_by_load")
        with pytest.raises(StoreUnavailable, match="lock timeout: another session holds"):
            store.replace_marts(BATCH, right_marts(BATCH, SOLD))
    assert loaded.current_batch() is not None


def test_the_server_knows_who_we_are(database: str) -> None:
    with postgres(database) as store:
        assert store.query("SELECT current_setting('application_name')")[1] == [("vitrina",)]
    assert "application_name" not in conninfo_to_dict(database)
