"""The version of the tables in ClickHouse, and the changes that lead to the newest."""

from datetime import UTC, datetime

from vitrina import ledger
from vitrina.columns import clickhouse_type
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.stores import versions
from vitrina.stores.clickhouse.session import Session, is_denied, quoted
from vitrina.stores.clickhouse.tables import VERSION


def recorded(session: Session) -> int | None:
    """The version of the tables; None where there are none.

    Raises:
        StoreError: a newer Vitrina has changed them.
    """
    noted = 0
    if session.exists(versions.TABLE):
        [(noted,)] = session.rows(
            "SELECT max(version) FROM {database:Identifier}.{table:Identifier}",
            table=versions.TABLE,
        )
    if not noted:
        # Of 0.1.0, or of a creation that was interrupted: for both, every change has to be made.
        return 1 if session.exists(ledger.BATCH) else None
    version = int(noted)
    versions.require_known("ClickHouse", version)
    return version


def upgrade(session: Session, version: int, contract: Contract) -> None:
    """Bring tables of this version to the newest; done again after an interruption, it goes on.

    Raises:
        StoreError: the user may not change them; the text names the command to run.
    """
    try:
        for number, change in versions.pending(version):
            for part in change.clickhouse:
                of_tables = part.parts(contract) if isinstance(part, versions.AddTotal) else [part]
                for each in of_tables:
                    _add(session, each)
            note(session, number, change.description)
    except StoreError as error:
        if is_denied(error):
            raise versions.outdated("ClickHouse", version, str(error)) from error
        raise


def note(session: Session, version: int, description: str) -> None:
    """Note that the tables have this version from now on."""
    VERSION.create(session)
    row = {"version": version, "description": description, "applied_at": datetime.now(UTC)}
    session.insert(versions.TABLE, [row])


def _add(session: Session, change: versions.Add) -> None:
    if not session.exists(change.table):
        return  # It will be created with all its columns.
    column = change.column
    # Rows that are there have the type's own default, NULL or 0, or what another column holds; the
    # default that says so is of no use to new rows, which come with every column.
    default = "" if change.like is None else f" DEFAULT {quoted(change.like)}"
    session.command(
        "ALTER TABLE {database:Identifier}.{table:Identifier}"
        f"{session.everywhere} ADD COLUMN IF NOT EXISTS "
        f"{quoted(column.name)} {clickhouse_type(column)}{default}",
        table=change.table,
    )
