"""PostgreSQL: the sales of one batch, the marts made from them, and the ledger of all batches.

Whoever reads while a batch is replaced sees the old one or the new one, whole. `sale` itself
is never replaced: it is partitioned, and its only partition changes, so that its grants,
views and foreign readers stay. `docs/postgresql.md` describes the tables and what a reader
sees when.
"""

import io
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any, NoReturn

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import class_row

from vitrina.columns import arrow_schema
from vitrina.contract import Batch, Contract
from vitrina.errors import BatchError, ReconciliationError, StoreError, StoreUnavailable
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.marts import TOTALS, Mart, marts
from vitrina.stores.postgres_tables import SCHEMA, Table, TableColumn, tables

Row = tuple[Any, ...]

# Chosen by chance, so as not to meet the advisory locks of others.
_WRITER_LOCK = 7_204_518_337_291
_CREATION_LOCK = 7_204_518_337_292

# Seconds to wait for others to be done, and how often to look.
_PATIENCE = 600.0
_POLL = 0.1
# Those who come to read while the swap waits for its lock wait behind it: so not for long.
_SWAP_LOCK_TIMEOUT = "2s"
_SWAP_PAUSE = 2.0

# Names are looked for in our schema alone; figures and moments read the same whatever the
# server's defaults are; no statement waits for a lock for ever.
_SESSION = {
    "search_path": SCHEMA,
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "lock_timeout": "30s",
}

# For passes over all sales: two cores, and groups that fit into memory.
_AGGREGATION = {"max_parallel_workers_per_gather": "2", "work_mem": "64MB"}


@contextmanager
def postgres(dsn: str) -> Iterator["Postgres"]:
    """A connection, open until the block ends.

    Raises:
        StoreError: the address cannot be read.
        StoreUnavailable: nothing answers there, or it does not let this user in.
    """
    address = _address(dsn)
    with _translated(address):
        connection = psycopg.connect(make_conninfo(**address), autocommit=True)
    with closing(connection):
        store = Postgres(connection, address)
        with _translated(address):
            for name, value in _SESSION.items():
                store._execute("SELECT set_config(%s, %s, false)", name, value)  # noqa: SLF001
        yield store


