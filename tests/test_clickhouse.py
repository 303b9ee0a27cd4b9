"""The ClickHouse store, on the embedded engine: the same statements as on a server."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledgers import ledger_entry
from tests.mart_rows import BY_DAY, BY_PRODUCT, BY_REGION, mart_table
from vitrina.columns import Numeric, clickhouse_type
from vitrina.contract import SALES, Contract
from vitrina.errors import SettingsError, StoreError, StoreUnavailable
from vitrina.ledger import ControlTotals
from vitrina.marts import Mart, marts
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.session import open_session
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse, control_totals

AS_OF = date(2026, 11, 24)
WEEK_BEFORE = AS_OF - timedelta(days=7)
AT = datetime(2026, 11, 24, 9, 45, 1, 250000, tzinfo=UTC)
TABLES = ["batch", "control_totals", "rejects_by_reason", *(mart.name for mart in marts(SALES))]


@pytest.fixture
def store(clickhouse_store: ClickHouse) -> ClickHouse:
    clickhouse_store.create_tables(SALES)
    return clickhouse_store


def publish(
    store: ClickHouse, mart: Mart, rows: pa.Table, day: date = AS_OF, at: datetime = AT
) -> None:
    store.stage(mart, day, at, rows)
    store.replace_import(mart, day)


def contents(store: ClickHouse, mart: Mart, day: date = AS_OF) -> list[tuple[Any, ...]]:
    columns, keys = ", ".join(mart.names), ", ".join(mart.key)
    return store.query(
        f"SELECT {columns} FROM {mart.name} WHERE import_date = '{day}' ORDER BY {keys}"
    )[1]


# Tables


def test_columns_have_the_declared_types(store: ClickHouse) -> None:
    for mart in marts(SALES):
        _, rows = store.query(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase()"
            f" AND table = '{mart.name}' ORDER BY position"
        )
        assert rows == [
            ("import_date", "Date32"),
            ("imported_at", "DateTime64(3, 'UTC')"),
            *((column.name, clickhouse_type(column)) for column in mart.columns),
        ]


def test_every_table_is_partitioned_by_import_date(store: ClickHouse) -> None:
    _, rows = store.query(
        "SELECT name, engine, partition_key, sorting_key FROM system.tables"
        " WHERE database = currentDatabase() AND name <> 'schema_version' ORDER BY name"
    )
    assert sorted(row[0] for row in rows) == sorted(TABLES)
    assert {row[1:3] for row in rows} == {("MergeTree", "import_date")}
    keys = {row[0]: row[3] for row in rows}
    assert keys["sales_by_day"] == "import_date, sale_date, region"
    assert keys["control_totals"] == "import_date, table_name, engine"


def test_creating_tables_again_leaves_them_as_they_are(store: ClickHouse) -> None:
    publish(store, BY_REGION, mart_table(BY_REGION, {}))
    store.create_tables(SALES)
    assert len(contents(store, BY_REGION)) == 1


def test_a_table_made_for_another_contract_is_refused(store: ClickHouse) -> None:
    fields = tuple(
        replace(field, type=Numeric(14, 3)) if field.name == "sale_amount" else field
        for field in SALES.fields
    )
    with pytest.raises(
        StoreError,
        match=r"sales_by_region_product\.total_sales_amount is Decimal\(22, 2\), "
        r"expected Decimal\(24, 3\); rename or drop sales_by_region_product",
    ):
        store.create_tables(Contract(fields))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP COLUMN share", r"sales_by_region\.share is missing, expected Decimal\(7, 6\)"),
        ("ADD COLUMN more Int8", r"sales_by_region\.more is Int8, expected no such column"),
    ],
)
def test_a_column_too_few_or_too_many_is_named(
    clickhouse_dsn: str, change: str, message: str
) -> None:
    with clickhouse(clickhouse_dsn) as store:
        store.create_tables(SALES)
    statements(clickhouse_dsn, f"ALTER TABLE sales_by_region {change}")
    with clickhouse(clickhouse_dsn) as store, pytest.raises(StoreError, match=message):
        store.create_tables(SALES)


def test_a_table_with_other_partitions_is_refused(clickhouse_dsn: str) -> None:
    with clickhouse(clickhouse_dsn) as store:
        store.create_tables(SALES)
    statements(
        clickhouse_dsn,
        "CREATE TABLE monthly AS batch ENGINE = MergeTree"
        " PARTITION BY toYYYYMM(import_date) ORDER BY import_date",
        "DROP TABLE batch",
        "RENAME TABLE monthly TO batch",
    )
    with (
        clickhouse(clickhouse_dsn) as store,
        pytest.raises(StoreError, match=r"batch is partitioned by toYYYYMM\(import_date\)"),
    ):
        store.create_tables(SALES)


def statements(dsn: str, *sql: str) -> None:
    """What only another hand would do to the tables."""
    with open_session(dsn) as session:
        for statement in sql:
            session.command(statement)


# Imports


def test_an_import_shows_the_rows_with_its_date_and_time(store: ClickHouse) -> None:
    rows = mart_table(BY_DAY, {}, {"region": "West", "moving_average_7_days": Decimal("4.36")})
    publish(store, BY_DAY, rows)
    assert contents(store, BY_DAY) == [tuple(row.values()) for row in rows.to_pylist()]
    assert store.query("SELECT DISTINCT import_date, imported_at FROM sales_by_day")[1] == [
        (AS_OF, AT)
    ]


def test_staged_rows_are_not_seen_until_they_are_swapped_in(store: ClickHouse) -> None:
    publish(store, BY_REGION, mart_table(BY_REGION, {}))
    store.stage(BY_REGION, AS_OF, AT, mart_table(BY_REGION, {"region": "West"}))
    assert [row[0] for row in contents(store, BY_REGION)] == ["North"]
    store.replace_import(BY_REGION, AS_OF)
    assert [row[0] for row in contents(store, BY_REGION)] == ["West"]


def test_a_rerun_replaces_its_own_import_and_no_other(store: ClickHouse) -> None:
    before = mart_table(BY_PRODUCT, {"product_id": 1}, {"product_id": 2})
    publish(store, BY_PRODUCT, before, day=WEEK_BEFORE)
    for _ in range(3):
        publish(store, BY_PRODUCT, mart_table(BY_PRODUCT, {"product_id": 5}))
    assert [row[0] for row in contents(store, BY_PRODUCT)] == [5]
    assert [row[0] for row in contents(store, BY_PRODUCT, WEEK_BEFORE)] == [1, 2]


def test_an_empty_mart_leaves_no_row_of_last_time(store: ClickHouse) -> None:
    publish(store, BY_PRODUCT, mart_table(BY_PRODUCT, {}), day=WEEK_BEFORE)
    publish(store, BY_PRODUCT, mart_table(BY_PRODUCT, {}))
    publish(store, BY_PRODUCT, mart_table(BY_PRODUCT))
    assert contents(store, BY_PRODUCT) == []
    assert len(contents(store, BY_PRODUCT, WEEK_BEFORE)) == 1


def test_what_a_killed_run_staged_is_forgotten(store: ClickHouse) -> None:
    store.stage(BY_PRODUCT, AS_OF, AT, mart_table(BY_PRODUCT, {"product_id": 1}))
    publish(store, BY_PRODUCT, mart_table(BY_PRODUCT, {"product_id": 2}))
    assert [row[0] for row in contents(store, BY_PRODUCT)] == [2]
    assert "staging" not in str(store.query("SHOW TABLES")[1])


@pytest.mark.parametrize(
    "day", [date(1931, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(2149, 6, 7)]
)
def test_dates_are_kept_where_the_shorter_date_type_would_wrap(
    store: ClickHouse, day: date
) -> None:
    publish(store, BY_DAY, mart_table(BY_DAY, {"sale_date": day}), day=day)
    assert [row[0] for row in contents(store, BY_DAY, day)] == [day]
    assert store.sums(BY_DAY, day)["sale_date"] == (day - date(1970, 1, 1)).days


def test_a_missing_value_in_a_column_that_has_none_is_refused(store: ClickHouse) -> None:
    rows = mart_table(BY_PRODUCT, {})
    nulls = pa.nulls(1, rows.schema.field("share").type)
    place = rows.schema.get_field_index("share")
    with pytest.raises(StoreError, match="share"):
        store.stage(BY_PRODUCT, AS_OF, AT, rows.set_column(place, "share", nulls))


# Figures


def test_sums_are_of_one_import(store: ClickHouse) -> None:
    publish(store, BY_DAY, mart_table(BY_DAY, {}), day=WEEK_BEFORE)
    publish(
        store,
        BY_DAY,
        mart_table(BY_DAY, {}, {"region": "West", "moving_average_7_days": Decimal("4.36")}),
    )
    assert store.sums(BY_DAY, AS_OF) == {
        "rows": 2,
        "sale_date": 2 * (date(2026, 11, 23) - date(1970, 1, 1)).days,
        "total_sales": 4,
        "total_sales_amount": Decimal("61.00"),
        "total_returns": 6,
        "total_returns_amount": Decimal("14.50"),
        "net_amount": Decimal("46.50"),
        "average_sale_amount": Decimal("30.50"),
        "moving_average_7_days": Decimal("4.36"),
        "change_from_week_before": 0,
    }
    assert control_totals(BY_DAY, store.sums(BY_DAY, AS_OF)) == ControlTotals(
        "clickhouse", "sales_by_day", 4, None, Decimal("61.00"), 6, Decimal("14.50")
    )
    assert control_totals(BY_REGION, store.sums(BY_REGION, AS_OF)) == ControlTotals(
        "clickhouse", "sales_by_region", 0, 0, Decimal(0), 0, Decimal(0)
    )


_WIDE = Contract(
    tuple(
        replace(field, type=Numeric(28, 2)) if field.name == "sale_amount" else field
        for field in SALES.fields
    )
)
_BY_PRODUCT_WIDE = next(mart for mart in marts(_WIDE) if mart.name == "sales_by_product")
_INT64 = st.integers(-(2**63), 2**63 - 1)


# An import replaces the one before, so the examples may share a store; few have many rows.
@settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "total_sales": _INT64,
                "total_quantity": _INT64,
                "total_sales_amount": st.integers(-(10**38) + 1, 10**38 - 1).map(
                    lambda cents: Decimal(f"{cents}e-2")
                ),
            }
        ),
        min_size=1,
        max_size=40,
    )
)
def test_figures_near_the_limits_of_their_types_are_exact(
    clickhouse_store: ClickHouse, rows: list[dict[str, Any]]
) -> None:
    store = clickhouse_store
    numbered = [{"product_id": number, **row} for number, row in enumerate(rows)]
    store.create_tables(_WIDE)
    publish(store, _BY_PRODUCT_WIDE, mart_table(_BY_PRODUCT_WIDE, *numbered))
    measures = ("total_sales", "total_quantity", "total_sales_amount")
    shown = [row[1:4] for row in contents(store, _BY_PRODUCT_WIDE)]
    assert shown == [tuple(row[measure] for measure in measures) for row in rows]
    sums = store.sums(_BY_PRODUCT_WIDE, AS_OF)
    with localcontext(prec=60):
        for measure in measures:
            assert sums[measure] == sum((row[measure] for row in rows), start=Decimal(0))


# The ledger


def test_the_ledger_of_an_import_is_replaced(store: ClickHouse) -> None:
    totals = [
        ControlTotals("spark", "sales_by_day", 7, None, Decimal("61.00")),
        ControlTotals("clickhouse", "sales_by_region", 7, 12, Decimal("99999999999999999999.99")),
    ]
    store.record_batch(ledger_entry(WEEK_BEFORE), AT, totals[:1], {"region_unknown": 1})
    store.record_batch(ledger_entry(), AT, totals[:1], {"region_unknown": 1, "sale_id_missing": 1})
    store.record_batch(ledger_entry(source="orders.csv", seed=None), AT, totals, {})
    assert store.query(
        "SELECT engine, table_name, total_sales, total_quantity, total_sales_amount"
        f" FROM control_totals WHERE import_date = '{AS_OF}' ORDER BY ALL"
    )[1] == [
        ("clickhouse", "sales_by_region", 7, 12, Decimal("99999999999999999999.99")),
        ("spark", "sales_by_day", 7, None, Decimal("61.00")),
    ]
    assert store.query("SELECT import_date, reason, rejected_rows FROM rejects_by_reason")[1] == [
        (WEEK_BEFORE, "region_unknown", 1)
    ]
    last, before = (
        (each.started_at, each.loaded_at) for each in (ledger_entry(), ledger_entry(WEEK_BEFORE))
    )
    assert store.query("SELECT * EXCEPT imported_at FROM batch ORDER BY import_date DESC")[1] == [
        (AS_OF, "orders.csv", None, 10, 7, 2, 1, 1, 0, 0, Decimal("61.00"), *last, None),
        (WEEK_BEFORE, "generated", 42, 10, 7, 2, 1, 1, 0, 0, Decimal("61.00"), *before, None),
    ]


def test_imports_are_those_in_the_ledger_oldest_first(store: ClickHouse) -> None:
    store.record_batch(ledger_entry(), AT, [], {})
    store.record_batch(ledger_entry(WEEK_BEFORE), AT + timedelta(hours=1), [], {})
    publish(store, BY_REGION, mart_table(BY_REGION, {}), day=date(2026, 1, 1))
    assert store.imports() == [(WEEK_BEFORE, AT + timedelta(hours=1)), (AS_OF, AT)]


def test_a_withdrawn_import_is_not_listed_and_its_tables_stay(store: ClickHouse) -> None:
    publish(store, BY_REGION, mart_table(BY_REGION, {}))
    store.record_batch(ledger_entry(), AT, [], {})
    store.record_batch(ledger_entry(WEEK_BEFORE), AT, [], {})
    store.withdraw(AS_OF)
    store.withdraw(AS_OF)
    assert store.imports() == [(WEEK_BEFORE, AT)]
    assert len(contents(store, BY_REGION)) == 1


def test_a_database_without_tables_has_no_imports(clickhouse_store: ClickHouse) -> None:
    assert clickhouse_store.imports() == []


# Queries


def test_a_query_gives_names_and_rows(store: ClickHouse) -> None:
    assert store.query("SELECT 1 AS one, toDecimal64('1.50', 2) AS price;") == (
        ("one", "price"),
        [(1, Decimal("1.50"))],
    )


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("DROP TABLE batch", "DROP is not a query"),
        ("INSERT INTO rejects_by_reason (reason) VALUES ('made up')", "INSERT is not a query"),
        ("CREATE TABLE mine (a Int8) ENGINE = Memory", "CREATE is not a query"),
        ("SET readonly = 0", "SET is not a query"),
        ("SYSTEM FLUSH LOGS", "SYSTEM is not a query"),
        ("COPY (SELECT 1) TO PROGRAM 'x'", "COPY is not a query"),
        ("SELECT 1 SETTINGS readonly = 0", "in readonly mode"),
        ("SELECT 1; DROP TABLE batch", "Multi-statements are not allowed"),
        ("SELECT 1; SELECT 2", "Multi-statements are not allowed"),
        ("", "Empty query"),
    ],
)
def test_a_query_may_not_write(store: ClickHouse, sql: str, complaint: str) -> None:
    with pytest.raises(StoreError, match=f"^ClickHouse: .*{complaint}") as raised:
        store.query(sql)
    assert "formatQuery" not in str(raised.value)
    store.record_batch(ledger_entry(), AT, [], {})
    assert len(store.imports()) == 1


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT * FROM file('{}', 'LineAsString')", "file reaches for a file"),
        ("DESCRIBE TABLE file('{}', 'LineAsString')", "file reaches for a file"),
        ("SELECT file('{}')", "file reaches for a file"),
        ("SELECT `file` /* a word between */ ('{}')", "file reaches for a file"),
        ("SELECT arrayMap(path -> file(path), ['{}'])", "file reaches for a file"),
        ("SELECT * FROM url('file://{}', 'LineAsString')", "READONLY"),
        ("SELECT * FROM '{}'", "UNKNOWN_TABLE|READONLY"),
        ("SELECT * FROM executable('cat {}', 'LineAsString', 'a String')", "READONLY"),
        ("SELECT 1 INTO OUTFILE '{}.out'", "INTO OUTFILE reaches for a file"),
        ("SELECT '\\\\' INTO OUTFILE '{}.out' -- '", "INTO OUTFILE reaches for a file"),
        ("EXPLAIN SELECT 1 into\noutfile '{}.out'", "INTO OUTFILE reaches for a file"),
    ],
)
def test_a_query_reaches_no_file(
    store: ClickHouse, tmp_path: Path, sql: str, complaint: str
) -> None:
    (tmp_path / "secret.csv").write_text("secret")
    with pytest.raises(StoreError, match=f"^ClickHouse: .*({complaint})"):
        store.query(sql.format(tmp_path / "secret.csv"))
    assert [path.name for path in tmp_path.glob("secret*")] == ["secret.csv"]


def test_words_in_a_text_or_a_name_are_no_files(store: ClickHouse) -> None:
    query = "SELECT 'it''s file(''x'') INTO OUTFILE \\' \\'' AS `file`, count() AS profile"
    names, [(text, _)] = store.query(query)
    assert (names, text) == (("file", "profile"), "it's file('x') INTO OUTFILE ' '")


@pytest.mark.parametrize("sql", ["SHOW TABLES", "EXISTS TABLE batch", "EXPLAIN SELECT 1"])
def test_what_is_short_is_answered_whole(store: ClickHouse, sql: str) -> None:
    assert store.query(sql)[1]


def test_a_query_is_answered_block_by_block(store: ClickHouse) -> None:
    with store.ask("SELECT number FROM numbers(200000)") as answer:
        sizes = [len(block) for block in answer.blocks]
    assert sum(sizes) == 200_000
    assert max(sizes) <= 100_000
    # One that is not read to its end is closed.
    with store.ask("SELECT number FROM numbers(1000000000)") as answer:
        next(answer.blocks)
    assert store.query("SELECT 1")[1] == [(1,)]


def test_an_error_in_a_later_block_is_ours(store: ClickHouse) -> None:
    query = "SELECT throwIf(number = 190000, 'enough') FROM numbers(200000)"
    with pytest.raises(StoreError, match="enough"), store.ask(query) as answer:
        list(answer.blocks)


def test_the_queries_of_the_documentation_run(store: ClickHouse) -> None:
    publish(store, BY_REGION, mart_table(BY_REGION, {}))
    agreed = ControlTotals("postgresql", "sales_by_day", 7, None, Decimal("61.00"))
    differs = ControlTotals("postgresql", "sales_by_region", 2, 5, Decimal("30.51"))
    recorded = [agreed, replace(agreed, engine="spark"), differs]
    recorded.append(control_totals(BY_REGION, store.sums(BY_REGION, AS_OF)))
    store.record_batch(ledger_entry(), AT, recorded, {"region_unknown": 1})
    page = Path(__file__).parent.parent / "docs" / "clickhouse.md"
    answers = [
        store.query(statement)[1]
        for statement in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert answers == [
        [("North", 2, Decimal("30.50"))],
        [(AS_OF, Decimal("30.50"))],
        [(AS_OF, "sales_by_region")],
        [(AS_OF, "region_unknown", 1)],
    ]


def test_a_wrong_query_is_answered_in_one_line(store: ClickHouse) -> None:
    with pytest.raises(StoreError, match="Unknown expression identifier `nothing`") as caught:
        store.query("SELECT nothing\nFROM batch")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None
    assert not caught.value.transient


def test_a_query_that_runs_too_long_is_stopped(
    store: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.stores.clickhouse.query.SECONDS", 1)
    with pytest.raises(StoreError, match="Timeout exceeded"):
        store.query("SELECT count() FROM numbers(1e12) WHERE sipHash64(number) = 7")


def test_the_embedded_engine_is_bounded(tmp_path: Path) -> None:
    with (
        embedded_clickhouse(tmp_path / "clickhouse") as dsn,
        clickhouse(dsn) as store,
        pytest.raises(StoreError, match="MEMORY_LIMIT_EXCEEDED"),
    ):
        store.query("SELECT groupArray(number) FROM numbers(1e9)")


# Opening


@pytest.mark.parametrize("name", ["clickhouse", "с пробелом и %41#&+=;"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        with embedded_clickhouse(tmp_path / name) as dsn, clickhouse(dsn) as store:
            store.create_tables(SALES)
    assert (tmp_path / name / "metadata").is_dir()


def test_a_folder_that_chdb_would_misread_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"has a \? in it"),
        embedded_clickhouse(tmp_path / "what?"),
    ):
        pass


def test_what_a_killed_process_left_in_the_temporary_folder_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    holder = python(_HOLD, str(tmp_path / "clickhouse"))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    holder.kill()
    holder.communicate()
    [left] = temporary.iterdir()
    (left / "clickhouse-embedded-0").mkdir()
    with embedded_clickhouse(tmp_path / "clickhouse"):
        assert not left.exists()
        # Here go the files of the engine and of its driver.
        assert [Path(tempfile.gettempdir())] == [*temporary.iterdir()]
    assert [*temporary.iterdir()] == []
    assert tempfile.gettempdir() == str(temporary)


def test_nothing_but_a_temporary_folder_of_its_own_is_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "clickhouse.tmp").write_text(str(tmp_path / "precious"))
    with embedded_clickhouse(tmp_path / "clickhouse"):
        pass
    assert (tmp_path / "precious").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match=r"ClickHouse .*/file/clickhouse: Not a .*VITRINA_HOME"),
        embedded_clickhouse(tmp_path / "file" / "clickhouse"),
    ):
        pass


def test_data_that_another_program_has_open_are_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    holder = python(
        "import chdb, sys\n"
        "connection = chdb.connect(sys.argv[1])\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()",
        str(folder),
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with (
        embedded_clickhouse(folder) as dsn,
        pytest.raises(
            StoreUnavailable,
            match=r"does not answer at its folder: .*; end the program that has it open\. If none "
            "has, the data are damaged: remove the folder, and run the batches again",
        ),
        clickhouse(dsn),
    ):
        pass
    holder.communicate("")


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


_HOLD = """
import sys
from pathlib import Path
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import clickhouse
with embedded_clickhouse(Path(sys.argv[1])) as dsn, clickhouse(dsn) as store:
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_waits_and_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "clickhouse"
    holder = python(_HOLD, str(folder))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with (
        pytest.raises(StoreUnavailable, match=f"open in process {holder.pid} .* waited 0.2 s"),
        embedded_clickhouse(folder, patience=0.2),
    ):
        pass
    release = threading.Timer(0.3, holder.communicate, ["\n"])
    release.start()
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
        assert store.imports() == []
    release.join()
    assert f"open in process {holder.pid}; waiting for it" in caplog.text


