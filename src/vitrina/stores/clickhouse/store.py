"""ClickHouse: every batch's marts, an import date each, for dashboards to read.

A table holds one partition an import date. Rows are staged beside it, compared with
PostgreSQL, and take the partition's place in one step, so a rerun replaces its own import
and no other. `docs/clickhouse.md` describes the tables.

A server over HTTP and the embedded engine (chDB) get the same statements; what differs on a
cluster is in `cluster`.
"""

import fcntl
import json
import logging
import os
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Money
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import unquote, urlencode, urlsplit

import pyarrow as pa

from vitrina.columns import Column, Date, Decimal, Text, clickhouse_type
from vitrina.contract import Contract
from vitrina.errors import SettingsError, StoreError, StoreUnavailable
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.marts import Mart, marts
from vitrina.stores.clickhouse.cluster import (
    REPLICATED,
    SETTINGS,
    engine,
    on_cluster,
    require_one_shard,
    staging_engine,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The driver and chDB are imported inside the functions: a forked child that inherits a
# started engine hangs.

ROWS = "rows"
"""The measure that counts a mart's rows."""

_log = logging.getLogger(__name__)

_DATABASE = "vitrina"
_SCHEMES = ("chdb", "clickhouse", "clickhouses", "http", "https")
_TIMESTAMP = "DateTime64(3, 'UTC')"
_QUERY_SECONDS = 60
# Errors of a server that may well go away by themselves.
_BUSY = ("TOO_MANY_SIMULTANEOUS_QUERIES", "TOO_MANY_PARTS")
# The embedded engine shares the machine: unless told otherwise it takes 0.9 of the memory.
_EMBEDDED_SETTINGS = {"ch_max_memory_usage": 2**30, "ch_max_threads": 2}


@dataclass(frozen=True)
class _Table:
    name: str
    key: tuple[str, ...]
    columns: dict[str, str]
    """The type of each column, in ClickHouse's words."""


class ClickHouse:
    """One database. Made by `clickhouse`; every method raises `StoreError` when refused."""

    def __init__(self, dsn: str, client: "Client", cluster: str | None = None) -> None:
        self._dsn = dsn
        self._client = client
        self._cluster = cluster
        self._everywhere = on_cluster(cluster)

    def use(self, database: str) -> None:
        """Read and write in this database from now on; create it if it is absent."""
        # Looked for first: a user may be allowed to use it and not to create it.
        if not self._command("EXISTS DATABASE <database>", database=database):
            self._command(
                f"CREATE DATABASE IF NOT EXISTS <database>{self._everywhere}", database=database
            )
        self._client.database = database

    def create_tables(self, contract: Contract) -> None:
        """Create the tables that are absent; touch none that is there.

        Raises:
            StoreError: a table is there with other columns or another partitioning, or is not
                replicated on a cluster; or the cluster will not do.
        """
        columns: dict[str, dict[str, str]] = {}
        partitions: dict[str, str] = {}
        engines: dict[str, str] = {}
        with _translated(self._dsn):
            if self._cluster is not None:
                require_one_shard(self._client, self._cluster)
            for table, partition_key, engine_name in self._client.query(
                "SELECT name, partition_key, engine FROM system.tables "
                "WHERE database = currentDatabase()"
            ).result_rows:
                columns[table], partitions[table] = {}, partition_key
                engines[table] = engine_name
            for table, name, type_ in self._client.query(
                "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()"
            ).result_rows:
                columns[table][name] = type_
        for wanted in _tables(contract):
            if wanted.name in columns:
                _check_shape(wanted, columns[wanted.name], partitions[wanted.name])
                if self._cluster is None:
                    continue
                # On to the others: one may have joined the cluster since.
                _check_engine(wanted, engines[wanted.name])
            declared = [_compose(f"<name> {t}", name=c) for c, t in wanted.columns.items()]
            order = [_compose("<name>", name=name) for name in ("import_date", *wanted.key)]
            self._command(
                f"CREATE TABLE IF NOT EXISTS <database>.<table>{self._everywhere} "
                f"({', '.join(declared)}) ENGINE = {engine(self._cluster)} "
                f"PARTITION BY import_date ORDER BY ({', '.join(order)})",
                table=wanted.name,
            )

    def stage(self, mart: Mart, import_date: date, imported_at: datetime, rows: pa.Table) -> None:
        """Put a mart's rows beside it; readers of the mart see nothing of them yet."""
        days = (import_date - _EPOCH.date()).days
        milliseconds = (imported_at - _EPOCH) // timedelta(milliseconds=1)
        rows = rows.select(mart.names)
        rows = rows.append_column("import_date", _repeated(pa.date32(), "i", days, len(rows)))
        rows = rows.append_column(
            "imported_at", _repeated(pa.timestamp("ms", "UTC"), "q", milliseconds, len(rows))
        )
        self._empty_staging(mart.name)
        with _translated(self._dsn):
            self._client.insert_arrow(_staging(mart.name), rows, settings=_INSERT)
        self._wait_for_replicas(mart.name)

    def staged_sums(self, mart: Mart, import_date: date) -> dict[str, Money]:
        """The exact sums of the staged rows, as `sums` gives them for an import."""
        return self._sums(_staging(mart.name), mart, import_date)

    def withdraw(self, import_date: date) -> None:
        """Take an import out of `batch`; its tables stay as they are."""
        self._command(self._drop, values={"day": import_date}, table="batch")

    def replace_import(self, mart: Mart, import_date: date) -> None:
        """Let the staged rows take the place of the mart's import of this date.

        A reader sees the old import or the new one, whole; other imports are not touched.
        Killed at this very moment, ClickHouse may show both when it starts again, until the
        import is replaced once more: so withdraw it first.
        """
        self._swap_in(mart.name, import_date)

    def sums(self, mart: Mart, import_date: date) -> dict[str, Money]:
        """How many `rows` a mart's import has, and the exact sum of each of its columns.

        Dates count as days since 1970, missing values as 0; texts have no sum.
        """
        return self._sums(mart.name, mart, import_date)

    def totals(self, mart: Mart, import_date: date) -> ControlTotals:
        """The control totals of a mart's import; zeros where there is no such import."""
        sums = self.sums(mart, import_date)
        quantity = sums.get("total_quantity")
        return ControlTotals(
            engine="clickhouse",
            table=mart.name,
            total_sales=int(sums["total_sales"]),
            total_quantity=None if quantity is None else int(quantity),
            total_sales_amount=sums["total_sales_amount"],
        )

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
        rows: dict[str, list[dict[str, Any]]] = {
            "control_totals": [
                {
                    "engine": total.engine,
                    "table_name": total.table,
                    "total_sales": total.total_sales,
                    "total_quantity": total.total_quantity,
                    "total_sales_amount": total.total_sales_amount,
                }
                for total in totals
            ],
            "rejects_by_reason": [
                {"reason": reason, "rejected_rows": count} for reason, count in rejects.items()
            ],
            "batch": [{name: getattr(entry, name) for name in _ENTRY}],
        }
        of_import = {"import_date": entry.as_of, "imported_at": imported_at}
        for table, contents in rows.items():
            self._empty_staging(table)
            lines = (json.dumps(of_import | row, default=str) for row in contents)
            with _translated(self._dsn):
                self._client.raw_insert(
                    _staging(table),
                    insert_block="\n".join(lines),
                    settings=_INSERT | {"date_time_input_format": "best_effort"},
                    fmt="JSONEachRow",
                )
            self._wait_for_replicas(table)
            self._swap_in(table, entry.as_of)

    def imports(self) -> list[tuple[date, datetime]]:
        """The date of each import that `batch` lists and when it was made (UTC), oldest first."""
        with _translated(self._dsn):
            if not self._client.command("EXISTS TABLE batch"):
                return []
            rows = self._client.query(
                "SELECT import_date, imported_at FROM batch ORDER BY import_date"
            ).result_rows
        return [(import_date, imported_at) for import_date, imported_at in rows]

    def query(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The column names and the rows of a query that may read and not write.

        Raises:
            StoreError: the query is wrong, writes, or runs for more than a minute.
        """
        with _translated(self._dsn), closing(_connect(self._dsn)) as reader:
            reader.database = self._client.database
            reader.set_client_setting("max_execution_time", _QUERY_SECONDS)
            # Last, since it forbids to change any setting.
            reader.set_client_setting("readonly", 1)
            result = reader.query(sql)
            return tuple(result.column_names), [tuple(row) for row in result.result_rows]

    def _empty_staging(self, table: str) -> None:
        # Made anew: what a killed run left may have the shape of another contract.
        self._drop_staging(table)
        statement = f"CREATE TABLE <database>.<staging>{self._everywhere} AS <database>.<table>"
        if self._cluster is not None:
            # As it is, the place in Keeper would be taken over too.
            with _translated(self._dsn):
                ((order,),) = self._client.query(
                    "SELECT sorting_key FROM system.tables "
                    "WHERE database = currentDatabase() AND name = {table:String}",
                    parameters={"table": table},
                ).result_rows
            statement += (
                f" ENGINE = {staging_engine(self._cluster)} "
                f"PARTITION BY import_date ORDER BY ({order})"
            )
        self._command(statement, table=table, staging=_staging(table))

    def _drop_staging(self, table: str) -> None:
        self._command(
            f"DROP TABLE IF EXISTS <database>.<staging>{self._everywhere} SYNC",
            staging=_staging(table),
        )

    def _wait_for_replicas(self, table: str) -> None:
        """Until each server has the staged rows: any of them may swap them in."""
        if self._cluster is not None:
            self._command(
                f"SYSTEM SYNC REPLICA{self._everywhere} <database>.<staging>",
                staging=_staging(table),
            )

    @property
    def _drop(self) -> str:
        return f"ALTER TABLE <database>.<table>{self._everywhere} DROP PARTITION {{day:Date32}}"

    def _swap_in(self, table: str, import_date: date) -> None:
        # REPLACE from an empty source is refused by some versions and ignored by others.
        statement = (
            f"ALTER TABLE <database>.<table>{self._everywhere} "
            "REPLACE PARTITION {day:Date32} FROM <database>.<staging>"
            if self._command("SELECT count() FROM <staging>", staging=_staging(table))
            else self._drop
        )
        self._command(statement, values={"day": import_date}, table=table, staging=_staging(table))
        self._drop_staging(table)

    def _sums(self, table: str, mart: Mart, import_date: date) -> dict[str, Money]:
        summed = [column for column in mart.columns if not isinstance(column.type, Text)]
        select = ", ".join(["SELECT count()", *(_sum(column) for column in summed)])
        statement = _compose(
            f"{select} FROM <table> WHERE import_date = {{day:Date32}}", table=table
        )
        with _translated(self._dsn):
            (row,) = self._client.query(statement, parameters={"day": import_date}).result_rows
        names = (ROWS, *(column.name for column in summed))
        return {name: Money(value or 0) for name, value in zip(names, row, strict=True)}

    def _command(
        self, statement: str, *, values: dict[str, Any] | None = None, **identifiers: str
    ) -> object:
        # Named, since the other servers of a cluster have no current database.
        named = {"database": self._client.database or _DATABASE, **identifiers}
        with _translated(self._dsn):
            return self._client.command(_compose(statement, **named), parameters=values)


@contextmanager
def clickhouse(dsn: str, cluster: str | None = None) -> Iterator[ClickHouse]:
    """The database that `dsn` names, created if it is absent; `vitrina` unless it names one.

    `clickhouse://user:password@host:8123/database`, or what `embedded_clickhouse` gives. With
    the name of a cluster, every server of it holds the database.

    Raises:
        SettingsError: the address cannot be read.
        StoreUnavailable: nothing answers there.
        StoreError: the server refuses the user, or to create the database.
    """
    database = _database(dsn)
    with _translated(dsn):
        client = _connect(dsn)
    with closing(client):
        if cluster is not None:
            for name, value in SETTINGS.items():
                client.set_client_setting(name, value)
        store = ClickHouse(dsn, client, cluster)
        store.use(database)
        yield store


@contextmanager
def embedded_clickhouse(folder: Path, *, patience: float = 60) -> Iterator[str]:
    """The address of the embedded ClickHouse whose data are in `folder`.

    One process at a time can open it: others wait for `patience` seconds, and the log says
    for whom. Hold it no longer than needed.

    Raises:
        StoreUnavailable: another process has not let go of it in time.
        SettingsError: the engine cannot use the folder.
    """
    folder = folder.expanduser().resolve()
    if "?" in str(folder):
        raise SettingsError(
            f"{folder} has a ? in it, where chDB would end the name; set VITRINA_HOME to another"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_of(folder).open("a+")
    except OSError as error:
        raise SettingsError(f"ClickHouse cannot use {folder}: {error}") from error
    with lock:
        _wait_for(lock, folder, patience)
        try:
            yield "chdb://?" + urlencode({"path": str(folder), **_EMBEDDED_SETTINGS})
        finally:
            # Closing would not do where a forked child has inherited the file.
            fcntl.flock(lock, fcntl.LOCK_UN)


def lock_of(folder: Path) -> Path:
    """The file that is locked, and written to, by whoever has the folder open."""
    return folder.with_name(f"{folder.name}.lock")


def _wait_for(lock: TextIO, folder: Path, patience: float) -> None:
    """Lock the file and leave this process's id in it for those who wait."""
    deadline, told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            held = f"{folder} is open in process {lock.read().strip() or 'unknown'}"
            if time.monotonic() >= deadline:
                raise StoreUnavailable(
                    f"ClickHouse in {held} and only one process can have it; "
                    f"waited {patience:g} s, try again when that one has ended"
                ) from error
            if not told:
                _log.warning("ClickHouse in %s; waiting for it", held)
                told = True
            time.sleep(0.1)
        else:
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            return


def _tables(contract: Contract) -> tuple[_Table, ...]:
    """The marts and the ledger, in ClickHouse."""
    published = marts(contract)
    money = next(
        clickhouse_type(column)
        for column in published[0].columns
        if column.name == "total_sales_amount"
    )
    label = "LowCardinality(String)"
    tables = (
        *(
            _Table(mart.name, mart.key, {c.name: clickhouse_type(c) for c in mart.columns})
            for mart in published
        ),
        _Table(
            "control_totals",
            ("table_name", "engine"),
            {
                "engine": label,
                "table_name": label,
                "total_sales": "Int64",
                "total_quantity": "Nullable(Int64)",
                "total_sales_amount": money,
            },
        ),
        _Table("rejects_by_reason", ("reason",), {"reason": label, "rejected_rows": "Int64"}),
        _Table(
            "batch",
            (),
            {**_ENTRY, "total_sales_amount": money},
        ),
    )
    of_import = {"import_date": "Date32", "imported_at": _TIMESTAMP}
    return tuple(_Table(table.name, table.key, of_import | table.columns) for table in tables)


# What `batch` has of a ledger entry; the money has the digits of the contract.
_ENTRY = {
    "source": "String",
    "seed": "Nullable(Int64)",
    "rows_in": "Int64",
    "clean": "Int64",
    "rejected": "Int64",
    "repaired": "Int64",
    "collapsed": "Int64",
    "total_sales_amount": "",
    "started_at": _TIMESTAMP,
    "loaded_at": _TIMESTAMP,
}

# A block that equals an earlier one would be dropped silently, a NULL become a 0.
_INSERT = {"insert_deduplicate": 0, "input_format_null_as_default": 0}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _repeated(type_: pa.DataType, code: str, value: int, count: int) -> pa.Array:
    """One value `count` times. From its bytes: from a Python value, Arrow imports pandas."""
    return pa.Array.from_buffers(type_, count, [None, pa.py_buffer(array(code, [value]) * count)])


def _staging(table: str) -> str:
    return f"{table}_staging"


def _sum(column: Column) -> str:
    """The exact sum of a column: in 76 digits, where those of the engine itself may overflow."""
    scale = column.type.scale if isinstance(column.type, Decimal) else 0
    number = "toInt32(<name>)" if isinstance(column.type, Date) else "<name>"
    return _compose(f"sum(toDecimal256({number}, {scale}))", name=column.name)


def _check_shape(table: _Table, found: dict[str, str], partition_key: str) -> None:
    """Refuse a table that was made for another contract, or by another hand."""
    remedy = f"rename or drop {table.name} in ClickHouse, or use another database"
    for name in table.columns | found:
        expected, actual = table.columns.get(name, "no such column"), found.get(name, "missing")
        if expected != actual:
            raise StoreError(
                f"ClickHouse {table.name}.{name} is {actual}, expected {expected}; {remedy}"
            )
    if partition_key != "import_date":
        raise StoreError(
            f"ClickHouse {table.name} is partitioned by {partition_key or 'nothing'}, "
            f"expected import_date; {remedy}"
        )


def _check_engine(table: _Table, found: str) -> None:
    """Refuse a table that would stay on one server of the cluster."""
    if found != REPLICATED:
        raise StoreError(
            f"ClickHouse {table.name} is {found}, expected {REPLICATED}; rename or drop "
            f"{table.name} in ClickHouse, or unset VITRINA_CLICKHOUSE_CLUSTER"
        )


def _compose(statement: str, **identifiers: str) -> str:
    """A statement with each `<name>` replaced by an identifier, quoted."""
    from clickhouse_connect.driver.binding import quote_identifier

    for name, identifier in identifiers.items():
        statement = statement.replace(f"<{name}>", quote_identifier(identifier))
    return statement


def _database(dsn: str) -> str:
    """The database that an address names.

    >>> _database("clickhouse://host:8123/sales")
    'sales'
    """
    try:
        parts = urlsplit(dsn)
        readable = parts.scheme in _SCHEMES and parts.port != 0
    except ValueError:
        parts, readable = urlsplit(""), False
    if not readable:
        raise SettingsError(
            "VITRINA_CLICKHOUSE_DSN cannot be read; it is like "
            "clickhouse://user:password@host:8123/database, special characters as %40"
        )
    # A path after `chdb:` is the folder of the data.
    named = "" if parts.scheme == "chdb" else unquote(parts.path.strip("/"))
    return named or _DATABASE


def _connect(dsn: str) -> "Client":
    import clickhouse_connect

    # What the driver logs it also raises.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    parts = urlsplit(dsn)
    # The driver looks at the port alone, and would speak plain HTTP but at 443 and 8443.
    interface = {"http": "http", "https": "https", "clickhouses": "https"}.get(parts.scheme)
    if parts.scheme != "chdb":
        # The database may not be there yet.
        dsn = parts._replace(path="").geturl()
    return clickhouse_connect.get_client(
        dsn=dsn, interface=interface, tz_mode="aware", show_clickhouse_errors="scrub"
    )


def _of_the_system(error: BaseException | None) -> OSError | None:
    """What the operating system said, or TLS: the driver keeps it to itself."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def _translated(dsn: str) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line and without the password."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ClickHouseError, HTTPError) as error:
        parts = urlsplit(dsn)
        text = next(iter(str(error).splitlines()), "") or type(error).__name__
        if parts.password:
            for secret in (parts.password, unquote(parts.password)):
                text = text.replace(secret, "***")
        name, code = getattr(error, "name", None), getattr(error, "code", None)
        lost = isinstance(error, (OperationalError, HTTPError)) and code is None
        # Something other than Vitrina can have the folder open: the lock is ours alone.
        if lost or "Unable to open the chdb engine" in text:
            where = parts.netloc.rpartition("@")[2] or "its folder"
            reason = _of_the_system(error) or text
            raise StoreUnavailable(f"ClickHouse does not answer at {where}: {reason}") from error
        raise (StoreUnavailable if name in _BUSY else StoreError)(f"ClickHouse: {text}") from error
