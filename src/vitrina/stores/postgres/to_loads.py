"""The change of version 5: each table's rows belong to a load, and views show one of them.

The sales that are in PostgreSQL become a load. None of them is written again.
"""

from collections.abc import Sequence

from psycopg import sql

from vitrina import ledger
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.marts import marts
from vitrina.stores.postgres.alter import rename, rename_constraints
from vitrina.stores.postgres.catalog import built_on, rights_on
from vitrina.stores.postgres.session import Session, columns
from vitrina.stores.postgres.staging import (
    attach,
    partition_of,
    prove_which_load,
    say_which_load,
)
from vitrina.stores.postgres.tables import (
    GOES_WITH_ITS_LOAD,
    KEPT,
    LISTED,
    LOAD,
    LOAD_OF_BATCH,
    ONE_IS_LISTED,
    SALE,
    TableColumn,
    by_load,
)

_BATCH = sql.Identifier(by_load(ledger.BATCH))


def separate_loads(session: Session, contract: Contract) -> None:
    """Make the tables of version 5 from those of version 4, within a transaction of the caller's.

    Raises:
        StoreError: what the user has built on a table would be lost, or would see all loads.
    """
    of_marts = [mart for mart in marts(contract) if session.exists(mart.name)]
    _refuse_what_others_built(session, [*ledger.NAMES, *(mart.name for mart in of_marts)])
    _drop_leftovers(session)
    _separate_batches(session)
    for table in ledger.tables(contract):
        if table.name != ledger.BATCH:
            _separate_rows_of_ledger(session, table)
    for mart in of_marts:
        _separate_mart(session, mart.name, mart.key)
    if session.exists(SALE):
        _separate_sales(session)


def _refuse_what_others_built(session: Session, names: Sequence[str]) -> None:
    found = built_on(session, [SALE, *names], ("pg_rewrite", "pg_policy", "pg_proc"))
    # Of the other tables these stay.
    found += built_on(
        session, [SALE], ("pg_class", "pg_trigger", "pg_publication_rel", "pg_statistic_ext")
    )
    if found:
        raise StoreError(
            f"PostgreSQL: built on tables that are to become views: {', '.join(found)}; note how "
            "each was made and drop it, run: vitrina migrate, and make it again, an index or a "
            f"trigger on {by_load(SALE)}"
        )


def _drop_leftovers(session: Session) -> None:
    """Drop what loads of an older Vitrina that were killed have staged."""
    for (name,) in session.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
        "AND relkind IN ('r', 'p') AND NOT relispartition "
        "AND relname ~ '^sale_[0-9]{8}_[0-9a-f]{8}$'",
        session.schema,
    ):
        # Its months too.
        session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def _separate_batches(session: Session) -> None:
    rename(session, ledger.BATCH, by_load(ledger.BATCH))
    for column in (LOAD_OF_BATCH, KEPT, LISTED):
        default = sql.SQL("" if column.is_identity else "DEFAULT false")
        _add(session, by_load(ledger.BATCH), column, default)
    for column in (KEPT, LISTED):
        session.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT").format(
                _BATCH, sql.Identifier(column.name)
            )
        )
    # With what refers to it.
    session.execute(
        sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE, ADD PRIMARY KEY (load_id)").format(
            _BATCH, _key_of(ledger.BATCH)
        )
    )
    # A batch without marts has not been whole yet, so nobody is shown it.
    session.execute(
        sql.SQL(
            "UPDATE {} SET is_listed = true, is_kept = is_current, "
            "is_current = is_current AND analyzed_at IS NOT NULL"
        ).format(_BATCH)
    )
    session.execute(sql.SQL("ALTER TABLE {} ADD {}").format(_BATCH, ONE_IS_LISTED))


def _separate_rows_of_ledger(session: Session, table: ledger.LedgerTable) -> None:
    name = by_load(table.name)
    rename(session, table.name, name)
    identifier = sql.Identifier(name)
    session.execute(sql.SQL("ALTER TABLE {} ADD COLUMN load_id integer").format(identifier))
    session.execute(
        sql.SQL(
            "UPDATE {0} SET load_id = of.load_id FROM {1} AS of WHERE of.as_of = {0}.as_of"
        ).format(identifier, _BATCH)
    )
    session.execute(
        sql.SQL(
            "ALTER TABLE {} DROP COLUMN as_of, ALTER COLUMN load_id SET NOT NULL, "
            "ADD PRIMARY KEY (load_id, {}), ADD {}"
        ).format(
            identifier,
            columns(column for column in table.names if column in table.key),
            GOES_WITH_ITS_LOAD,
        )
    )
    session.execute(LOAD.comment(name))


def _separate_mart(session: Session, name: str, key: Sequence[str]) -> None:
    rename(session, name, by_load(name))
    table = sql.Identifier(by_load(name))
    shown = session.execute(sql.SQL("SELECT load_id FROM {} WHERE is_current").format(_BATCH))
    if not shown:
        # Those of a batch whose sales are here no more.
        session.execute(sql.SQL("DELETE FROM {}").format(table))
    [(load_id,)] = shown or [(0,)]
    _add(session, by_load(name), LOAD, sql.SQL("DEFAULT {}").format(load_id))
    session.execute(
        sql.SQL(
            "ALTER TABLE {} ALTER COLUMN load_id DROP DEFAULT, DROP CONSTRAINT {}, "
            "ADD PRIMARY KEY (load_id, {})"
        ).format(table, _key_of(name), columns(key))
    )


def _separate_sales(session: Session) -> None:
    new, old = sql.Identifier(by_load(SALE)), sql.Identifier(SALE)
    session.execute(
        sql.SQL(
            "CREATE TABLE {} (LIKE {} INCLUDING COMMENTS, load_id integer NOT NULL) "
            "PARTITION BY LIST (load_id)"
        ).format(new, old)
    )
    rename_constraints(session, by_load(SALE), SALE)
    session.execute(LOAD.comment(by_load(SALE)))
    for right in rights_on(session, SALE, by_load(SALE)):
        session.execute(right)
    kept = session.execute(sql.SQL("SELECT as_of, load_id FROM {} WHERE is_kept").format(_BATCH))
    partitions = session.execute(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'sale'::regclass"
    )
    # There is no more than one.
    for (partition,), (as_of, load_id) in zip(partitions, kept, strict=False):
        session.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(old, sql.Identifier(partition))
        )
        name = partition_of(as_of, load_id)
        rename(session, partition, name)
        say_which_load(session, name, load_id)
        prove_which_load(session, name)
        attach(session, name, load_id)
    session.execute(sql.SQL("DROP TABLE {}").format(old))


def _add(
    session: Session, table: str, column: TableColumn, default: sql.SQL | sql.Composed
) -> None:
    session.execute(
        sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
            sql.Identifier(table), column.declaration(), default
        )
    )
    session.execute(column.comment(table))


def _key_of(name: str) -> sql.Identifier:
    """The primary key that a table had under another name."""
    return sql.Identifier(f"{by_load(name)}_pkey")