def test_what_a_forked_child_inherits_does_not_keep_the_folder_locked(tmp_path: Path) -> None:
    folder = tmp_path / "clickhouse"
    awake, wake = os.pipe()
    with embedded_clickhouse(folder):
        child = os.fork()
        if child == 0:
            os.close(wake)
            os.read(awake, 1)
            os._exit(0)
    try:
        with embedded_clickhouse(folder, patience=0):
            pass
    finally:
        os.close(wake)
        os.close(awake)
        os.waitpid(child, 0)


_IMPORT_FOR_EVER = """
import sys
from datetime import date, datetime, UTC
from pathlib import Path
from tests.mart_rows import BY_PRODUCT, mart_table
from vitrina.contract import SALES
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import clickhouse
rows = mart_table(BY_PRODUCT, *({"product_id": number} for number in range(20_000)))
import_date = date(2026, 11, 17)
with embedded_clickhouse(Path(sys.argv[1])) as dsn, clickhouse(dsn) as store:
    store.create_tables(SALES)
    while True:
        store.stage(BY_PRODUCT, import_date, datetime.now(UTC), rows)
        store.replace_import(BY_PRODUCT, import_date)
        import_date = date(2026, 11, 24)
        print("imported", flush=True)
"""


@pytest.mark.parametrize("moment", [0.0, 0.02])
def test_after_a_kill_past_imports_are_whole_and_a_rerun_is_right(
    tmp_path: Path, moment: float
) -> None:
    folder = tmp_path / "clickhouse"
    killed = python(_IMPORT_FOR_EVER, str(folder))
    assert killed.stdout is not None
    for _ in range(3):
        assert killed.stdout.readline() == "imported\n"
    threading.Event().wait(moment)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        assert store.sums(BY_PRODUCT, WEEK_BEFORE)["rows"] == 20_000
        publish(store, BY_PRODUCT, mart_table(BY_PRODUCT, {"product_id": 8}))
        assert [row[0] for row in contents(store, BY_PRODUCT)] == [8]


