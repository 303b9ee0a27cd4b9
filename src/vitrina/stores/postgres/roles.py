"""PostgreSQL's roles, where one owns the tables and another loads them; see `deploy/postgres`."""

from psycopg import sql

from vitrina.stores.postgres.session import open_session, translated

LOADER = "vitrina_loader"


def give_sale_to_loader(dsn: str) -> None:
    """Make the loader the owner of `sale`: no other may give it a new partition.

    The user of `dsn` owns `sale` and is a member of the loader's role. Where the server has no
    such role, whoever made the tables loads them, and nothing changes.

    Raises:
        StoreError: the user may not give it away.
    """
    with open_session(dsn) as session, translated(session.address):
        if session.execute(
            "SELECT 1 FROM pg_class AS c CROSS JOIN pg_roles AS r WHERE c.oid = 'sale'::regclass "
            "AND r.rolname = %s AND r.oid <> c.relowner",
            LOADER,
        ):
            session.execute(sql.SQL("ALTER TABLE sale OWNER TO {}").format(sql.Identifier(LOADER)))
