"""A session with ClickHouse: its address, its errors in our words, its statements.

Identifiers and values are parameters of a statement, `{table:Identifier}`, which the server binds.
A server over HTTP and the embedded engine (chDB) get the same statements.
"""

import difflib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from vitrina.errors import SettingsError, StoreError, StoreUnavailable
from vitrina.redacted import redacted
from vitrina.settings import in_universal_time
from vitrina.stores.answer import Row
from vitrina.stores.clickhouse import silence
from vitrina.stores.clickhouse.cluster import SETTINGS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.httpclient import HttpClient

# The driver and chDB are imported inside the functions: a forked child that inherits a
# started engine hangs.

_DATABASE = "vitrina"
_SCHEMES = ("chdb", "clickhouse", "clickhouses", "http", "https")
_OPTIONS = (
    "access_token",
    "ca_cert",
    "client_cert",
    "client_cert_key",
    "client_name",
    "compress",
    "connect_timeout",
    "http_proxy",
    "https_proxy",
    "proxy_path",
    "query_retries",
    "send_receive_timeout",
    "server_host_name",
    "tls_mode",
    "verify",
)
"""What may follow the ? of an address: how to connect, not what a query gives."""
# Errors of a server that may well go away by themselves.
_BUSY = ("TOO_MANY_SIMULTANEOUS_QUERIES", "TOO_MANY_PARTS")
# A block that equals an earlier one would be dropped silently, a NULL become a 0.
_INSERT = {"insert_deduplicate": 0, "input_format_null_as_default": 0}


@contextmanager
def open_session(
    dsn: str, cluster: str | None = None, database: str | None = None
) -> Iterator["Session"]:
    """A session in a database, which is created if it is absent: the one `dsn` names unless given.

    Raises:
        SettingsError: the address cannot be read.
        StoreUnavailable: nothing answers there.
        StoreError: the server refuses the user, or to create the database.
    """
    named = _database(dsn)
    with translated(dsn):
        client = _connect(dsn)
    with closing(client):
        if cluster is not None:
            for name, value in SETTINGS.items():
                client.set_client_setting(name, value)
        session = Session(dsn, client, cluster)
        session.use(database or named)
        yield session


