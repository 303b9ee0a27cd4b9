"""The table beside a table, in which an import is staged before it takes its place."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from vitrina.stores.clickhouse.cluster import staging_engine
from vitrina.stores.clickhouse.session import Session, quoted


def staging(table: str) -> str:
    """The name of the table in which a table's next import is staged."""
    return f"{table}_staging"


def stage_arrow(session: Session, table: str, rows: pa.Table) -> None:
    """Stage rows of Arrow; no reader of the table sees them yet."""
    create_staging(session, table)
    session.insert_arrow(staging(table), rows)
    _wait_for_replicas(session, table)


def stage_rows(session: Session, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Stage rows whose columns are named; no reader of the table sees them yet."""
    create_staging(session, table)
    session.insert(staging(table), rows)
    _wait_for_replicas(session, table)


def create_staging(session: Session, table: str) -> None:
    """Create an empty staging table like the table."""
    # Made anew: what a killed run left may have the shape of another contract.
    drop_staging(session, table)
    database = session.client.database or ""
    statement = (
        "CREATE TABLE {database:Identifier}.{staging:Identifier}"
        f"{session.everywhere} AS {quoted(database, table)}"
    )
    if session.cluster is not None:
        # Taken over from the table, its place in Keeper would be the table's.
        [(order,)] = session.rows(
            "SELECT sorting_key FROM system.tables "
            "WHERE database = {database:String} AND name = {table:String}",
            table=table,
        )
        statement += (
            f" ENGINE = {staging_engine(session.cluster)} "
            f"PARTITION BY import_date ORDER BY ({order})"
        )
    session.command(statement, staging=staging(table))


def drop_staging(session: Session, table: str) -> None:
    session.command(
        "DROP TABLE IF EXISTS {database:Identifier}.{staging:Identifier}"
        f"{session.everywhere} SYNC",
        staging=staging(table),
    )


def _wait_for_replicas(session: Session, table: str) -> None:
    """Wait until each server has the staged rows: any of them may swap them in."""
    if session.cluster is not None:
        session.command(
            f"SYSTEM SYNC REPLICA{session.everywhere} "
            "{database:Identifier}.{staging:Identifier}",
            staging=staging(table),
        )
