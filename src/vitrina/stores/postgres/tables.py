"""The tables in PostgreSQL: how each is created, and whether the one that is there will do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from vitrina.columns import postgres_type
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.marts import marts

SCHEMA = "vitrina"


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: str
    """In PostgreSQL's own spelling, as `format_type` gives it."""
    description: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[TableColumn, ...]
    constraints: tuple[sql.Composable, ...] = ()
    is_partitioned: bool = False

    def statements(self) -> list[sql.Composed]:
        """What creates the table, with its columns described, in the first schema searched."""
        name = sql.Identifier(self.name)
        columns = [
            sql.SQL("{} {} {}").format(
                sql.Identifier(column.name),
                sql.SQL(column.type),
                sql.SQL("" if column.nullable else "NOT NULL"),
            )
            for column in self.columns
        ]
        create = sql.SQL("CREATE TABLE {} ({}) {}").format(
            name,
            sql.SQL(", ").join([*columns, *self.constraints]),
            # By any column: the one partition is the default, which takes every row.
            sql.SQL("PARTITION BY LIST (sale_date)" if self.is_partitioned else ""),
        )
        comments = [
            sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                name, sql.Identifier(column.name), column.description
            )
            for column in self.columns
            if column.description
        ]
        return [create, *comments]

    def check(self, kind: str, found: Mapping[str, TableColumn]) -> None:
        """Hold the table that is there, of `pg_class.relkind` `kind`, against this one.

        Raises:
            StoreError: it is something else, or a column is missing, surplus or different.
        """
        remedy = (
            f"alter it, or rename it (ALTER TABLE {SCHEMA}.{self.name} RENAME TO …) and the "
            "next load creates it anew"
        )
        wanted_kind = "p" if self.is_partitioned else "r"
        if kind != wanted_kind:
            raise StoreError(
                f"{SCHEMA}.{self.name} is {_KINDS.get(kind, 'no table')}, and "
                f"{_KINDS[wanted_kind]} is needed; {remedy}"
            )
        wanted = {column.name: column for column in self.columns}
        for name in [*wanted, *found]:
            is_there, is_needed = _spelt(found.get(name)), _spelt(wanted.get(name))
            if is_there != is_needed:
                raise StoreError(
                    f"{SCHEMA}.{self.name}: column {name} is {is_there} there, and the contract "
                    f"needs it {is_needed}; {remedy}"
                )


_KINDS = {"p": "a partitioned table", "r": "an ordinary table", "v": "a view"}


def _spelt(column: TableColumn | None) -> str:
    if column is None:
        return "absent"
    return column.type if column.nullable else f"{column.type} NOT NULL"


def tables(contract: Contract) -> list[Table]:
    """Every table, each after those that it refers to."""
    sale = Table(
        "sale",
        tuple(
            TableColumn(field.name, postgres_type(field.type), field.description, field.nullable)
            for field in contract.fields
        ),
        is_partitioned=True,
    )
    of_marts = [
        Table(
            mart.name,
            tuple(
                TableColumn(
                    column.name, postgres_type(column.type), column.description, column.nullable
                )
                for column in mart.columns
            ),
            (_primary_key(mart.key),),
        )
        for mart in marts(contract)
    ]
    return [sale, *of_marts, *_LEDGER]


def _primary_key(key: Sequence[str]) -> sql.Composed:
    return sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, key)))


_MOMENT = "timestamp with time zone"
# What is known of a batch goes with its row.
_OF_BATCH = sql.SQL("FOREIGN KEY (as_of) REFERENCES batch ON DELETE CASCADE")

_LEDGER = (
    Table(
        "batch",
        (
            TableColumn("as_of", "date", "Names the batch: the day after its last"),
            TableColumn("source", "text", "generated, or the name of the feed's files"),
            TableColumn("seed", "bigint", "Of a generated feed", nullable=True),
            TableColumn("rows_in", "bigint", "clean + rejected + collapsed"),
            TableColumn("clean", "bigint", "Sales loaded"),
            TableColumn("rejected", "bigint", "Rows rejected, conflicting duplicates too"),
            TableColumn("repaired", "bigint", "Rows that were read after a repair"),
            TableColumn("collapsed", "bigint", "Exact copies dropped"),
            TableColumn("total_sales_amount", "numeric", "Money received"),
            TableColumn("started_at", _MOMENT, "When its feed was begun"),
            TableColumn("loaded_at", _MOMENT, "When readers of sale first saw it"),
            TableColumn("analyzed_at", _MOMENT, "When the marts came to be of it", nullable=True),
            TableColumn("published_at", _MOMENT, "When it was last published", nullable=True),
            TableColumn("is_current", "boolean", "Whether sale holds it now"),
        ),
        (_primary_key(["as_of"]), sql.SQL("EXCLUDE (is_current WITH =) WHERE (is_current)")),
    ),
    Table(
        "batch_reject",
        (
            TableColumn("as_of", "date", "The batch"),
            TableColumn("reason", "text", "Why rows were rejected"),
            TableColumn("rejected_rows", "bigint", "A row with several reasons counts in each"),
        ),
        (_primary_key(["as_of", "reason"]), _OF_BATCH),
    ),
    Table(
        "control_total",
        (
            TableColumn("as_of", "date", "The batch"),
            TableColumn("engine", "text", "spark, postgresql or clickhouse"),
            TableColumn("table_name", "text", "The table summed up"),
            TableColumn("total_sales", "bigint", "Number of sales"),
            TableColumn("total_quantity", "bigint", "Units sold", nullable=True),
            TableColumn("total_sales_amount", "numeric", "Money received"),
        ),
        (_primary_key(["as_of", "engine", "table_name"]), _OF_BATCH),
    ),
)
