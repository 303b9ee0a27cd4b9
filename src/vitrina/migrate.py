"""`vitrina migrate`: make a shop's tables in both stores ready for this version of Vitrina.

Servers need it before the first step and after each upgrade where one role owns the tables in
PostgreSQL and another loads them, as in `deploy/`. Elsewhere the steps do the same by themselves.
"""

from dataclasses import dataclass

from vitrina.settings import Settings
from vitrina.store import Store
from vitrina.stores.addresses import schema
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.roles import create_schema, give_sales_to_loader
from vitrina.stores.postgres.store import Postgres
from vitrina.stores.versions import newest


@dataclass(frozen=True)
class Migrated:
    """The version of a store's tables before, None where it had none, and now."""

    store: str
    before: int | None
    now: int


def migrate(settings: Settings, store: Store) -> list[Migrated]:
    """Create every table of a shop that is absent, and upgrade those of an older version.

    In both stores. Where PostgreSQL has the roles of `deploy/`, a new schema gets their rights.

    Raises:
        StoreError: a table is there with other columns, the user may not change it, or a newer
            Vitrina has changed it.
        StoreUnavailable: a store cannot be reached, or is in use for too long.
    """
    dsn = settings.postgres_dsn
    if dsn is not None:
        create_schema(dsn.get_secret_value(), schema(store))
    with open_postgres(settings, store) as postgres:
        done = [_migrate("PostgreSQL", postgres, store)]
    if dsn is not None:
        give_sales_to_loader(dsn.get_secret_value(), schema(store))
    with open_clickhouse(settings, store) as clickhouse:
        done.append(_migrate("ClickHouse", clickhouse, store))
    return done


def _migrate(name: str, tables: Postgres | ClickHouse, store: Store) -> Migrated:
    before = tables.version()
    tables.create_tables(store.contract)
    return Migrated(name, before, newest())
