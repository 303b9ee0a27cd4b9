"""PostgreSQL: sales and marts of the batches that are kept, and the ledger of all batches.

Each load of a batch has its sales in a partition, and its marts, side by side with those of others.
Readers see one load: which one is a row of the ledger, so that sales, marts and ledger agree in
every snapshot. `docs/postgresql.md` describes the tables and what a reader sees when.

The transactions are here; what they consist of is in `staging`, `marts`, `ledger` and
`housekeeping`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from decimal import Decimal

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import class_row

from vitrina.contract import Contract
from vitrina.errors import BatchError, ReconciliationError, StoreError, StoreUnavailable
from vitrina.ledger import (
    CONTROL_TOTALS,
    REJECTS_BY_REASON,
    ControlTotals,
    LedgerEntry,
    Manifest,
    StepRun,
)
from vitrina.marts import TOTALS, Mart, marts
from vitrina.store import Batch
from vitrina.stores.addresses import SCHEMA
from vitrina.stores.answer import Answer, Row
from vitrina.stores.postgres import lock, manifests, versions
from vitrina.stores.postgres.beside import asked_beside
from vitrina.stores.postgres.catalog import described
from vitrina.stores.postgres.copying import copy_sales
from vitrina.stores.postgres.housekeeping import PATIENCE_AFTER, drop_unkept
from vitrina.stores.postgres.ledger import (
    ENTRY,
    begin,
    enter,
    enter_marts,
    enter_published,
    newest_load,
    of_load,
    require_newest_load,
    show,
)
from vitrina.stores.postgres.marts import (
    SUMS_OF_SALES,
    copy_mart,
    copy_out,
    put_in_place,
    read_mart,
    reconcile_mart,
    right_groups,
    staged,
)
from vitrina.stores.postgres.query import query
from vitrina.stores.postgres.roles import let_loader_only_add
from vitrina.stores.postgres.runs import RunsOfBatch, last_runs
from vitrina.stores.postgres.session import Session, columns, open_session, translated
from vitrina.stores.postgres.staging import (
    add_key,
    attach,
    build_key,
    create_staging,
    partition_of,
    prove_which_load,
    say_which_load,
)
from vitrina.stores.postgres.statistics import inform_planner
from vitrina.stores.postgres.tables import RUN_EVENT, SALE, VERSION, Table, by_load, tables
from vitrina.stores.postgres.views import are_put, put_views
from vitrina.stores.versions import newest

# Chosen by chance, so as not to meet the advisory locks of others.
_CREATION_LOCK = 7_204_518_337_292

# For passes over all sales: two cores, and groups that fit into memory.
_AGGREGATION = {"max_parallel_workers_per_gather": "2", "work_mem": "64MB"}


@contextmanager
def postgres(dsn: str, schema: str = SCHEMA, keep: int = 1) -> Iterator["Postgres"]:
    """A connection to the tables of a schema, open until the block ends.

    So many batches are kept, the newest ones.

    Raises:
        StoreError: the address cannot be read.
        StoreUnavailable: nothing answers there, or it does not let this user in.
    """
    with open_session(dsn, schema) as session:
        yield Postgres(session, keep)


class Postgres:
    """One schema. Made by `postgres`; every method raises `StoreError` when refused."""

    def __init__(self, session: Session, keep: int) -> None:
        self._session = session
        self._keep = keep

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
            self._create(wanted, contract)

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

    def without_runs(self, name: str) -> AbstractContextManager[None]:
        """Keep runs of all batches out until the block ends; they are told of this name.

        Raises:
            StoreUnavailable: one is at work; names it, and since when.
        """
        return lock.without_runs(self._session, name)

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
        """Load a batch beside those that are there; no reader sees it until it is published.

        It replaces what was loaded of this batch and not published. Each of `shares` (record
        batches of the contract's columns) is copied by a thread and a connection of its own.
        More rows than `monthly_above`, if it is given, are kept by month.
        `entry.loaded_at` becomes the time at which all are there.

        Raises:
            ReconciliationError: the staged rows do not sum to `expected`.
            StoreError: two of them have one `sale_id`.
            StoreUnavailable: another load of this batch was not done within ten minutes, or a
                reader kept what has to be dropped first.
        """
        left = "PostgreSQL shows what it showed before"
        monthly = monthly_above is not None and entry.clean > monthly_above
        with self._translated(), self._session.at_work_on(batch.as_of, left):
            patience = self._session.patience
            self._drop_unkept(batch.contract, left, patience=patience, anew=batch.as_of)
            load_id = begin(self._session, entry)
            try:
                staging = create_staging(self._session, batch, load_id, monthly=monthly)
                copy_sales(self._session, staging, batch.contract, shares)
                say_which_load(self._session, staging, load_id)
                # What follows takes one core for the most part, and the sums the other.
                with asked_beside(self._session, self._totals_of_sales(staging)) as sums:
                    build_key(self._session, staging, left)
                    prove_which_load(self._session, staging)
                    self._session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(staging)))
                    found = _totals("sale", sums.result())
                remedy = f"{left}; run: vitrina clean --as-of {batch.as_of}"
                _reconcile(expected, found, remedy)
                with self._session.connection.transaction():
                    add_key(self._session, staging)
                    attach(self._session, staging, load_id)
                    enter(self._session, load_id, rejects, (expected, found))
            except BaseException:
                # Where this fails too, the next load does it.
                with suppress(psycopg.Error, StoreError):
                    self._drop_unkept(batch.contract, left, patience=0, anew=batch.as_of)
                raise
        return found

    def replace_marts(
        self, batch: Batch, new: Mapping[str, pa.Table], attempt: str | None = None
    ) -> list[ControlTotals]:
        """Give the newest load of a batch its marts, once they equal SQL over its sales.

        Every row is proved, in every total that it has; a row of zeros equals none. All
        marts and the ledger change in one transaction: whoever reads this load sees the marts
        before it or after it. They are of this `attempt` of the feed. Returns the totals of the
        sales and of each mart.

        Raises:
            BatchError: the batch is not loaded, or another attempt is.
            ReconciliationError: a total of a row differs; everything stays as it was.
            StoreUnavailable: another writer was not done within ten minutes.
        """
        left = "PostgreSQL shows the marts that it showed before"
        declared = marts(batch.contract)
        with self._translated(), self._session.at_work_on(batch.as_of, left):
            load_id = require_newest_load(self._session, batch.as_of, attempt).load_id
            sales = partition_of(batch.as_of, load_id)
            with self._session.connection.transaction():
                # One moment of the sales for all passes over them.
                self._session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                for name, value in _AGGREGATION.items():
                    self._session.execute("SELECT set_config(%s, %s, true)", name, value)
                for mart in declared:
                    copy_mart(self._session, mart, new[mart.name])
                groups = right_groups(self._session, sales, declared, batch.contract)
                for mart in declared:
                    remedy = f"{left}; run: vitrina load --as-of {batch.as_of}"
                    reconcile_mart(self._session, mart, sales, groups[mart], remedy)
                totals = [self._sums("sale", _total_of_totals(groups[declared[0]], TOTALS))]
                for mart in declared:
                    put_in_place(self._session, mart, load_id)
                    totals.append(
                        self._sums(mart.name, _total_of_totals(staged(mart), mart.totals))
                    )
                enter_marts(self._session, load_id, totals)
            for mart in declared:
                self._session.execute(
                    sql.SQL("ANALYZE {}").format(sql.Identifier(by_load(mart.name)))
                )
        return totals

    def show_published(self, batch: Batch, load_id: int, totals: Sequence[ControlTotals]) -> None:
        """Record that a load was published, and what its marts sum to there; then show it.

        Readers see it instead of an earlier load of its batch, or of an older batch. An older
        batch than the one that they see is shown only when that is asked for. What is no longer
        kept is dropped, if readers let go of it soon; if not, by the next load.

        Raises:
            BatchError: the load is not there.
        """
        left = f"batch {batch.as_of} is published, and PostgreSQL shows what it showed before"
        with self._translated(), self._session.at_work_on(batch.as_of, left):
            with self._session.connection.transaction():
                if not enter_published(self._session, load_id, totals):
                    raise BatchError(
                        f"batch {batch.as_of} was loaded again while it was published; "
                        f"run: vitrina analyze --as-of {batch.as_of}"
                    )
            with suppress(StoreUnavailable):
                self._drop_unkept(batch.contract, left, patience=PATIENCE_AFTER)
            with suppress(psycopg.errors.LockNotAvailable):
                inform_planner(self._session, batch.as_of, load_id)

    def show(self, as_of: date) -> None:
        """Let readers see a batch that is kept, until a newer one is published.

        Raises:
            BatchError: it is not kept, or was never published.
        """
        with self._translated():
            if not versions.has_ledger(self._session):
                raise BatchError(f"no batch has been loaded yet; run: vitrina run --as-of {as_of}")
            with self._session.connection.transaction():
                show(self._session, as_of)

    def read_mart(self, mart: Mart, load_id: int | None = None) -> pa.Table:
        """The rows of a mart in the order of its key, each type exactly as declared.

        Of the load that is shown, unless another is named.
        """
        with self._translated():
            return read_mart(self._session, mart, load_id)

    def read_sales(
        self, contract: Contract, load_id: int, first: date | None, end: date | None
    ) -> pa.Table:
        """A load's sales of `first <= sale_date < end`, in no order, types exactly as declared.

        None leaves that side open.
        """
        query = sql.SQL(
            "SELECT {} FROM {} WHERE load_id = {} AND sale_date >= coalesce({}::date, '-infinity') "
            "AND sale_date < coalesce({}::date, 'infinity')"
        ).format(
            columns(contract.names),
            sql.Identifier(by_load(SALE)),
            *map(sql.Literal, (load_id, first, end)),
        )
        with self._translated():
            return copy_out(self._session, query, contract.fields)

    def manifests(self) -> list[Manifest]:
        """The chain of manifests, in its order; none before the first publication."""
        with self._translated():
            return manifests.read(self._session)

    def append_manifest(
        self,
        as_of: date,
        document: Callable[[int, str | None], str],
        known: Iterable[Manifest] = (),
    ) -> Manifest:
        """Add a link to the chain, whose document is made of its sequence and of what precedes it.

        That is the SHA-256 of the link before. `known` are links that are kept elsewhere: those
        that follow the last one here are added first. Two at once come one after the other.
        """
        with self._translated():
            return manifests.append(self._session, as_of, document, known)

    def engine(self) -> str:
        """The server's name and version."""
        with self._translated():
            [(version,)] = self._session.execute("SHOW server_version")
        return f"PostgreSQL {version}"

    def current_batch(self) -> LedgerEntry | None:
        """The batch that `sale` and the marts show."""
        return next((entry for entry in self.ledger() if entry.is_current), None)

    def newest_load(self, as_of: date) -> LedgerEntry | None:
        """The newest load of a batch whose sales are here, whether published or not."""
        with self._translated():
            return newest_load(self._session, as_of) if versions.has_ledger(self._session) else None

    def ledger(self) -> list[LedgerEntry]:
        """Every batch that was ever loaded, newest first; none before the first load."""
        query = sql.SQL("SELECT {} FROM batch ORDER BY as_of DESC").format(columns(ENTRY))
        with self._translated():
            if not versions.has_ledger(self._session):
                return []
            with self._session.connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
                return cursor.execute(query).fetchall()

    def rejects(self, as_of: date, load_id: int | None = None) -> dict[str, int]:
        """How many rows of a batch each reason speaks against; one row may have several.

        Of the load that the ledger lists, unless another is named.
        """
        with self._translated():
            if not versions.has_ledger(self._session):
                return {}
            return dict(
                of_load(
                    self._session,
                    REJECTS_BY_REASON,
                    ("reason", "rejected_rows"),
                    "rejected_rows DESC, reason",
                    as_of,
                    load_id,
                )
            )

    def control_totals(self, as_of: date, load_id: int | None = None) -> list[ControlTotals]:
        """What each table of a batch sums to, in each engine that has reported it.

        Of the load that the ledger lists, unless another is named.
        """
        with self._translated():
            if not versions.has_ledger(self._session):
                return []
            rows = of_load(
                self._session,
                CONTROL_TOTALS,
                ("engine", "table_name", *TOTALS),
                "table_name, engine",
                as_of,
                load_id,
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

    def _create(self, wanted: Sequence[Table], contract: Contract | None = None) -> None:
        """Create the schema, those of the tables that are absent, and the contract's views."""
        with self._session.connection.transaction():
            if not self._absent(wanted) and (contract is None or are_put(self._session, contract)):
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
            absent = self._absent(wanted)
            for table in absent:
                if table == VERSION:
                    versions.create(self._session, newest(), "Created")
                    continue
                self._session.execute(table.create_described())
                if table.is_append_only:
                    let_loader_only_add(self._session, table.name)
            if contract is not None:
                put_views(self._session, contract, {table.name for table in absent})

    def _absent(self, wanted: Sequence[Table]) -> list[Table]:
        """The tables that are not there; those that are must be as wanted."""
        found = described(self._session, [table.name for table in wanted])
        for table in wanted:
            if table.name in found:
                table.check(self._session.schema, *found[table.name])
        return [table for table in wanted if table.name not in found]

    def _drop_unkept(
        self, contract: Contract, left: str, *, patience: float, anew: date | None = None
    ) -> None:
        drop_unkept(self._session, marts(contract), self._keep, left, patience=patience, anew=anew)

    def _sums(self, table: str, query: sql.Composed) -> ControlTotals:
        return _totals(table, self._session.execute(query))

    def _totals_of_sales(self, table: str) -> sql.Composed:
        return sql.SQL("SELECT {} FROM {}").format(
            SUMS_OF_SALES, sql.Identifier(self._session.schema, table)
        )


def _totals(table: str, answer: Sequence[Row]) -> ControlTotals:
    [(sales, quantity, amount, returns, returned)] = answer
    return ControlTotals(
        "postgresql", table, int(sales), _plain(quantity), amount, int(returns), returned
    )


def _plain(quantity: int | Decimal | None) -> int | Decimal | None:
    """A sum of whole quantities is a whole number, whatever PostgreSQL adds them up as."""
    if isinstance(quantity, Decimal) and quantity.as_tuple().exponent == 0:
        return int(quantity)
    return quantity


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
