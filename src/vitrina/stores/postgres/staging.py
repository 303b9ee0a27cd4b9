"""The table in which new sales are staged, whole and keyed, before it becomes a partition.

In the order of a load: create, copy, say which load they are of, key, prove that, attach.

If the settings say so, sales are kept by month, in partitions of the partition. PostgreSQL keeps a
key unique over partitions only if the key holds what they are partitioned by, which `sale_id` does
not: so each month has a key of its own, and that no id is in two months is checked once.
"""

from datetime import date
from itertools import pairwise

from psycopg import sql

from vitrina.errors import StoreError
from vitrina.store import Batch
from vitrina.stores.postgres.session import Session
from vitrina.stores.postgres.tables import SALE, by_load, sales_of_a_load

# For the search for an id in two months: read in order and sort, on two cores. The keys' own
# order would lead to each row by itself, since it is not known yet that all can be seen.
_SEARCH = {
    "max_parallel_workers_per_gather": "2",
    "work_mem": "64MB",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_hashagg": "off",
}


def partition_of(as_of: date, load_id: int) -> str:
    """The name of the table with the sales of a load, before it is a partition and after."""
    return f"sale_{as_of:%Y%m%d}_{load_id}"


def create_staging(session: Session, batch: Batch, load_id: int, *, monthly: bool) -> str:
    """Create an empty table for sales, in one piece or with a partition a month; its name."""
    name = partition_of(batch.as_of, load_id)
    staging = sql.Identifier(name)
    create = sales_of_a_load(name, batch.contract).create()
    if not monthly:
        session.execute(create)
        return name
    with session.connection.transaction():
        session.execute(create + sql.SQL("PARTITION BY RANGE (sale_date)"))
        for month, following in months(batch):
            session.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(f"{name}_{month:%Y%m}"), staging, month, following
                )
            )
    return name


def months(batch: Batch) -> list[tuple[date, date]]:
    """Each month of a batch's window, as its first day and that of the month after it."""
    starts = [batch.first_day.replace(day=1)]
    while starts[-1] < batch.as_of:
        year, month = divmod(starts[-1].year * 12 + starts[-1].month, 12)
        starts.append(date(year, month + 1, 1))
    return list(pairwise(starts))


def say_which_load(session: Session, staging: str, load_id: int) -> None:
    """Give the copied sales their `load_id`.

    The rows stay as they are, and take no more room: PostgreSQL notes a column's value once for
    all rows that are there when it is added.
    """
    session.execute(
        sql.SQL(
            "ALTER TABLE {} ADD COLUMN load_id integer NOT NULL DEFAULT {}, "
            "ADD CONSTRAINT {} CHECK (load_id = {}) NOT VALID"
        ).format(sql.Identifier(staging), load_id, _check_of(staging), load_id)
    )


def prove_which_load(session: Session, staging: str) -> None:
    """Let PostgreSQL look at each sale's `load_id`, so that to attach them takes no time."""
    session.execute(
        sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
            sql.Identifier(staging), _check_of(staging)
        )
    )


def build_key(session: Session, staging: str, left: str) -> None:
    """Index the sales by `sale_id`: four times as fast as to insert through an index.

    Others may read them meanwhile, as they may not while a key is added.

    Raises:
        StoreError: two sales have one id; the text ends with `left` where months differ.
    """
    pieces = _pieces(session, staging)
    for piece in pieces:
        session.execute(
            sql.SQL("CREATE UNIQUE INDEX {} ON {} (sale_id)").format(
                _key_of(piece), sql.Identifier(piece)
            )
        )
    if pieces != [staging]:
        _require_each_id_in_one_month(session, staging, left)


def add_key(session: Session, staging: str) -> None:
    """Make the index the key, which takes no time."""
    for piece in _pieces(session, staging):
        session.execute(
            sql.SQL("ALTER TABLE {} ADD PRIMARY KEY USING INDEX {}").format(
                sql.Identifier(piece), _key_of(piece)
            )
        )


def attach(session: Session, staging: str, load_id: int) -> None:
    """Make the staged table a partition. No reader of the others waits for it."""
    session.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
            sql.Identifier(by_load(SALE)), sql.Identifier(staging), load_id
        )
    )


def _pieces(session: Session, staging: str) -> list[str]:
    """The tables that hold the sales: one, or one for each month."""
    leaves = session.execute(
        "SELECT c.relname FROM pg_partition_tree(%s) AS t JOIN pg_class AS c ON c.oid = t.relid "
        "WHERE t.isleaf ORDER BY c.relname",
        staging,
    )
    return [name for (name,) in leaves] or [staging]


def _check_of(staging: str) -> sql.Identifier:
    return sql.Identifier(f"{staging}_load_id_check")


def _key_of(piece: str) -> sql.Identifier:
    return sql.Identifier(f"{piece}_pkey")


def _require_each_id_in_one_month(session: Session, staging: str, left: str) -> None:
    with session.connection.transaction():
        for name, value in _SEARCH.items():
            session.execute("SELECT set_config(%s, %s, true)", name, value)
        repeated = session.execute(
            sql.SQL(
                "SELECT sale_id, min(sale_date), max(sale_date) FROM {} GROUP BY sale_id "
                "HAVING count(*) > 1 LIMIT 1"
            ).format(sql.Identifier(staging))
        )
    for sale_id, first, last in repeated:
        raise StoreError(
            f"PostgreSQL: sale_id {sale_id} is sold on {first} and again on {last}, and a sale "
            f"has one row; {left}"
        )
