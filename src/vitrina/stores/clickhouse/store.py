"""ClickHouse: every batch's marts, an import date each, for dashboards to read.

A table holds one partition an import date. Rows are staged beside it, compared with
PostgreSQL, and take the partition's place in one step, so a rerun replaces its own import
and no other. `docs/clickhouse.md` describes the tables.

The verbs are here; what they consist of is in `tables`, `staging`, `swap`, `marts` and `ledger`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from vitrina.contract import Contract
from vitrina.ledger import BATCH, ControlTotals, LedgerEntry
from vitrina.marts import Mart
from vitrina.stores.answer import Answer, Row
from vitrina.stores.clickhouse import ledger, marts, versions
from vitrina.stores.clickhouse.marts import ROWS, control_totals
from vitrina.stores.clickhouse.query import query
from vitrina.stores.clickhouse.session import Session, open_session
from vitrina.stores.clickhouse.staging import stage_arrow, staging
from vitrina.stores.clickhouse.swap import drop_import, swap_in
from vitrina.stores.clickhouse.tables import create_tables, names_of_imports
from vitrina.stores.versions import newest

__all__ = ["ROWS", "ClickHouse", "clickhouse", "control_totals"]


@contextmanager
def clickhouse(
    dsn: str, cluster: str | None = None, database: str | None = None
) -> Iterator["ClickHouse"]:
    """A database, created if it is absent: the one `dsn` names, else `vitrina`, unless given.

    `clickhouse://user:password@host:8123/database`, or what `embedded_clickhouse` gives. With
    the name of a cluster, every server of it holds the database.

    Raises:
        SettingsError: the address cannot be read.
        StoreUnavailable: nothing answers there.
        StoreError: the server refuses the user, or to create the database.
    """
    with open_session(dsn, cluster, database) as session:
        yield ClickHouse(session)


class ClickHouse:
    """One database. Made by `clickhouse`; every method raises `StoreError` when refused."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def use(self, database: str) -> None:
        """Read and write in this database from now on; create it if it is absent."""
        self._session.use(database)

    def create_tables(self, contract: Contract) -> None:
        """Create the tables that are absent; upgrade those of an older version.

        Raises:
            StoreError: a table is there with other columns or another partitioning, or is not
                replicated on a cluster; the cluster will not do; the tables are older and this
                user may not change them, or newer than this Vitrina knows.
        """
        version = versions.recorded(self._session)
        if version is not None:
            versions.upgrade(self._session, version, contract)
        create_tables(self._session, contract)
        if version is None:
            versions.note(self._session, newest(), "Created")

    def version(self) -> int | None:
        """The version of the tables; None where there are none.

        Raises:
            StoreError: they are newer than this Vitrina knows.
        """
        return versions.recorded(self._session)

    def stage(self, mart: Mart, import_date: date, imported_at: datetime, rows: pa.Table) -> None:
        """Put a mart's rows beside it; readers of the mart see nothing of them yet."""
        of_import = marts.with_import(mart, import_date, imported_at, rows)
        stage_arrow(self._session, mart.name, of_import)

    def staged_sums(self, mart: Mart, import_date: date) -> dict[str, Decimal]:
        """The exact sums of the staged rows, as `sums` gives them for an import."""
        return marts.sums(self._session, staging(mart.name), mart, import_date)

    def withdraw(self, import_date: date) -> None:
        """Take an import out of `batch`; its tables stay as they are."""
        drop_import(self._session, BATCH, import_date)

    def delete_import(self, contract: Contract, import_date: date) -> None:
        """Take an import out of every table; out of `batch` first, so that nobody looks for it."""
        for table in (BATCH, *(name for name in names_of_imports(contract) if name != BATCH)):
            drop_import(self._session, table, import_date)

    def replace_import(self, mart: Mart, import_date: date) -> None:
        """Let the staged rows take the place of the mart's import of this date.

        A reader sees the old import or the new one, whole; other imports are not touched.
        Killed at this very moment, ClickHouse may show both when it starts again, until the
        import is replaced once more: so withdraw it first.
        """
        swap_in(self._session, mart.name, import_date)

    def sums(self, mart: Mart, import_date: date) -> dict[str, Decimal]:
        """How many `rows` a mart's import has, and the exact sum of each of its columns.

        Dates count as days since 1970, missing values as 0; texts have no sum.
        """
        return marts.sums(self._session, mart.name, mart, import_date)

    def read_mart(self, mart: Mart, import_date: date) -> pa.Table:
        """The rows of a mart's import in the order of its key, each type exactly as declared."""
        return marts.read(self._session, mart, import_date)

    def engine(self) -> str:
        """The server's name and version."""
        return f"ClickHouse {self._session.client.server_version}"

    def record_batch(
        self,
        entry: LedgerEntry,
        imported_at: datetime,
        totals: Sequence[ControlTotals],
        rejects: Mapping[str, int],
    ) -> None:
        """Replace what is known of a batch besides its marts: totals, rejects, its ledger row.

        `batch` comes last: an import that it lists is whole. Each of the three tables shows
        its old rows or its new ones.
        """
        ledger.enter(self._session, entry, imported_at, rejects, totals)

    def fates(self, import_date: date, names: Sequence[str]) -> dict[str, int]:
        """What `batch` counts of an import, by these of its columns; none that it does not list."""
        return ledger.fates(self._session, import_date, names)

    def rejects(self, import_date: date) -> dict[str, int]:
        """How many rows of an import each reason speaks against."""
        return ledger.rejects(self._session, import_date)

    def imports(self) -> list[tuple[date, datetime]]:
        """The date of each import that `batch` lists and when it was made (UTC), oldest first."""
        return ledger.imports(self._session)

    def ask(self, statement: str) -> AbstractContextManager[Answer]:
        """What a query answers that may read and not write, while the block lasts.

        Raises:
            StoreError: it is no query, or wrong, or reaches for a file, or takes more than a
                minute.
        """
        return query(self._session, statement)

    def query(self, statement: str) -> tuple[tuple[str, ...], list[Row]]:
        """The column names and all rows of what `ask` gives."""
        with self.ask(statement) as answer:
            return answer.whole()
