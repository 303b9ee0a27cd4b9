"""The version of the tables in PostgreSQL, and the changes that lead to the newest."""

from datetime import UTC, datetime

import psycopg

from vitrina import ledger
from vitrina.contract import Contract
from vitrina.stores import versions
from vitrina.stores.postgres.alter import add, rename
from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import VERSION
from vitrina.stores.postgres.to_loads import separate_loads
from vitrina.stores.postgres.views import put_views


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
    session.execute(VERSION.create_described())
    # No secret; and whoever may read the ledger has to know whether they can.
    session.execute("GRANT SELECT ON schema_version TO PUBLIC")
    _note(session, version, description)


def upgrade(session: Session, version: int, contract: Contract) -> None:
    """Bring tables of this version to the newest, within a transaction of the caller's.

    Raises:
        StoreError: the user does not own them, or has built something on them that cannot stay as
            it is; the text says what to do.
    """
    try:
        if not session.exists(versions.TABLE):
            create(session, version, "The tables of Vitrina 0.1.0")
        for number, change in versions.pending(version):
            for part in change.postgres:
                match part:
                    case versions.Rename():
                        rename(session, part.old, part.new)
                    case versions.Add():
                        add(session, part)
                    case versions.AddTotal():
                        for each in part.parts(contract):
                            add(session, each)
                    case versions.ByLoad():
                        separate_loads(session, contract)
            _note(session, number, change.description)
        put_views(session, contract)
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