class Postgres:
    """One database. Made by `postgres`; every method raises `StoreError` when refused."""

    def __init__(self, connection: psycopg.Connection[Row], address: dict[str, Any]) -> None:
        self._connection = connection
        self._address = address

    def create_tables(self, contract: Contract) -> None:
        """Create the schema and the tables that are absent; touch none that is there.

        Raises:
            StoreError: a table is there with other columns.
        """
        wanted = tables(contract)
        with _translated(self._address), self._connection.transaction():
            if not self._absent(wanted):
                return
            self._execute("SELECT pg_advisory_xact_lock(%s)", _CREATION_LOCK)
            # Looked for first: a user may be allowed to use it and not to create it.
            if not self._execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA):
                self._execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
            # Again: somebody else may have created some meanwhile.
            for table in self._absent(wanted):
                for statement in table.statements():
                    self._execute(statement)

    def replace_sales(
        self,
        batch: Batch,
        entry: LedgerEntry,
        rejects: Mapping[str, int],
        expected: ControlTotals,
        shares: Sequence[Iterable[pa.RecordBatch]],
    ) -> ControlTotals:
        """Let a batch take the place of the one that `sale` holds, and enter it in the ledger.

        A reader sees the old batch or the new one, whole. The rows are staged first, each of
        `shares` (record batches of the contract's columns) by a thread and a connection of
        its own. `entry.loaded_at` becomes the time of the swap. What was analyzed and
        published of an earlier load of this batch no longer counts.

        Raises:
            ReconciliationError: the staged rows do not sum to `expected`.
            StoreUnavailable: another writer or a reader was not done within ten minutes.
        """
        left = "PostgreSQL shows what it showed before"
        staging = f"sale_{batch.as_of:%Y%m%d}_{uuid.uuid4().hex[:8]}"
        name = sql.Identifier(staging)
        with _translated(self._address), self._alone(left):
            self._drop_leftovers()
            self._execute(sql.SQL("CREATE TABLE {} (LIKE sale)").format(name))
            try:
                self._copy_sales(staging, batch.contract, shares)
                # Afterwards: four times as fast as inserting through it.
                self._execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (sale_id)").format(name))
                self._execute(sql.SQL("ANALYZE {}").format(name))
                found = self._sums("sale", _totals_of_sales(staging))
                _reconcile(expected, found, left)
                self._wait_for_older_snapshots(left)
                self._swap_in(staging, entry, rejects, (expected, found), left)
            except BaseException:
                # Where this fails too, the next load does it.
                with suppress(psycopg.Error):
                    self._execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
                raise
            # Autovacuum analyzes partitions and never the table that they belong to.
            self._execute("ANALYZE sale")
        return found

    def replace_marts(self, batch: Batch, new: Mapping[str, pa.Table]) -> list[ControlTotals]:
        """Let marts take the place of the earlier ones, once they equal SQL over `sale`.

        Every row is compared, in every total that it has; a row of zeros equals none. All
        marts and the ledger change in one transaction: a reader sees them before it or after
        it. Returns the totals of `sale` and of each mart.

        Raises:
            BatchError: `sale` holds another batch.
            ReconciliationError: a total of a row differs; everything stays as it was.
            StoreUnavailable: another writer was not done within ten minutes.
        """
        left = "PostgreSQL shows the marts that it showed before"
        declared = marts(batch.contract)
        with _translated(self._address), self._alone(left), self._connection.transaction():
            # One moment of `sale` for all passes over it.
            self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for name, value in _AGGREGATION.items():
                self._execute("SELECT set_config(%s, %s, true)", name, value)
            self._require_current(batch)
            for mart in declared:
                self._copy_mart(mart, new[mart.name])
            groups = self._group_sales([mart.key for mart in declared])
            for mart in declared:
                self._reconcile_mart(mart, groups[mart.key], left)
            totals = [self._sums("sale", _total_of_totals(groups[declared[0].key], TOTALS))]
            for mart in declared:
                # Not TRUNCATE, which a reader with an older snapshot would see as no rows.
                self._execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(mart.name)))
                self._execute(
                    sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                        sql.Identifier(mart.name), _new(mart)
                    )
                )
                self._execute(sql.SQL("ANALYZE {}").format(sql.Identifier(mart.name)))
                totals.append(self._sums(mart.name, _total_of_totals(_new(mart), mart.totals)))
            self._execute(
                "UPDATE batch SET analyzed_at = %s, published_at = NULL WHERE as_of = %s",
                datetime.now(UTC),
                batch.as_of,
            )
            # What was published was of the marts before.
            self._execute(
                "DELETE FROM control_total WHERE as_of = %s AND engine <> 'spark'", batch.as_of
            )
            self._insert_totals(batch.as_of, totals)
        return totals

    def record_totals(self, as_of: date, totals: Iterable[ControlTotals]) -> None:
        """Record what a batch's marts sum to where they were published, and that they were.

        Raises:
            BatchError: the batch was never loaded.
        """
        with _translated(self._address), self._connection.transaction():
            if not self._execute(
                "UPDATE batch SET published_at = %s WHERE as_of = %s RETURNING as_of",
                datetime.now(UTC),
                as_of,
            ):
                raise BatchError(
                    f"batch {as_of} is not in the ledger; run: vitrina load --as-of {as_of}"
                )
            self._insert_totals(as_of, totals)

    def read_mart(self, mart: Mart) -> pa.Table:
        """The rows of a mart in the order of its key, each type exactly as declared."""
        key = _columns(mart.key)
        query = sql.SQL(
            "COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT csv, HEADER)"
        ).format(_columns(mart.names), sql.Identifier(mart.name), key)
        text = io.BytesIO()
        with (
            _translated(self._address),
            self._connection.cursor() as cursor,
            cursor.copy(query) as copy,
        ):
            for chunk in copy:
                text.write(chunk)
        text.seek(0)
        return arrow_csv.read_csv(
            text,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=arrow_schema(mart.columns),
                # PostgreSQL quotes an empty text, and leaves a missing value bare.
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def current_batch(self) -> LedgerEntry | None:
        """The batch that `sale` holds; the marts are of it if it has an `analyzed_at`."""
        return next((entry for entry in self.ledger() if entry.is_current), None)

    def ledger(self) -> list[LedgerEntry]:
        """Every batch that was ever loaded, newest first; none before the first load."""
        query = sql.SQL("SELECT {} FROM batch ORDER BY as_of DESC").format(_columns(_ENTRY))
        with _translated(self._address):
            if not self._exists("batch"):
                return []
            with self._connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
                return cursor.execute(query).fetchall()

    def rejects(self, as_of: date) -> dict[str, int]:
        """How many rows of a batch each reason speaks against; one row may have several."""
        with _translated(self._address):
            if not self._exists("batch_reject"):
                return {}
            return dict(
                self._execute(
                    "SELECT reason, rejected_rows FROM batch_reject WHERE as_of = %s "
                    "ORDER BY rejected_rows DESC, reason",
                    as_of,
                )
            )

    def control_totals(self, as_of: date) -> list[ControlTotals]:
        """What each table of a batch sums to, in each engine that has reported it."""
        with _translated(self._address):
            if not self._exists("control_total"):
                return []
            rows = self._execute(
                "SELECT engine, table_name, total_sales, total_quantity, total_sales_amount "
                "FROM control_total WHERE as_of = %s ORDER BY table_name, engine",
                as_of,
            )
            return [ControlTotals(*row) for row in rows]

    def query(self, statement: str) -> tuple[tuple[str, ...], list[Row]]:
        """The column names and the rows of one statement, which cannot change anything."""
        with (
            _translated(self._address),
            self._connection.transaction(),
            self._connection.cursor() as cursor,
        ):
            cursor.execute("SET TRANSACTION READ ONLY")
            # Prepared, because only then a second statement, a COMMIT, say, is refused.
            cursor.execute(sql.SQL(statement), prepare=True)
            names = tuple(column.name for column in cursor.description or ())
            return names, cursor.fetchall() if names else []

    # Staging and swapping sales

    @contextmanager
    def _alone(self, left: str) -> Iterator[None]:
        """Keep other loads and analyses out, in this process or another, until the block ends."""
        deadline = time.monotonic() + _PATIENCE
        # Asked again and again: to wait within a statement would hold a snapshot, for which
        # the other load waits in turn.
        while self._execute("SELECT pg_try_advisory_lock(%s)", _WRITER_LOCK) == [(False,)]:
            if time.monotonic() > deadline:
                others = self._execute(
                    "SELECT a.pid, a.usename, coalesce(a.xact_start, a.backend_start) "
                    "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
                    "WHERE l.locktype = 'advisory' AND l.granted "
                    "AND (l.classid::bigint << 32) + l.objid::bigint = %s",
                    _WRITER_LOCK,
                )
                raise StoreUnavailable(
                    f"another load or analysis is still running: {_who(others)}; {left}"
                )
            time.sleep(_POLL)
        try:
            yield
        finally:
            # The server unlocks by itself when the connection is gone.
            with suppress(psycopg.OperationalError):
                self._execute("SELECT pg_advisory_unlock(%s)", _WRITER_LOCK)

    def _drop_leftovers(self) -> None:
        """Drop what loads that were killed have staged."""
        for (name,) in self._execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relkind = 'r' AND NOT relispartition "
            "AND relname ~ '^sale_[0-9]{8}_[0-9a-f]{8}$'",
            SCHEMA,
        ):
            self._execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))

    def _copy_sales(
        self, staging: str, contract: Contract, shares: Sequence[Iterable[pa.RecordBatch]]
    ) -> None:
        # Imported late: a forked child that inherits the driver hangs.
        from adbc_driver_postgresql import dbapi as adbc

        schema = arrow_schema(contract.fields)
        stop = threading.Event()

        def copy(share: Iterable[pa.RecordBatch]) -> None:
            failures: list[Exception] = []

            def stream() -> Iterator[pa.RecordBatch]:
                try:
                    for rows in share:
                        if stop.is_set():
                            raise InterruptedError
                        yield rows
                except Exception as error:
                    # The driver would make a text of it.
                    failures.append(error)
                    raise

            try:
                with (
                    adbc.connect(make_conninfo(**self._address)) as connection,
                    connection.cursor() as cursor,
                ):
                    rows = pa.RecordBatchReader.from_batches(schema, stream())
                    cursor.adbc_ingest(staging, rows, mode="append", db_schema_name=SCHEMA)
                    connection.commit()
            except adbc.Error as error:
                if failures:
                    raise failures[0] from None
                _refuse(error, error.sqlstate, str(error), self._address)

        with ThreadPoolExecutor(len(shares)) as pool:
            try:
                for copied in as_completed([pool.submit(copy, share) for share in shares]):
                    copied.result()
            except BaseException:
                stop.set()
                raise

    def _wait_for_older_snapshots(self, left: str) -> None:
        """Wait until nobody in this database has a snapshot from before the staged rows.

        In REPEATABLE READ such a reader could come to `sale` after the swap, and would see
        its new partition without the rows. Who begins later sees them, so only those who are
        there now are waited for, as CREATE INDEX CONCURRENTLY does.
        """
        deadline = time.monotonic() + _PATIENCE
        [(horizon,)] = self._execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
        older = self._older_snapshots(horizon)
        while older:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    "sale cannot be replaced while transactions that began before are open: "
                    f"{_who(older.values())}; {left}"
                )
            time.sleep(_POLL)
            still = self._older_snapshots(horizon)
            older = {transaction: who for transaction, who in still.items() if transaction in older}

    def _older_snapshots(self, horizon: str) -> dict[str, Row]:
        """Who holds a snapshot that is older than `horizon`, by transaction."""
        # Of whom the server tells us nothing (that takes pg_read_all_stats), every transaction
        # counts. Vacuum, which belongs to no user, reads no sales.
        rows = self._execute(
            "SELECT l.virtualtransaction, a.pid, a.usename, a.xact_start "
            "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
            "WHERE l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction "
            "AND a.datname = current_database() AND a.pid <> pg_backend_pid() "
            "AND a.usesysid IS NOT NULL AND CASE "
            "WHEN pg_has_role('pg_read_all_stats', 'USAGE') OR pg_has_role(a.usesysid, 'USAGE') "
            "THEN age(a.backend_xmin) > age(%s::xid) ELSE true END",
            horizon,
        )
        return {transaction: tuple(who) for transaction, *who in rows}

    def _swap_in(
        self,
        staging: str,
        entry: LedgerEntry,
        rejects: Mapping[str, int],
        totals: Sequence[ControlTotals],
        left: str,
    ) -> None:
        """Make the staged table the partition of `sale`, and its batch the current one."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._connection.transaction():
                    self._execute("SELECT set_config('lock_timeout', %s, true)", _SWAP_LOCK_TIMEOUT)
                    self._execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
                    self._replace_partition(staging)
                    self._enter(replace(entry, loaded_at=datetime.now(UTC)), rejects, totals)
            except psycopg.errors.LockNotAvailable as error:
                if time.monotonic() > deadline:
                    readers = self._execute(
                        "SELECT DISTINCT a.pid, a.usename, a.xact_start "
                        "FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) "
                        "WHERE l.granted AND (l.relation = 'sale'::regclass OR l.relation IN "
                        "(SELECT inhrelid FROM pg_inherits WHERE inhparent = 'sale'::regclass))"
                    )
                    raise StoreUnavailable(
                        f"sale cannot be replaced while it is being read: {_who(readers)}; {left}"
                    ) from error
                # Lets those who have queued behind us read.
                time.sleep(_SWAP_PAUSE)
            else:
                return

    def _replace_partition(self, staging: str) -> None:
        for schema, name in self._execute(
            "SELECT n.nspname, c.relname FROM pg_inherits AS i "
            "JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n "
            "ON n.oid = c.relnamespace WHERE i.inhparent = 'sale'::regclass"
        ):
            self._execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
        # Same columns, no other partition: nothing has to be scanned.
        self._execute(
            sql.SQL("ALTER TABLE sale ATTACH PARTITION {} DEFAULT").format(sql.Identifier(staging))
        )

    # The ledger

    def _enter(
        self, entry: LedgerEntry, rejects: Mapping[str, int], totals: Sequence[ControlTotals]
    ) -> None:
        """Make a batch the current one; forget what is known of an earlier load of it."""
        self._execute("UPDATE batch SET is_current = false WHERE is_current")
        # Its rejects and totals go with it.
        self._execute("DELETE FROM batch WHERE as_of = %s", entry.as_of)
        current = replace(entry, analyzed_at=None, published_at=None, is_current=True)
        self._execute(
            sql.SQL("INSERT INTO batch ({}) VALUES ({})").format(
                _columns(_ENTRY), sql.SQL(", ").join([sql.Placeholder()] * len(_ENTRY))
            ),
            *(getattr(current, name) for name in _ENTRY),
        )
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO batch_reject (as_of, reason, rejected_rows) VALUES (%s, %s, %s)",
                [(entry.as_of, reason, rows) for reason, rows in rejects.items()],
            )
        self._insert_totals(entry.as_of, totals)

    def _insert_totals(self, as_of: date, totals: Iterable[ControlTotals]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO control_total (as_of, engine, table_name, total_sales, "
                "total_quantity, total_sales_amount) VALUES (%s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (as_of, engine, table_name) DO UPDATE SET "
                "(total_sales, total_quantity, total_sales_amount) = "
                "(excluded.total_sales, excluded.total_quantity, excluded.total_sales_amount)",
                [(as_of, *_values(each)) for each in totals],
            )

    def _require_current(self, batch: Batch) -> None:
        held = self._execute("SELECT as_of FROM batch WHERE is_current")
        if held != [(batch.as_of,)]:
            what = f"batch {held[0][0]}" if held else "no batch"
            raise BatchError(
                f"sale holds {what}, not {batch.as_of}; run: vitrina load --as-of {batch.as_of}"
            )

    # Marts

    def _copy_mart(self, mart: Mart, rows: pa.Table) -> None:
        """Put a mart's rows into a temporary table of its columns."""
        self._execute(
            sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(
                _new(mart), sql.Identifier(mart.name)
            )
        )
        text = pa.BufferOutputStream()
        arrow_csv.write_csv(
            # The cast refuses what PostgreSQL would round.
            rows.select(mart.names).cast(arrow_schema(mart.columns)),
            text,
            # A missing value is bare, an empty text quoted.
            arrow_csv.WriteOptions(include_header=False, quoting_style="all_valid"),
        )
        query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
            _new(mart), _columns(mart.names)
        )
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.write(memoryview(text.getvalue()))

    def _group_sales(
        self, keys: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], sql.Identifier]:
        """For each key a temporary table of the totals of `sale`, with groups no coarser.

        A key that is part of another needs no pass over all sales: its groups are made from
        the other's.
        """
        finest = [key for key in keys if not any(set(key) < set(other) for other in keys)]
        groups = {key: sql.Identifier("pg_temp", f"sale_by_{'_'.join(key)}") for key in finest}
        for key, table in groups.items():
            self._execute(
                sql.SQL(
                    "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}, count(*) AS "
                    "total_sales, sum(quantity) AS total_quantity, sum(sale_amount) AS "
                    "total_sales_amount FROM sale GROUP BY {}"
                ).format(table, _columns(key), _columns(key))
            )
        return {
            key: next(table for finer, table in groups.items() if set(key) <= set(finer))
            for key in keys
        }

    def _reconcile_mart(self, mart: Mart, groups: sql.Identifier, left: str) -> None:
        """Compare each row of a mart with SQL over `sale`.

        Raises:
            ReconciliationError: names the first row, in the order of the key, that differs.
        """
        differences = self._execute(
            sql.SQL(
                "WITH expected AS (SELECT {key}, true AS is_there, {sums} FROM {groups} "
                "GROUP BY {key}), actual AS (SELECT {key}, true AS is_there, {totals} FROM {new}) "
                "SELECT expected.is_there, actual.is_there, {figures}, {key} "
                "FROM expected FULL JOIN actual USING ({key}) WHERE {differ} "
                "ORDER BY {key} LIMIT 1"
            ).format(
                key=_columns(mart.key),
                sums=_sums(mart.totals),
                groups=groups,
                totals=_columns(mart.totals),
                new=_new(mart),
                figures=_each(mart.totals, "coalesce(expected.{0}, 0), coalesce(actual.{0}, 0)"),
                differ=_each(
                    mart.totals, "coalesce(expected.{0}, 0) <> coalesce(actual.{0}, 0)", " OR "
                ),
            )
        )
        for in_sale, in_mart, *rest in differences:
            figures, place = rest[: 2 * len(mart.totals)], rest[2 * len(mart.totals) :]
            measure, expected, actual = next(
                (name, one, other)
                for name, one, other in zip(mart.totals, figures[::2], figures[1::2], strict=True)
                if one != other
            )
            raise ReconciliationError(
                mart.name,
                measure,
                expected=("SQL over sale", expected if in_sale else None),
                actual=("the mart", actual if in_mart else None),
                where=", ".join(
                    f"{name} {value}" for name, value in zip(mart.key, place, strict=True)
                ),
                left=left,
            )

    # Statements

    def _execute(self, statement: str | sql.SQL | sql.Composed, *values: object) -> list[Row]:
        query = sql.SQL(statement) if isinstance(statement, str) else statement
        cursor = self._connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

    def _exists(self, table: str) -> bool:
        return self._execute("SELECT to_regclass(%s) IS NOT NULL", table) == [(True,)]

    def _absent(self, wanted: Sequence[Table]) -> list[Table]:
        """The tables that are not there; those that are must be as wanted."""
        found: dict[str, tuple[str, dict[str, TableColumn]]] = {}
        for name, kind, column, type_, is_nullable in self._execute(
            "SELECT c.relname, c.relkind::text, a.attname, "
            "format_type(a.atttypid, a.atttypmod), NOT a.attnotnull FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a "
            "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE n.nspname = %s AND c.relname = ANY(%s) ORDER BY a.attnum",
            SCHEMA,
            [table.name for table in wanted],
        ):
            columns = found.setdefault(name, (kind, {}))[1]
            columns[column] = TableColumn(column, type_, nullable=is_nullable)
        for table in wanted:
            if table.name in found:
                table.check(*found[table.name])
        return [table for table in wanted if table.name not in found]

    def _sums(self, table: str, query: sql.Composed) -> ControlTotals:
        [(sales, quantity, amount)] = self._execute(query)
        return ControlTotals(
            "postgresql", table, int(sales), None if quantity is None else int(quantity), amount
        )


