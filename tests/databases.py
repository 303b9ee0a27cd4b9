"""Databases of a test's own on a PostgreSQL server."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


@contextmanager
def new_database(server: str, name: str, copied: str = "template1") -> Iterator[str]:
    """The address of a database, which is there until the block ends.

    It is empty, or a copy of one that nobody has open.
    """
    identifier = sql.Identifier(name)
    # Copying its files is half the work of writing each of its pages to the log.
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        identifier, sql.Identifier(copied)
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create)
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
