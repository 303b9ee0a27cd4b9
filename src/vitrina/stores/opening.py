"""Opening a store: the server that the settings name, else the embedded one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from vitrina.store import Store
from vitrina.stores.addresses import database, schema

if TYPE_CHECKING:
    from vitrina.settings import Settings
    from vitrina.stores.clickhouse.store import ClickHouse
    from vitrina.stores.postgres.store import Postgres

# Drivers and engines are imported when a store is opened: none survives a fork.


@contextmanager
def open_postgres(settings: "Settings", store: Store) -> Iterator["Postgres"]:
    """PostgreSQL, in the shop's schema; the embedded server runs as long as somebody has it open.

    Raises:
        StoreError: the address cannot be read, or the embedded server's data are not ours to
            use.
        StoreUnavailable: it cannot be reached or started, or does not let this user in.
    """
    with ExitStack() as opened:
        if settings.postgres_dsn is not None:
            dsn = settings.postgres_dsn.get_secret_value()
        else:
            from vitrina.stores.postgres.embedded import embedded_postgres

            dsn = opened.enter_context(embedded_postgres(settings.folder / "postgres"))
        # After the server's start, which needs none of it: a thread may import it meanwhile.
        from vitrina.stores.postgres.store import postgres

        yield opened.enter_context(postgres(dsn, schema(store), settings.postgres_keep))


def require_owner(settings: "Settings") -> None:
    """Refuse to work in the home folder of another user, before anything is written there.

    A server's data are its own matter.

    Raises:
        StoreError: the embedded PostgreSQL, or the folder that holds it, is another user's.
    """
    if settings.postgres_dsn is None:
        from vitrina.stores.postgres.embedded import require_owner

        require_owner(settings.folder / "postgres")


@contextmanager
def open_postgres_for_queries(settings: "Settings", store: Store) -> Iterator["Postgres"]:
    """PostgreSQL for queries of a user's own, which can read tables and reach nothing else.

    Of the embedded server it is a role that only reads; of another, the user of the address.

    Raises:
        StoreError: that user's rights reach beyond the tables; else as `open_postgres`.
        StoreUnavailable: as `open_postgres`.
    """
    from vitrina.stores.postgres.roles import for_queries, require_harmless
    from vitrina.stores.postgres.session import open_session
    from vitrina.stores.postgres.store import Postgres

    with ExitStack() as opened:
        if settings.postgres_dsn is not None:
            dsn = settings.postgres_dsn.get_secret_value()
        else:
            from vitrina.stores.postgres.embedded import embedded_postgres

            embedded = opened.enter_context(embedded_postgres(settings.folder / "postgres"))
            dsn = for_queries(embedded, schema(store))
        session = opened.enter_context(open_session(dsn, schema(store)))
        require_harmless(session)
        yield Postgres(session, settings.postgres_keep)


@contextmanager
def open_clickhouse(settings: "Settings", store: Store) -> Iterator["ClickHouse"]:
    """ClickHouse, in the shop's database; the embedded one belongs to one process at a time.

    Raises:
        SettingsError: the address cannot be read, or the embedded engine cannot use the folder.
        StoreError: the server refuses the user, or to create the database.
        StoreUnavailable: it cannot be reached, or another process has it open.
    """
    from vitrina.stores.clickhouse.store import clickhouse

    if settings.clickhouse_dsn is not None:
        address = settings.clickhouse_dsn.get_secret_value()
        with clickhouse(address, settings.clickhouse_cluster, database(store)) as opened:
            yield opened
        return
    from vitrina.stores.clickhouse.embedded import embedded_clickhouse

    with (
        embedded_clickhouse(settings.folder / "clickhouse") as dsn,
        clickhouse(dsn, database=database(store)) as opened,
    ):
        yield opened


def last_opened(settings: "Settings") -> int | None:
    """A number that changes whenever somebody opens the embedded ClickHouse; None for a server.

    To look whether it may have new rows without opening it, since only one process can.
    """
    if settings.clickhouse_dsn is not None:
        return None
    from vitrina.stores.clickhouse.embedded import lock_of

    lock = lock_of(settings.folder / "clickhouse")
    return lock.stat().st_mtime_ns if lock.exists() else 0