_ENTRY = tuple(field.name for field in fields(LedgerEntry))


def _columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _new(mart: Mart) -> sql.Identifier:
    """The temporary table of a mart's new rows."""
    return sql.Identifier("pg_temp", f"new_{mart.name}")


def _each(names: Iterable[str], pattern: str, separator: str = ", ") -> sql.Composed:
    return sql.SQL(separator).join(sql.SQL(pattern).format(sql.Identifier(name)) for name in names)


def _sums(names: Iterable[str]) -> sql.Composed:
    return _each(names, "sum({0}) AS {0}")


def _totals_of_sales(table: str) -> sql.Composed:
    return sql.SQL(
        "SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum(sale_amount), 0) FROM {}"
    ).format(sql.Identifier(table))


def _total_of_totals(table: sql.Identifier, measures: Sequence[str]) -> sql.Composed:
    """The sum of each of the measures; NULL for one that the table has not."""
    sums = [
        sql.SQL("coalesce(sum({}), 0)").format(sql.Identifier(name))
        if name in measures
        else sql.NULL
        for name in TOTALS
    ]
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(sums), table)


def _values(totals: ControlTotals) -> Row:
    measures = (getattr(totals, name) for name in TOTALS)
    return (totals.engine, totals.table, *measures)


def _reconcile(expected: ControlTotals, found: ControlTotals, left: str) -> None:
    for measure in TOTALS:
        one, other = getattr(expected, measure), getattr(found, measure)
        if one != other:
            raise ReconciliationError(
                found.table,
                measure,
                expected=("the clean files", one),
                actual=("PostgreSQL", other),
                left=left,
            )