@dataclass(frozen=True)
class Session:
    dsn: str
    client: "Client"
    cluster: str | None = None

    @property
    def everywhere(self) -> str:
        """What follows a name where a statement is for all servers; nothing where there is one."""
        return "" if self.cluster is None else f" ON CLUSTER {quoted(self.cluster)}"

    def use(self, database: str) -> None:
        """Read and write in this database from now on; create it if it is absent."""
        # Looked for first: a user may be allowed to use it and not to create it.
        if not self.command("EXISTS DATABASE {name:Identifier}", name=database):
            self.command(
                "CREATE DATABASE IF NOT EXISTS {name:Identifier}" + self.everywhere, name=database
            )
        self.client.database = database

    def command(self, statement: str, **values: Any) -> Any:
        """Do what a statement says. `{database:Identifier}` is the session's."""
        with self.translated():
            return self.client.command(statement, parameters=self._bound(values))

    def rows(self, query: str, **values: Any) -> list[Row]:
        """The rows of a query. `{database:Identifier}` is the session's."""
        with self.translated():
            found = self.client.query(query, parameters=self._bound(values)).result_rows
        return [tuple(row) for row in found]

    def arrow(self, query: str, **values: Any) -> pa.Table:
        """The rows of a query as Arrow has them. `{database:Identifier}` is the session's."""
        with self.translated():
            return self.client.query_arrow(query, parameters=self._bound(values), use_strings=True)

    def exists(self, table: str) -> bool:
        """Whether the table is there."""
        return bool(
            self.command("EXISTS TABLE {database:Identifier}.{table:Identifier}", table=table)
        )

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows whose columns are named."""
        lines = [json.dumps(row, default=str) for row in rows]
        if not lines:
            # Not every server takes an insert without a row.
            return
        with self.translated():
            self.client.raw_insert(
                table,
                insert_block="\n".join(lines),
                settings=_INSERT | {"date_time_input_format": "best_effort"},
                fmt="JSONEachRow",
            )

    def insert_arrow(self, table: str, rows: pa.Table) -> None:
        with self.translated():
            self.client.insert_arrow(table, rows, settings=_INSERT)

    def again(self) -> "Client":
        """Another client of the same server and database, with settings of its own."""
        client = _connect(self.dsn)
        client.database = self.client.database
        return client

    def translated(self) -> AbstractContextManager[None]:
        return translated(self.dsn)

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        # Named, since the other servers of a cluster have no current database.
        return {"database": self.client.database or _DATABASE, **values}


def quoted(*names: str) -> str:
    """Identifiers, quoted by the driver and joined by dots: a table, or a column of one.

    Only where the server's grammar has no place for a parameter: after ON CLUSTER, for the columns
    that CREATE TABLE and ADD COLUMN declare, and for the table that CREATE TABLE … AS and REPLACE
    PARTITION … FROM take from.
    """
    from clickhouse_connect.driver.binding import quote_identifier

    return ".".join(map(quote_identifier, names))


# Addresses and errors


def _database(dsn: str) -> str:
    """The database that an address names.

    >>> _database("clickhouse://host:8123/sales")
    'sales'
    """
    try:
        parts = urlsplit(dsn)
        # What stands before an `@` is a password, cut off by one of its own characters.
        stray = parts.scheme != "chdb" and "@" in f"{parts.path}{parts.query}{parts.fragment}"
        readable = parts.scheme in _SCHEMES and parts.port != 0 and not stray
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
    """A client; that of a server waits for it only as long as it is at work."""
    parts = urlsplit(dsn)
    if parts.scheme == "chdb":
        return _client(dsn)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _require_known(options)
    # The database may not be there yet.
    dsn = parts._replace(path="").geturl()
    # Of an option that is there twice, the driver takes the first.
    soon = f"connect_timeout={silence.ANSWER}&send_receive_timeout={silence.ANSWER}"
    asking = parts._replace(path="", query=f"{soon}&{parts.query}").geturl()
    client = _http_client(dsn)
    patience = float(options.get("send_receive_timeout", silence.ELSEWHERE))
    silence.attend(client, lambda: _http_client(asking), patience)
    return client


def _http_client(dsn: str) -> "HttpClient":
    # With connections of its own; how long it waits for the first answers, unless the address says.
    opened = _client(dsn, dedicated_pool=True, send_receive_timeout=silence.SILENCE)
    return cast("HttpClient", opened)


def _client(dsn: str, **options: Any) -> "Client":
    import clickhouse_connect

    # The driver raises what it logs, too.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    parts = urlsplit(dsn)
    # The driver looks at the port alone, and would speak plain HTTP but at 443 and 8443.
    interface = {"http": "http", "https": "https", "clickhouses": "https"}.get(parts.scheme)
    try:
        with in_universal_time():
            return clickhouse_connect.get_client(
                dsn=dsn,
                interface=interface,
                tz_mode="aware",
                show_clickhouse_errors="scrub",
                **options,
            )
    except (TypeError, ValueError) as error:
        # Of the values of its options, which the driver takes as they are.
        raise SettingsError(
            f"VITRINA_CLICKHOUSE_DSN: {redacted(str(error), parts.password, user=parts.username)}"
        ) from error


def _require_known(options: Iterable[str]) -> None:
    """Refuse options of an address that the driver does not have; their values are not shown."""
    for option in options:
        if option not in _OPTIONS:
            near = difflib.get_close_matches(option, _OPTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_OPTIONS)}"
            raise SettingsError(
                f"VITRINA_CLICKHOUSE_DSN: {option!r} is no option of an address; {hint}"
            )


def _of_the_system(error: BaseException | None) -> OSError | None:
    """What the operating system said, or TLS: the driver's own text leaves it out."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def translated(dsn: str) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line and without the password."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ClickHouseError, HTTPError) as error:
        parts = urlsplit(dsn)
        text = next(iter(str(error).splitlines()), "") or type(error).__name__
        options = dict(parse_qsl(parts.query))
        text = redacted(text, parts.password, options.get("access_token"), user=parts.username)
        name, code = getattr(error, "name", None), getattr(error, "code", None)
        lost = isinstance(error, (OperationalError, HTTPError)) and code is None
        # A program other than Vitrina can have the folder open: the lock is ours alone.
        if "Unable to open the chdb engine" in text:
            raise StoreUnavailable(
                f"ClickHouse does not answer at its folder: {text}; end the program that has it "
                "open. If none has, the data are damaged: remove the folder, and run the batches "
                "again"
            ) from error
        if lost:
            where = parts.netloc.rpartition("@")[2]
            reason = _of_the_system(error) or text
            raise StoreUnavailable(f"ClickHouse does not answer at {where}: {reason}") from error
        raise (StoreUnavailable if name in _BUSY else StoreError)(f"ClickHouse: {text}") from error


def is_denied(error: StoreError) -> bool:
    """Whether the user lacks the right to do what was asked."""
    return getattr(error.__cause__, "name", None) in ("ACCESS_DENIED", "READONLY")
