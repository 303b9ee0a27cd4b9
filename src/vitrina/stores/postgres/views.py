"""The views that people read: created where absent, replaced where their columns change."""

from collections.abc import Collection

import psycopg

from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.stores.postgres.catalog import described, rights_on
from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import View, views


def are_put(session: Session, contract: Contract) -> bool:
    """Whether there is nothing for `put_views` to do."""
    return not _outdated(session, contract)


def put_views(session: Session, contract: Contract, new_tables: Collection[str] = ()) -> None:
    """Let each view be as declared, and be of the table that is there now.

    Those who had rights on a view, or on the table of a new one, have them on the view.

    Raises:
        StoreError: something else has its name, or something of the user's depends on a view that
            has to be replaced.
    """
    for view, replaces in _outdated(session, contract, new_tables):
        _put(session, view, replaces=replaces)


def _outdated(
    session: Session, contract: Contract, new_tables: Collection[str] = ()
) -> list[tuple[View, bool]]:
    """The views that have to be created, and whether there is one to be replaced."""
    declared = views(contract)
    found = described(session, [name for view in declared for name in (view.name, view.table)])
    outdated = []
    for view in declared:
        there = found.get(view.name)
        if view.table in found and (
            there is None or not view.is_as(session.schema, *there) or view.table in new_tables
        ):
            outdated.append((view, there is not None))
    return outdated


def _put(session: Session, view: View, *, replaces: bool) -> None:
    rights = rights_on(session, view.name if replaces else view.table, view.name)
    try:
        if replaces:
            session.execute(view.drop())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise StoreError(
            f"{session.schema}.{view.name} gets other columns, and this is built on it: "
            f"{' '.join((error.diag.message_detail or '').split())}; drop that, run: "
            "vitrina migrate, and create it again"
        ) from error
    for statement in (view.create_described(), *rights):
        session.execute(statement)