def _who(sessions: Iterable[Row]) -> str:
    """Backends (pid, user, since when) in words."""
    named = [
        f"pid {pid} of {user}" + (f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "")
        for pid, user, since in sessions
    ]
    return ", ".join(named) or "one that has just ended"


def _address(dsn: str) -> dict[str, Any]:
    """What the address says, part by part.

    Raises:
        StoreError: it cannot be read. Nothing of it is shown: a password with a stray `@` or
            `/` ends up in other parts.
    """
    try:
        address = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        address = {"port": "unreadable"}
    if not str(address.get("port", "")).replace(",", "").isdigit() and address.get("port"):
        raise StoreError(
            "the address of PostgreSQL cannot be read; it looks like "
            "postgresql://user:password@host:5432/database, with each of @ : / ? # % in the "
            "password written as %40 %3A %2F %3F %23 %25"
        )
    return {"connect_timeout": 10, "application_name": "vitrina", **address}


@contextmanager
def _translated(address: Mapping[str, Any]) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line and without the password."""
    try:
        yield
    except psycopg.Error as error:
        parts = [error.diag.message_primary or str(error), error.diag.message_detail or ""]
        _refuse(error, error.sqlstate, " ".join(parts), address)


def _refuse(
    error: Exception, sqlstate: str | None, text: str, address: Mapping[str, Any]
) -> NoReturn:
    kind = _kind(error, sqlstate)
    text = " ".join(text.split()) or type(error).__name__
    if password := address.get("password"):
        text = text.replace(password, "***")
    where = f"{address.get('host', 'localhost')}:{address.get('port', 5432)}"
    raise kind(f"PostgreSQL at {where}: {text}") from error


def _kind(error: Exception, sqlstate: str | None) -> type[StoreError]:
    """Whether another try may help: the server or a lock was busy, not the request wrong."""
    cause: type[Exception] = type(error)
    if sqlstate is not None:
        with suppress(KeyError):
            cause = psycopg.errors.lookup(sqlstate)
    passing = (psycopg.OperationalError, psycopg.InterfaceError)
    return StoreUnavailable if issubclass(cause, passing) else StoreError
