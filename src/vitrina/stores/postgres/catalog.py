"""What PostgreSQL's catalogue says of tables and views: their columns, and who may do what."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import TableColumn


class Described(NamedTuple):
    kind: str
    """`pg_class.relkind`."""
    columns: dict[str, TableColumn]


def described(session: Session, names: Sequence[str]) -> dict[str, Described]:
    """Those of the schema's tables and views that are there, by name."""
    found: dict[str, Described] = {}
    for name, kind, column, type_, is_nullable in session.execute(
        "SELECT c.relname, c.relkind::text, a.attname, "
        "format_type(a.atttypid, a.atttypmod), NOT a.attnotnull FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a "
        "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE n.nspname = %s AND c.relname = ANY(%s) ORDER BY a.attnum",
        session.schema,
        list(names),
    ):
        there = found.setdefault(name, Described(kind, {}))
        there.columns[column] = TableColumn(column, type_, nullable=is_nullable)
    return found


def rights_on(session: Session, name: str, target: str) -> list[sql.Composed]:
    """What gives others the rights on `target` that they have on the table or view `name`."""
    rows = session.execute(
        "SELECT privilege_type, attname, CASE grantee WHEN 0 THEN NULL "
        "ELSE pg_get_userbyid(grantee) END, is_grantable FROM ("
        "SELECT relowner, NULL AS attname, (aclexplode(relacl)).* FROM pg_class "
        "WHERE oid = to_regclass(%s) "
        "UNION ALL SELECT relowner, attname, (aclexplode(attacl)).* FROM pg_class "
        "JOIN pg_attribute ON attrelid = pg_class.oid WHERE pg_class.oid = to_regclass(%s)"
        ") AS rights WHERE grantee <> relowner",
        name,
        name,
    )
    return [
        sql.SQL("GRANT {}{} ON {} TO {}{}").format(
            # A word of PostgreSQL's own.
            sql.SQL(privilege),
            sql.SQL("" if column is None else "({})").format(sql.Identifier(column or "")),
            sql.Identifier(target),
            sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
            sql.SQL(" WITH GRANT OPTION" if is_grantable else ""),
        )
        for privilege, column, role, is_grantable in rows
    ]


def built_on(session: Session, names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """What others have built on these tables, of these of the catalogue's kinds, in words.

    `pg_rewrite` stands for views, `pg_class` for indexes without a constraint.
    """
    rows = session.execute(
        "SELECT DISTINCT CASE WHEN r.oid IS NULL THEN pg_describe_object(d.classid, d.objid, 0) "
        "ELSE pg_describe_object('pg_class'::regclass, r.ev_class, 0) END FROM pg_depend AS d "
        "LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
        "LEFT JOIN pg_class AS i ON d.classid = 'pg_class'::regclass AND i.oid = d.objid "
        "LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid "
        "WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('n', 'a') "
        "AND d.refobjid = ANY(SELECT to_regclass(name) FROM unnest(%s::text[]) AS name) "
        "AND d.classid::regclass::text = ANY(%s) AND (i.oid IS NULL OR i.relkind IN ('i', 'I')) "
        "AND NOT coalesce(t.tgisinternal, false) ORDER BY 1",
        list(names),
        list(kinds),
    )
    return [name for (name,) in rows]
