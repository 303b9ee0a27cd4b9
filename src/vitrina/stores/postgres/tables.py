"""The tables in PostgreSQL: how each is created, and whether one that is there will do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from vitrina import ledger
from vitrina.columns import Column, FreeText, Integer, Timestamp, postgres_type
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.marts import marts
from vitrina.stores import versions


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: str
    """In PostgreSQL's own spelling, as `format_type` gives it."""
    description: str = ""
    nullable: bool = False
    collation: str | None = None

    def declaration(self) -> sql.Composed:
        """The column as CREATE TABLE and ADD COLUMN have it."""
        return sql.SQL("{} {}{} {}").format(
            sql.Identifier(self.name),
            sql.SQL(self.type),
            sql.SQL(" COLLATE {}").format(sql.Identifier(self.collation))
            if self.collation
            else sql.SQL(""),
            sql.SQL("" if self.nullable else "NOT NULL"),
        )

    def comment(self, table: str) -> sql.Composed:
        """What describes the column where people look at the table."""
        return sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
            sql.Identifier(table), sql.Identifier(self.name), self.description
        )


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[TableColumn, ...]
    constraints: tuple[sql.Composable, ...] = ()
    is_partitioned: bool = False
    is_append_only: bool = False
    """Whether rows may be neither changed nor deleted."""

    def statements(self) -> list[sql.Composed]:
        """What creates the table in the first schema searched, and describes its columns."""
        name = sql.Identifier(self.name)
        columns = [column.declaration() for column in self.columns]
        create = sql.SQL("CREATE TABLE {} ({}) {}").format(
            name,
            sql.SQL(", ").join([*columns, *self.constraints]),
            # Any column would do: the one partition is the default, which takes every row.
            sql.SQL("PARTITION BY LIST (sale_date)" if self.is_partitioned else ""),
        )
        comments = [column.comment(self.name) for column in self.columns]
        refuse = _refuse_changes(name) if self.is_append_only else []
        return [create, *comments, *refuse]

    def check(self, schema: str, kind: str, found: Mapping[str, TableColumn]) -> None:
        """Compare the table that is there with this one; `kind` is its `pg_class.relkind`.

        Raises:
            StoreError: it is something else, or a column is missing, surplus or different.
        """
        remedy = (
            f"alter it, or rename it (ALTER TABLE {schema}.{self.name} RENAME TO …) and the "
            "next load creates it anew"
        )
        wanted_kind = "p" if self.is_partitioned else "r"
        if kind != wanted_kind:
            raise StoreError(
                f"{schema}.{self.name} is {_KINDS.get(kind, 'no table')}, and "
                f"{_KINDS[wanted_kind]} is needed; {remedy}"
            )
        wanted = {column.name: column for column in self.columns}
        for name in [*wanted, *found]:
            is_there, is_needed = _spelt(found.get(name)), _spelt(wanted.get(name))
            if is_there != is_needed:
                raise StoreError(
                    f"{schema}.{self.name}: column {name} is {is_there} there, and the contract "
                    f"needs it {is_needed}; {remedy}"
                )


def _refuse_changes(table: sql.Identifier) -> list[sql.Composed]:
    """A trigger, since no grant keeps the owner of a table from changing it."""
    function = sql.SQL(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME "
        "USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    trigger = sql.SQL(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {} "
        "EXECUTE FUNCTION refuse_change()"
    )
    return [function.format(), trigger.format(table)]


_KINDS = {"p": "a partitioned table", "r": "an ordinary table", "v": "a view"}


def _spelt(column: TableColumn | None) -> str:
    if column is None:
        return "absent"
    return column.type if column.nullable else f"{column.type} NOT NULL"


def tables(contract: Contract) -> list[Table]:
    """Every table, each after those that it refers to."""
    of_marts = [
        Table(mart.name, _stored(mart.columns), (_primary_key(mart.key),))
        for mart in marts(contract)
    ]
    return [
        VERSION,
        Table("sale", _stored(contract.fields), is_partitioned=True),
        *of_marts,
        *map(_of_ledger, ledger.tables(contract)),
        RUN_EVENT,
    ]


def stored(column: Column) -> TableColumn:
    return TableColumn(
        column.name,
        postgres_type(column.type),
        column.description,
        column.nullable,
        # A store's own ids are compared byte by byte, as the other engines do it, and fast.
        "C" if isinstance(column.type, FreeText) else None,
    )


def _stored(columns: Iterable[Column]) -> tuple[TableColumn, ...]:
    return tuple(map(stored, columns))


def _of_ledger(table: ledger.LedgerTable) -> Table:
    columns = (ledger.AS_OF, *table.columns, *table.of_postgres)
    in_key = {ledger.AS_OF.name, *table.key}
    key = _primary_key([column.name for column in columns if column.name in in_key])
    rule = _ONE_IS_CURRENT if table.name == ledger.BATCH else _GOES_WITH_ITS_BATCH
    return Table(table.name, _stored(columns), (key, rule))


def _primary_key(key: Sequence[str]) -> sql.Composed:
    return sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, key)))


_ONE_IS_CURRENT = sql.SQL("EXCLUDE (is_current WITH =) WHERE (is_current)")
_GOES_WITH_ITS_BATCH = sql.SQL("FOREIGN KEY (as_of) REFERENCES batch ON DELETE CASCADE")

VERSION = Table(
    versions.TABLE,
    _stored(
        (
            Column("version", Integer(32), "Of the tables, from this row on"),
            Column("description", FreeText(), "What has changed"),
            Column("applied_at", Timestamp(), "When it changed"),
        )
    ),
    (_primary_key(["version"]),),
)
"""The table that says which version the others have."""

RUN_EVENT = Table(
    ledger.RUN_EVENT,
    _stored(ledger.RUN_EVENT_COLUMNS),
    (_primary_key(ledger.RUN_EVENT_KEY),),
    is_append_only=True,
)
"""The ledger of runs."""
