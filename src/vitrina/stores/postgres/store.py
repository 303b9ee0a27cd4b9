"""PostgreSQL: the sales of one batch, the marts made from them, and the ledger of all batches.

Whoever reads while a batch is replaced sees the old one or the new one, whole. `sale` itself
is never replaced: it is partitioned, and its only partition changes, so that its grants,
views and foreign readers stay. `docs/postgresql.md` describes the tables and what a reader
sees when.

The transactions are here; what they consist of is in `staging`, `swap`, `marts` and `ledger`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import class_row

from vitrina.contract import Contract
from vitrina.errors import BatchError, ReconciliationError
from vitrina.ledger import ControlTotals, LedgerEntry, StepRun
from vitrina.marts import TOTALS, Mart, marts
from vitrina.store import Batch
from vitrina.stores.addresses import SCHEMA
from vitrina.stores.answer import Answer, Row
from vitrina.stores.postgres import lock, versions
from vitrina.stores.postgres.ledger import ENTRY, insert_totals, require_current
from vitrina.stores.postgres.marts import (
    SUMS_OF_SALES,
    copy_mart,
    group_sales,
    put_in_place,
    read_mart,
    reconcile_mart,
    staged,
)
from vitrina.stores.postgres.query import query
from vitrina.stores.postgres.roles import let_loader_only_add
from vitrina.stores.postgres.runs import RunsOfBatch, last_runs
from vitrina.stores.postgres.session import Session, columns, open_session, translated
from vitrina.stores.postgres.staging import (
    MONTHLY_ABOVE,
    add_key,
    copy_sales,
    create_staging,
    drop_leftovers,
)
from vitrina.stores.postgres.swap import swap_in, wait_for_older_snapshots
from vitrina.stores.postgres.tables import RUN_EVENT, VERSION, Table, TableColumn, tables
from vitrina.stores.versions import newest

# Chosen by chance, so as not to meet the advisory locks of others.
_CREATION_LOCK = 7_204_518_337_292

# For passes over all sales: two cores, and groups that fit into memory.
_AGGREGATION = {"max_parallel_workers_per_gather": "2", "work_mem": "64MB"}


@contextmanager
def postgres(dsn: str, schema: str = SCHEMA) -> Iterator["Postgres"]:
    """A connection to the tables of a schema, open until the block ends.

    Raises:
        StoreError: the address cannot be read.
        StoreUnavailable: nothing answers there, or it does not let this user in.
    """
    with open_session(dsn, schema) as session:
        yield Postgres(session)


class Postgres:
    """One schema. Made by `postgres`; every method raises `StoreError` when refused."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create_tables(self, contract: Contract) -> None:
        """Create the schema and the tables that are absent; upgrade those of an older version.

        Raises:
            StoreError: a table is there with other columns; or the tables are older and this
                user may not change them, or newer than this Vitrina knows.
        """
        wanted = tables(contract)
        with self._translated():
            version = versions.recorded(self._session)
            if version is not None and version < newest():
                # A load that is under way still writes to the older tables.
                with self._session.alone("the tables are as they were"):
                    self._upgrade(contract)
            self._create(wanted)

    @contextmanager
    def alone_with(self, batch: Batch) -> Iterator[RunsOfBatch]:
        """Keep other runs of the batch out until the block ends; yields its ledger of runs.

        Its table is created if it is absent, whatever the others are.

        Raises:
            StoreUnavailable: another run has the batch; names it, and since when.
            StoreError: the table is absent, and this user should not make it.
        """
        with self._translated():
            self._create([RUN_EVENT])
        with lock.alone(self._session, batch.as_of) as holder:
            yield RunsOfBatch(holder)

    def runs(self, number: int, as_of: date | None = None) -> list[StepRun]:
        """The last runs of steps, of one batch or of all, newest first."""
        with self._translated():
            if not self._session.exists(RUN_EVENT.name):
                return []
            return last_runs(self._session, number, as_of)

    def version(self) -> int | None:
        """The version of the tables; None where there are none.

        Raises:
            StoreError: they are newer than this Vitrina knows.
        """
        with self._translated():
            return versions.recorded(self._session)

    def replace_sales(
        self,
        batch: Batch,
        entry: LedgerEntry,
        rejects: Mapping[str, int],
        expected: ControlTotals,
        shares: Sequence[Iterable[pa.RecordBatch]],
        *,
        monthly_above: int | None = None,
    ) -> ControlTotals:
        """Let a batch take the place of the one that `sale` holds, and enter it in the ledger.

        A reader sees the old batch or the new one, whole. The rows are staged first, each of
        `shares` (record batches of the contract's columns) by a thread and a connection of
        its own. More of them than `monthly_above` (`MONTHLY_ABOVE` unless given) are kept by
        month, whatever the batch before was. `entry.loaded_at` becomes the time of the swap.
        What was analyzed and published of an earlier load of this batch no longer counts.

        Raises:
            ReconciliationError: the staged rows do not sum to `expected`.
            StoreError: two of them have one `sale_id`.
            StoreUnavailable: another writer or a reader was not done within ten minutes.
        """
        left = "PostgreSQL shows what it showed before"
        limit = MONTHLY_ABOVE if monthly_above is None else monthly_above
        monthly = entry.clean > limit
        with self._translated(), self._session.alone(left):
            drop_leftovers(self._session)
            staging = create_staging(self._session, batch, monthly=monthly)
            try:
                copy_sales(self._session, staging, batch.contract, shares)
                add_key(self._session, staging, left)
                found = self._sums("sale", _totals_of_sales(staging))
                remedy = f"{left}; run: vitrina clean --as-of {batch.as_of}"
                _reconcile(expected, found, remedy)
                wait_for_older_snapshots(self._session, left)
                swap_in(self._session, staging, entry, rejects, (expected, found), left)
            except BaseException:
                # Where this fails too, the next load does it.
                with suppress(psycopg.Error):
                    self._session.execute(
                        sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(staging))
                    )
                raise
            # Its partitions too; autovacuum would never analyze the table that it belongs to.
            self._session.execute("ANALYZE sale")
        return found

    def replace_marts(
        self, batch: Batch, new: Mapping[str, pa.Table], attempt: str | None = None
    ) -> list[ControlTotals]:
        """Let marts take the place of the earlier ones, once they equal SQL over `sale`.

        Every row is compared, in every total that it has; a row of zeros equals none. All
        marts and the ledger change in one transaction: a reader sees them before it or after
        it. They are of this `attempt` of the feed. Returns the totals of `sale` and of each mart.

        Raises:
            BatchError: `sale` holds another batch, or another attempt.
            ReconciliationError: a total of a row differs; everything stays as it was.
            StoreUnavailable: another writer was not done within ten minutes.
        """
        left = "PostgreSQL shows the marts that it showed before"
        declared = marts(batch.contract)
        with self._translated(), self._session.alone(left), self._session.connection.transaction():
            # One moment of `sale` for all passes over it.
            self._session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for name, value in _AGGREGATION.items():
                self._session.execute("SELECT set_config(%s, %s, true)", name, value)
            require_current(self._session, batch, attempt)
            for mart in declared:
                copy_mart(self._session, mart, new[mart.name])
            groups = group_sales(self._session, [mart.key for mart in declared])
            for mart in declared:
                remedy = f"{left}; run: vitrina load --as-of {batch.as_of}"
                reconcile_mart(self._session, mart, groups[mart.key], remedy)
            totals = [self._sums("sale", _total_of_totals(groups[declared[0].key], TOTALS))]
            for mart in declared:
                put_in_place(self._session, mart)
                totals.append(self._sums(mart.name, _total_of_totals(staged(mart), mart.totals)))
            self._session.execute(
                "UPDATE batch SET analyzed_at = %s, published_at = NULL WHERE as_of = %s",
                datetime.now(UTC),
                batch.as_of,
            )
            # What was published was of the marts before.
            self._session.execute(
                "DELETE FROM control_totals WHERE as_of = %s AND engine <> 'spark'", batch.as_of
            )
            insert_totals(self._session, batch.as_of, totals)
        return totals

    def record_totals(self, as_of: date, totals: Sequence[ControlTotals]) -> None:
        """Record what a batch's marts sum to where they were published, and that they were.

        Raises:
            BatchError: the batch was never loaded.
        """
        with self._translated(), self._session.connection.transaction():
            if not self._session.execute(
                "UPDATE batch SET published_at = %s WHERE as_of = %s RETURNING as_of",
                datetime.now(UTC),
                as_of,
            ):
                raise BatchError(
                    f"batch {as_of} is not in the ledger; run: vitrina load --as-of {as_of}"
                )
            insert_totals(self._session, as_of, totals)

    def read_mart(self, mart: Mart) -> pa.Table:
        """The rows of a mart in the order of its key, each type exactly as declared."""
        with self._translated():
            return read_mart(self._session, mart)

    def current_batch(self) -> LedgerEntry | None:
        """The batch that `sale` holds; the marts are of it if it has an `analyzed_at`."""
        return next((entry for entry in self.ledger() if entry.is_current), None)

    def ledger(self) -> list[LedgerEntry]:
        """Every batch that was ever loaded, newest first; none before the first load."""
        query = sql.SQL("SELECT {} FROM batch ORDER BY as_of DESC").format(columns(ENTRY))
        with self._translated():
            if not versions.has_ledger(self._session):
                return []
            with self._session.connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
                return cursor.execute(query).fetchall()

    def rejects(self, as_of: date) -> dict[str, int]:
        """How many rows of a batch each reason speaks against; one row may have several."""
        with self._translated():
            if not versions.has_ledger(self._session):
                return {}
            return dict(
                self._session.execute(
                    "SELECT reason, rejected_rows FROM rejects_by_reason WHERE as_of = %s "
                    "ORDER BY rejected_rows DESC, reason",
                    as_of,
                )
            )

    def control_totals(self, as_of: date) -> list[ControlTotals]:
        """What each table of a batch sums to, in each engine that has reported it."""
        with self._translated():
            if not versions.has_ledger(self._session):
                return []
            rows = self._session.execute(
                sql.SQL(
                    "SELECT engine, table_name, {} FROM control_totals WHERE as_of = %s "
                    "ORDER BY table_name, engine"
                ).format(columns(TOTALS)),
                as_of,
            )
            return [ControlTotals(*row) for row in rows]

    def ask(self, statement: str) -> AbstractContextManager[Answer]:
        """What a query answers that may read and not write, while the block lasts.

        Raises:
            StoreError: it is no query, or wrong, or takes more than a minute.
        """
        return query(self._session, statement)

    def query(self, statement: str) -> tuple[tuple[str, ...], list[Row]]:
        """The column names and all rows of what `ask` gives."""
        with self.ask(statement) as answer:
            return answer.whole()

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._session.address)

    def _wait_for_creations(self) -> None:
        self._session.execute(
            "SELECT pg_advisory_xact_lock(%s)", self._session.lock(_CREATION_LOCK)
        )

    def _upgrade(self, contract: Contract) -> None:
        with self._session.connection.transaction():
            self._wait_for_creations()
            # Again: another process may have upgraded them meanwhile.
            version = versions.recorded(self._session)
            if version is not None:
                versions.upgrade(self._session, version, contract)

    def _create(self, wanted: Sequence[Table]) -> None:
        """Create the schema, and those of the tables that are absent."""
        with self._session.connection.transaction():
            if not self._absent(wanted):
                return
            self._wait_for_creations()
            # Looked for first: a user may be allowed to use it and not to create it.
            if not self._session.execute(
                "SELECT 1 FROM pg_namespace WHERE nspname = %s", self._session.schema
            ):
                self._session.execute(
                    sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._session.schema))
                )
            # Again: another process may have created some meanwhile.
            for table in self._absent(wanted):
                if table == VERSION:
                    versions.create(self._session, newest(), "Created")
                    continue
                for statement in table.statements():
                    self._session.execute(statement)
                if table.is_append_only:
                    let_loader_only_add(self._session, table.name)

    def _absent(self, wanted: Sequence[Table]) -> list[Table]:
        """The tables that are not there; those that are must be as wanted."""
        found: dict[str, tuple[str, dict[str, TableColumn]]] = {}
        for name, kind, column, type_, is_nullable in self._session.execute(
            "SELECT c.relname, c.relkind::text, a.attname, "
            "format_type(a.atttypid, a.atttypmod), NOT a.attnotnull FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a "
            "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE n.nspname = %s AND c.relname = ANY(%s) ORDER BY a.attnum",
            self._session.schema,
            [table.name for table in wanted],
        ):
            there = found.setdefault(name, (kind, {}))[1]
            there[column] = TableColumn(column, type_, nullable=is_nullable)
        for table in wanted:
            if table.name in found:
                table.check(self._session.schema, *found[table.name])
        return [table for table in wanted if table.name not in found]

    def _sums(self, table: str, query: sql.Composed) -> ControlTotals:
        [(sales, quantity, amount, returns, returned)] = self._session.execute(query)
        return ControlTotals(
            "postgresql", table, int(sales), _plain(quantity), amount, int(returns), returned
        )


def _plain(quantity: int | Decimal | None) -> int | Decimal | None:
    """A sum of whole quantities is a whole number, whatever PostgreSQL adds them up as."""
    if isinstance(quantity, Decimal) and quantity.as_tuple().exponent == 0:
        return int(quantity)
    return quantity


def _totals_of_sales(table: str) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {}").format(SUMS_OF_SALES, sql.Identifier(table))


def _total_of_totals(table: sql.Identifier, measures: Sequence[str]) -> sql.Composed:
    """The sum of each of the measures; NULL for one that the table has not."""
    sums = [
        sql.SQL("coalesce(sum({}), 0)").format(sql.Identifier(name))
        if name in measures
        else sql.NULL
        for name in TOTALS
    ]
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(sums), table)


def _reconcile(expected: ControlTotals, found: ControlTotals, left: str) -> None:
    for measure in TOTALS:
        one, other = getattr(expected, measure), getattr(found, measure)
        if one != other:
            raise ReconciliationError(
                found.table,
                measure,
                expected=("the lake", one),
                actual=("PostgreSQL", other),
                left=left,
            )
