"""The chain of manifests: links are added to its end, and none is ever changed."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple
from datetime import date

from psycopg import sql
from psycopg.rows import class_row

from vitrina.ledger import MANIFEST, MANIFEST_COLUMNS, Manifest
from vitrina.stores.postgres.session import Session, columns

_NAMES = tuple(column.name for column in MANIFEST_COLUMNS)


def read(session: Session) -> list[Manifest]:
    """The links in their order; none where there is no table yet."""
    if not session.exists(MANIFEST):
        return []
    query = sql.SQL("SELECT {} FROM {} ORDER BY sequence").format(
        columns(_NAMES), sql.Identifier(MANIFEST)
    )
    with session.connection.cursor(row_factory=class_row(Manifest)) as cursor:
        return cursor.execute(query).fetchall()


def append(
    session: Session,
    as_of: date,
    document: Callable[[int, str | None], str],
    known: Iterable[Manifest],
) -> Manifest:
    """Add a link, whose document is made of its sequence and the SHA-256 of the link before.

    `known` are links that are kept elsewhere: those after the last one here are added first.
    """
    with session.connection.transaction():
        # Two publications at once would otherwise both follow the same link.
        session.execute(
            sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(MANIFEST))
        )
        last = session.execute(
            sql.SQL("SELECT sequence, sha256 FROM {} ORDER BY sequence DESC LIMIT 1").format(
                sql.Identifier(MANIFEST)
            )
        )
        sequence, previous = last[0] if last else (0, None)
        for link in sorted(known, key=lambda each: each.sequence):
            if (link.sequence, link.previous) == (sequence + 1, previous):
                _insert(session, link)
                sequence, previous = link.sequence, link.sha256
        text = document(sequence + 1, previous)
        digest = hashlib.sha256(text.encode()).hexdigest()
        link = Manifest(sequence + 1, as_of, digest, previous, text)
        _insert(session, link)
    return link


def _insert(session: Session, link: Manifest) -> None:
    session.insert(MANIFEST, dict(zip(_NAMES, astuple(link), strict=True)))
