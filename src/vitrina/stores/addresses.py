"""Where a shop's batches are in the lake, and its tables in PostgreSQL and ClickHouse.

As others may be told, that is without user and password. The embedded servers have no address;
their data's folder stands for one.
"""

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from vitrina.store import Store

if TYPE_CHECKING:
    from vitrina.settings import Settings

SCHEMA = "vitrina"
"""The schema of the generated shop in PostgreSQL."""
SOCKETS = "/tmp/vitrina-"  # noqa: S108
"""How the folder of an embedded PostgreSQL's socket begins, which is the host of its address."""
_DATABASE = "vitrina"


def lake_root(settings: "Settings", store: Store) -> str:
    """The folder of a shop's batches in the lake; the generated shop's are at its top."""
    if store.is_generated:
        return settings.lake_root
    return f"{settings.lake_root}/stores/{store.name}"


def schema(store: Store) -> str:
    """The schema of a shop's tables in PostgreSQL."""
    return SCHEMA if store.is_generated else f"store_{store.name}"


def database(store: Store) -> str | None:
    """The database of a shop's tables in ClickHouse; None for the one that the address names."""
    return None if store.is_generated else f"store_{store.name}"


class Address(NamedTuple):
    """`server` is `host:port`; `prefix` is what stands before a table's name, with its dot."""

    server: str
    prefix: str


def postgres_address(settings: "Settings", store: Store) -> Address:
    """Where PostgreSQL's tables are; `prefix` is the database and the schema."""
    from psycopg.conninfo import conninfo_to_dict

    if settings.postgres_dsn is None:
        return Address(f"localhost{settings.folder}/postgres", f"{_DATABASE}.{schema(store)}.")
    named = conninfo_to_dict(settings.postgres_dsn.get_secret_value())
    of_server = named.get("dbname") or named.get("user") or _DATABASE
    host, port = named.get("host", "localhost"), named.get("port", 5432)
    return Address(f"{host}:{port}", f"{of_server}.{schema(store)}.")


def clickhouse_address(settings: "Settings", store: Store) -> Address:
    """Where ClickHouse's tables are; `prefix` is the database."""
    own = database(store)
    if settings.clickhouse_dsn is None:
        return Address(f"localhost{settings.folder}/clickhouse", f"{own or _DATABASE}.")
    parts = urlsplit(settings.clickhouse_dsn.get_secret_value())
    named = own or unquote(parts.path.strip("/")) or _DATABASE
    return Address(f"{parts.hostname}:{parts.port or 8123}", f"{named}.")
