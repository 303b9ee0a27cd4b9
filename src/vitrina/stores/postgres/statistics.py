"""What PostgreSQL's planner knows of the table of all sales, which autovacuum never analyzes.

Readers see the sales of one load, so it knows what it knows of the load that was published last.
To analyze the table would be to take another sample of the same sales.
"""

from datetime import date

from psycopg import sql

from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.staging import partition_of
from vitrina.stores.postgres.tables import SALE, by_load

# What `pg_stats` says of a column, each with the type in which PostgreSQL takes it back.
_OF_A_COLUMN = {
    "null_frac": "real",
    "avg_width": "integer",
    "n_distinct": "real",
    "most_common_vals": "text",
    "most_common_freqs": "real[]",
    "histogram_bounds": "text",
    "correlation": "real",
}


def inform_planner(session: Session, as_of: date, load_id: int) -> None:
    """Let the planner expect of all sales what it knows of these, which their load analyzed."""
    if session.connection.info.server_version < 18_00_00:
        session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(by_load(SALE))))
        return
    target = sql.SQL("'schemaname', {}::text, 'relname', {}::text").format(
        session.schema, by_load(SALE)
    )
    columns = sql.SQL(", ").join(
        sql.SQL("{}, {}::{}").format(name, sql.Identifier(name), sql.SQL(type_))
        for name, type_ in _OF_A_COLUMN.items()
    )
    source = {"schema": session.schema, "name": partition_of(as_of, load_id), "target": target}
    # As ANALYZE does, no pages: those are the partitions'.
    session.execute(
        sql.SQL(
            "SELECT pg_restore_relation_stats({target}, 'relpages', -1, 'reltuples', reltuples) "
            "FROM pg_class WHERE oid = to_regclass(format('%I.%I', {schema}::text, {name}::text))"
        ).format(**source)
    )
    session.execute(
        sql.SQL(
            "SELECT pg_restore_attribute_stats({target}, 'attname', attname::text, "
            "'inherited', true, {columns}) FROM pg_stats "
            "WHERE schemaname = {schema} AND tablename = {name}"
        ).format(**source, columns=columns)
    )