# A server that is not there, or is not one


def test_nothing_answers_at_a_closed_port() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with (
        pytest.raises(StoreUnavailable, match=f"does not answer at 127.0.0.1:{port}") as caught,
        clickhouse(f"clickhouse://reader:s%40cret@127.0.0.1:{port}/sales"),
    ):
        pass
    assert "cret" not in str(caught.value)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        ("503 Service Unavailable", "later", StoreUnavailable, "does not answer"),
        (
            "403 Forbidden\r\nX-ClickHouse-Exception-Code: 516",
            "Code: 516. DB::Exception: reader: s@cret is wrong. (AUTHENTICATION_FAILED)\nstack",
            StoreError,
            r"reader: \*\*\* is wrong",
        ),
        (
            "500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 202",
            "Code: 202. DB::Exception: Too many. (TOO_MANY_SIMULTANEOUS_QUERIES)",
            StoreUnavailable,
            "Too many",
        ),
    ],
)
def test_what_a_server_refuses_becomes_one_line(
    status: str, body: str, expected: type[StoreError], message: str
) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        with (
            pytest.raises(StoreError, match=message) as caught,
            clickhouse(f"clickhouse://reader:s%40cret@127.0.0.1:{port}/sales"),
        ):
            pass
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert type(caught.value) is expected
    assert "\n" not in str(caught.value)
    assert "s@cret" not in str(caught.value)


@pytest.mark.parametrize("dsn", ["", "localhost:8123", "postgresql://host/db", "http://host:port/"])
def test_an_address_that_cannot_be_read_is_the_users_mistake(dsn: str) -> None:
    with pytest.raises(SettingsError, match="VITRINA_CLICKHOUSE_DSN"), clickhouse(dsn):
        pass


def test_importing_the_store_starts_no_engine() -> None:
    program = (
        "import sys, vitrina.stores.clickhouse.store, vitrina.stores.clickhouse.embedded\n"
        "sys.exit(any(name in sys.modules for name in ('chdb', 'clickhouse_connect')))"
    )
    started = python(program)
    started.communicate()
    assert started.returncode == 0
