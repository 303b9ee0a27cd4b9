"""`vitrina migrate`: make both stores' tables ready for this version of Vitrina.

Servers need it before the first step and after each upgrade where one role owns the tables in
PostgreSQL and another loads them, as in `deploy/`. Elsewhere the steps do the same by themselves.
"""

from dataclasses import dataclass

from vitrina.settings import Settings
from vitrina.store import Store
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.store import Postgres
from vitrina.stores.versions import newest


@dataclass(frozen=True)
class Migrated:
    """The version of a store's tables before, None where it had none, and now."""

    store: str
    before: int | None
    now: int


def migrate(settings: Settings, store: Store) -> list[Migrated]:
    """Create each of a store's tables that is absent, and upgrade those of an older version.

    Raises:
        StoreError: a table is there with other columns, the user may not change it, or a newer
            Vitrina has changed it.
        StoreUnavailable: a store cannot be reached, or is in use for too long.
    """
    with open_postgres(settings, store) as postgres:
        done = [_migrate("PostgreSQL", postgres, store)]
    if settings.postgres_dsn is not None:
        from vitrina.stores.postgres.roles import give_sale_to_loader

        give_sale_to_loader(settings.postgres_dsn.get_secret_value())
    with open_clickhouse(settings, store) as clickhouse:
        done.append(_migrate("ClickHouse", clickhouse, store))
    return done


def _migrate(name: str, database: Postgres | ClickHouse, store: Store) -> Migrated:
    before = database.version()
    database.create_tables(store.contract)
    return Migrated(name, before, newest())
