"""PostgreSQL's roles, where one owns the tables and another loads them; see `deploy/postgres`."""

from contextlib import suppress

from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from vitrina.errors import StoreError
from vitrina.stores.postgres.session import Session, open_session, translated
from vitrina.stores.postgres.tables import SALE, by_load

LOADER, READER = "vitrina_loader", "vitrina_reader"
_QUERIES = "vitrina_query"
"""Of the embedded server, where any role may log in: reads every table, and no file."""


def create_schema(dsn: str, schema: str) -> None:
    """Create a shop's schema, and give the loader and the reader the rights they have in others.

    The user of `dsn` will own the tables in it, and is a member of the loader's role. Where the
    schema is there, or the server has no such roles, nothing changes.

    Raises:
        StoreError: the user may not create it, or give rights on what the loader will own.
    """
    with open_session(dsn, schema) as session, translated(session.address):
        if not _is_owner_beside_roles(session):
            return
        if session.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema):
            return
        names = {
            "schema": sql.Identifier(schema),
            "loader": sql.Identifier(LOADER),
            "reader": sql.Identifier(READER),
        }
        with session.connection.transaction():
            session.execute(sql.SQL(_RIGHTS).format(**names))


def give_sales_to_loader(dsn: str, schema: str) -> None:
    """Make the loader the owner of `sale_by_load`: no other may give it a new partition.

    The user of `dsn` owns the table and is a member of the loader's role. Where the server has no
    such role, whoever made the tables loads them, and nothing changes.

    Raises:
        StoreError: the user may not give it away.
    """
    with open_session(dsn, schema) as session, translated(session.address):
        if session.execute(
            "SELECT 1 FROM pg_class AS c CROSS JOIN pg_roles AS r "
            "WHERE c.oid = to_regclass(%s) AND r.rolname = %s AND r.oid <> c.relowner",
            by_load(SALE),
            LOADER,
        ):
            session.execute(
                sql.SQL("ALTER TABLE {} OWNER TO {}").format(
                    sql.Identifier(by_load(SALE)), sql.Identifier(LOADER)
                )
            )


def for_queries(dsn: str, schema: str) -> str:
    """The address of the embedded server for a role that can do nothing but read tables.

    It logs in as that role: one that a superuser takes on could be left again by the query.
    """
    with open_session(dsn, schema) as session, translated(session.address):
        if not session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", _QUERIES):
            # Another process may be doing the same.
            with suppress(errors.DuplicateObject, errors.UniqueViolation):
                session.execute(
                    sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data").format(
                        sql.Identifier(_QUERIES)
                    )
                )
    return make_conninfo(dsn, user=_QUERIES)


def require_harmless(session: Session) -> None:
    """Refuse queries of a user whose rights reach beyond the tables of a server.

    Raises:
        StoreError: it may read or write the server's files, or run programs there.
    """
    with translated(session.address):
        beyond = session.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) "
            "AND pg_has_role(current_user, oid, 'MEMBER')",
            ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"],
        )
        [(user, is_superuser)] = session.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        )
    if is_superuser or beyond:
        what = "a superuser" if is_superuser else f"a member of {beyond[0][0]}"
        raise StoreError(
            f"{user} of PostgreSQL is {what}, whose queries reach the server's files; for queries, "
            "set VITRINA_POSTGRES_DSN to the address of a user without such rights, "
            f"{READER} for one"
        )


def let_loader_only_add(session: Session, table: str) -> None:
    """Take from the loader all rights on a table that was just made but to read and to insert.

    Where the server has no such role, whoever made the table loads it, and nothing changes.

    Raises:
        StoreError: the loader has made it, and would own it.
    """
    for (is_loader,) in session.execute(
        "SELECT rolname = current_user FROM pg_roles WHERE rolname = %s", LOADER
    ):
        if is_loader:
            raise StoreError(
                f"PostgreSQL: there is no table {session.schema}.{table} yet; "
                "run: vitrina migrate, as the user who owns the tables"
            )
        session.execute(
            sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE, MAINTAIN ON {} FROM {}").format(
                sql.Identifier(table), sql.Identifier(LOADER)
            )
        )


# As deploy/postgres/10-roles.sh gives them in the schema of the generated shop.
_RIGHTS = """
    CREATE SCHEMA {schema};
    GRANT USAGE, CREATE ON SCHEMA {schema} TO {loader};
    GRANT USAGE ON SCHEMA {schema} TO {reader};
    ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
        GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON TABLES TO {loader};
    ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader};
    ALTER DEFAULT PRIVILEGES FOR ROLE {loader} IN SCHEMA {schema}
        GRANT SELECT ON TABLES TO {reader}
"""


def _is_owner_beside_roles(session: Session) -> bool:
    return session.execute(
        "SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (%s, %s) AND rolname <> current_user",
        LOADER,
        READER,
    ) == [(True,)]
