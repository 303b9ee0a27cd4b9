"""Changes of tables that are there."""

from psycopg import sql

from vitrina.stores import versions
from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import by_load, stored


def rename(session: Session, old: str, new: str) -> None:
    """Give a table another name, if it is there, and its constraints the names that go with it."""
    session.execute(
        sql.SQL("ALTER TABLE IF EXISTS {} RENAME TO {}").format(
            sql.Identifier(old), sql.Identifier(new)
        )
    )
    rename_constraints(session, new, old)


def rename_constraints(session: Session, table: str, old: str) -> None:
    """Name the constraints after their table, which PostgreSQL has named after another.

    As they would be in a new table.
    """
    for (name,) in session.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) "
        "AND starts_with(conname, %s) AND NOT starts_with(conname, %s)",
        table,
        f"{old}_",
        f"{table}_",
    ):
        session.execute(
            sql.SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}").format(
                sql.Identifier(table),
                sql.Identifier(name),
                sql.Identifier(table + name.removeprefix(old)),
            )
        )


def add(session: Session, change: versions.Add) -> None:
    """Give a table another column; where readers see a view of it, give it to the table behind."""
    behind = by_load(change.table)
    name = behind if session.exists(behind) else change.table
    table, column = sql.Identifier(name), stored(change.column)
    session.execute(
        sql.SQL("ALTER TABLE {} ADD COLUMN {}{}").format(
            table, column.declaration(), sql.SQL("" if column.nullable else " DEFAULT 0")
        )
    )
    if change.like is not None:
        session.execute(
            sql.SQL("UPDATE {} SET {} = {}").format(
                table, sql.Identifier(column.name), sql.Identifier(change.like)
            )
        )
    if not column.nullable:
        # For the rows that are there; a new one without a value is a mistake.
        session.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT").format(
                table, sql.Identifier(column.name)
            )
        )
    session.execute(column.comment(name))
