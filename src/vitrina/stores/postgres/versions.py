"""The version of the tables in PostgreSQL, and the changes that lead to the newest."""

from datetime import UTC, datetime

import psycopg
from psycopg import sql

from vitrina import ledger
from vitrina.contract import Contract
from vitrina.stores import versions
from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import VERSION, stored


def recorded(session: Session) -> int | None:
    """The version of the tables; None where there are none.

    Raises:
        StoreError: a newer Vitrina has changed them.
    """
    if session.exists(versions.TABLE):
        [(noted,)] = session.execute("SELECT max(version) FROM schema_version")
        version = int(noted)
    elif session.exists(ledger.BATCH):
        version = 1
    else:
        return None
    versions.require_known("PostgreSQL", version)
    return version


def has_ledger(session: Session) -> bool:
    """Whether there is a ledger to read.

    Raises:
        StoreError: there is, and its tables have another version.
    """
    version = recorded(session)
    if version is not None and version < versions.newest():
        raise versions.outdated("PostgreSQL", version)
    return version is not None


def create(session: Session, version: int, description: str) -> None:
    """Create the table that says which version the others have, and say it."""
    for statement in VERSION.statements():
        session.execute(statement)
    # No secret; and whoever may read the ledger has to know whether they can.
    session.execute("GRANT SELECT ON schema_version TO PUBLIC")
    _note(session, version, description)


def upgrade(session: Session, version: int, contract: Contract) -> None:
    """Bring tables of this version to the newest, within a transaction of the caller's.

    Raises:
        StoreError: the user does not own them; the text names the command to run.
    """
    try:
        if not session.exists(versions.TABLE):
            create(session, version, "The tables of Vitrina 0.1.0")
        for number, change in versions.pending(version):
            for part in change.postgres:
                match part:
                    case versions.Rename():
                        _rename(session, part)
                    case versions.Add():
                        _add(session, part)
                    case versions.AddTotal():
                        for each in part.parts(contract):
                            _add(session, each)
            _note(session, number, change.description)
    except psycopg.errors.InsufficientPrivilege as error:
        reason = error.diag.message_primary or ""
        raise versions.outdated("PostgreSQL", version, reason) from error


def _note(session: Session, version: int, description: str) -> None:
    session.execute(
        "INSERT INTO schema_version (version, description, applied_at) VALUES (%s, %s, %s)",
        version,
        description,
        datetime.now(UTC),
    )


def _rename(session: Session, change: versions.Rename) -> None:
    new = sql.Identifier(change.new)
    session.execute(
        sql.SQL("ALTER TABLE IF EXISTS {} RENAME TO {}").format(sql.Identifier(change.old), new)
    )
    # Named after the table by PostgreSQL, as they would be in a new one.
    for (name,) in session.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) "
        "AND starts_with(conname, %s)",
        change.new,
        f"{change.old}_",
    ):
        renamed = sql.Identifier(change.new + name.removeprefix(change.old))
        session.execute(
            sql.SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}").format(
                new, sql.Identifier(name), renamed
            )
        )


def _add(session: Session, change: versions.Add) -> None:
    table, column = sql.Identifier(change.table), stored(change.column)
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
    session.execute(column.comment(change.table))
