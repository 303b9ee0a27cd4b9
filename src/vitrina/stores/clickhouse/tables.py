"""The tables in ClickHouse: how each is created, and whether one that is there will do.

All but `schema_version` hold an import a partition, so that one can be replaced in one step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vitrina import ledger
from vitrina.columns import Column, Date, FreeText, Integer, Timestamp, clickhouse_type
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.marts import marts
from vitrina.stores import versions
from vitrina.stores.clickhouse.cluster import REPLICATED, engine
from vitrina.stores.clickhouse.session import Session, quoted

_PARTITIONED_BY = "import_date"
_OF_IMPORT = (
    Column("import_date", Date(), "The batch's date"),
    Column("imported_at", Timestamp(), "When the import was made"),
)


@dataclass(frozen=True)
class Table:
    name: str
    order: tuple[str, ...]
    columns: dict[str, str]
    """The type of each column, in ClickHouse's words."""
    partition: str = _PARTITIONED_BY

    def create(self, session: Session) -> None:
        """Create the table on every server that does not have it."""
        declared = [f"{quoted(name)} {type_}" for name, type_ in self.columns.items()]
        order = {f"order_{number}": name for number, name in enumerate(self.order)}
        ordered = ", ".join(f"{{{name}:Identifier}}" for name in order)
        session.command(
            "CREATE TABLE IF NOT EXISTS {database:Identifier}.{table:Identifier}"
            f"{session.everywhere} ({', '.join(declared)}) ENGINE = {engine(session.cluster)} "
            + (f"PARTITION BY {self.partition} " if self.partition else "")
            + f"ORDER BY ({ordered})",
            table=self.name,
            **order,
        )

    def check(
        self, database: str, found: Mapping[str, str], partition: str, engine_name: str | None
    ) -> None:
        """Compare the table that is there with this one; no `engine_name` on a single server.

        Raises:
            StoreError: a column, the partitioning or the engine is another.
        """
        table = f"ClickHouse {database}.{self.name}"
        remedy = f"rename or drop {self.name} in the database {database}"
        for name in self.columns | dict(found):
            expected, actual = self.columns.get(name, "no such column"), found.get(name, "missing")
            if expected != actual:
                raise StoreError(f"{table}.{name} is {actual}, expected {expected}; {remedy}")
        if partition != self.partition:
            raise StoreError(
                f"{table} is partitioned by {partition or 'nothing'}, "
                f"expected {self.partition or 'nothing'}; {remedy}"
            )
        if engine_name not in (None, REPLICATED):
            raise StoreError(
                f"{table} is {engine_name}, expected {REPLICATED}; {remedy}, or unset "
                "VITRINA_CLICKHOUSE_CLUSTER"
            )


def create_tables(session: Session, contract: Contract) -> None:
    """Create the tables that are absent; touch none that is there.

    Raises:
        StoreError: a table is there with other columns or another partitioning, or is not
            replicated on a cluster; or the cluster will not do.
    """
    if session.cluster is not None:
        _require_one_shard(session, session.cluster)
    columns: dict[str, dict[str, str]] = {}
    shapes: dict[str, tuple[str, str]] = {}
    for table, partition, engine_name in session.rows(
        "SELECT name, partition_key, engine FROM system.tables WHERE database = {database:String}"
    ):
        columns[table], shapes[table] = {}, (partition, engine_name)
    for table, name, type_ in session.rows(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String}"
    ):
        columns[table][name] = type_
    for wanted in tables(contract):
        if wanted.name in columns:
            partition, engine_name = shapes[wanted.name]
            on_cluster = session.cluster is not None
            wanted.check(
                session.client.database or "",
                columns[wanted.name],
                partition,
                engine_name if on_cluster else None,
            )
            if not on_cluster:
                continue
            # On to the other servers: one may have joined the cluster since.
        wanted.create(session)


def tables(contract: Contract) -> tuple[Table, ...]:
    """The marts, the ledger, and the table that says which version they have."""
    return (
        VERSION,
        *(_of_imports(mart.name, mart.key, mart.columns) for mart in marts(contract)),
        *(
            _of_imports(table.name, table.key, table.columns)
            for table in reversed(ledger.tables(contract))
        ),
    )


def names_of_imports(contract: Contract) -> list[str]:
    """The tables that hold an import a partition."""
    return [table.name for table in tables(contract) if table.partition == _PARTITIONED_BY]


def _of_imports(name: str, key: tuple[str, ...], columns: Iterable[Column]) -> Table:
    return Table(name, (_PARTITIONED_BY, *key), _types((*_OF_IMPORT, *columns)))


def _types(columns: Iterable[Column]) -> dict[str, str]:
    return {column.name: clickhouse_type(column) for column in columns}


VERSION = Table(
    versions.TABLE,
    ("version",),
    _types(
        (
            Column("version", Integer(32), "Of the tables, from this row on"),
            Column("description", FreeText(), "What has changed"),
            Column("applied_at", Timestamp(), "When it changed"),
        )
    ),
    partition="",
)
"""The table that says which version the others have."""


def _require_one_shard(session: Session, cluster: str) -> None:
    """Refuse a cluster on which each server would hold a part.

    Raises:
        StoreError: the server knows no cluster of this name, or it has several shards.
    """
    found = session.rows(
        "SELECT cluster, uniqExact(shard_num) FROM system.clusters GROUP BY cluster"
    )
    shards = {str(name): int(count) for name, count in found}
    if cluster not in shards:
        known = ", ".join(sorted(shards)) or "none"
        raise StoreError(
            f"ClickHouse knows no cluster {cluster}, as VITRINA_CLICKHOUSE_CLUSTER names it; "
            f"it knows {known}"
        )
    if shards[cluster] != 1:
        raise StoreError(
            f"ClickHouse cluster {cluster} has {shards[cluster]} shards, and each would hold a "
            "part of an import; define one over the same servers with a single shard, and name "
            "it in VITRINA_CLICKHOUSE_CLUSTER"
        )
