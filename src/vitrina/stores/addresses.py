"""Where the tables of each store are, as others may be told: without user and password.

The embedded stores have no address; their data's folder stands for one.
"""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from vitrina.settings import Settings

_DATABASE = "vitrina"


class Address(NamedTuple):
    """`server` is `host:port`; `prefix` is what stands before a table's name, with its dot."""

    server: str
    prefix: str


def postgres_address(settings: Settings) -> Address:
    """Where PostgreSQL's tables are; `prefix` is the database and the schema."""
    from psycopg.conninfo import conninfo_to_dict

    from vitrina.stores.postgres.tables import SCHEMA

    if settings.postgres_dsn is None:
        return Address(f"localhost{settings.folder}/postgres", f"{_DATABASE}.{SCHEMA}.")
    named = conninfo_to_dict(settings.postgres_dsn.get_secret_value())
    database = named.get("dbname") or named.get("user") or _DATABASE
    host, port = named.get("host", "localhost"), named.get("port", 5432)
    return Address(f"{host}:{port}", f"{database}.{SCHEMA}.")


def clickhouse_address(settings: Settings) -> Address:
    """Where ClickHouse's tables are; `prefix` is the database."""
    if settings.clickhouse_dsn is None:
        return Address(f"localhost{settings.folder}/clickhouse", f"{_DATABASE}.")
    parts = urlsplit(settings.clickhouse_dsn.get_secret_value())
    database = unquote(parts.path.strip("/")) or _DATABASE
    return Address(f"{parts.hostname}:{parts.port or 8123}", f"{database}.")
