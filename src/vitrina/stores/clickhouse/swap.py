"""How an import takes the place of an earlier one: the staged partition replaces its."""

from datetime import date

from vitrina.stores.clickhouse.session import Session, quoted
from vitrina.stores.clickhouse.staging import drop_staging, staging


def swap_in(session: Session, table: str, import_date: date) -> None:
    """Let what is staged take the place of the table's import of this date."""
    # REPLACE from an empty source is refused by some versions and ignored by others.
    if session.command(
        "SELECT count() FROM {database:Identifier}.{staging:Identifier}", staging=staging(table)
    ):
        database = session.client.database or ""
        session.command(
            "ALTER TABLE {database:Identifier}.{table:Identifier}"
            f"{session.everywhere} REPLACE PARTITION {{day:Date32}} "
            f"FROM {quoted(database, staging(table))}",
            table=table,
            day=import_date,
        )
    else:
        drop_import(session, table, import_date)
    drop_staging(session, table)


def drop_import(session: Session, table: str, import_date: date) -> None:
    """Take an import out of a table."""
    session.command(
        "ALTER TABLE {database:Identifier}.{table:Identifier}"
        f"{session.everywhere} DROP PARTITION {{day:Date32}}",
        table=table,
        day=import_date,
    )
