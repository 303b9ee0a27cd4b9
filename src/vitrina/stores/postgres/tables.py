"""The tables and views in PostgreSQL: how each is created, and whether one that is there will do.

Each table holds rows of several loads, `load_id` saying which. What people read are views of the
same columns without it: of the load that is shown or, in the ledger, of one load a batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from vitrina import ledger
from vitrina.columns import Boolean, Column, FreeText, Integer, Timestamp, postgres_type
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.marts import marts
from vitrina.stores import versions
from vitrina.stores.postgres.session import columns as listed

SALE = "sale"


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: str
    """In PostgreSQL's own spelling, as `format_type` gives it."""
    description: str = ""
    nullable: bool = False
    collation: str | None = None
    is_identity: bool = False

    def declaration(self) -> sql.Composed:
        """The column as CREATE TABLE and ADD COLUMN have it."""
        return sql.SQL("{} {}{} {}{}").format(
            sql.Identifier(self.name),
            sql.SQL(self.type),
            sql.SQL(" COLLATE {}").format(sql.Identifier(self.collation))
            if self.collation
            else sql.SQL(""),
            sql.SQL("" if self.nullable else "NOT NULL"),
            sql.SQL(" GENERATED ALWAYS AS IDENTITY" if self.is_identity else ""),
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

    def create(self) -> sql.Composed:
        """What creates the table in the first schema searched."""
        columns = [column.declaration() for column in self.columns]
        return sql.SQL("CREATE TABLE {} ({}) {}").format(
            sql.Identifier(self.name),
            sql.SQL(", ").join([*columns, *self.constraints]),
            sql.SQL("PARTITION BY LIST (load_id)" if self.is_partitioned else ""),
        )

    def create_described(self) -> sql.Composed:
        """What creates the table, and describes its columns where people look at it."""
        refuse = _refuse_changes(sql.Identifier(self.name)) if self.is_append_only else []
        return _at_once(self.create(), *_comments(self), *refuse)

    def check(self, schema: str, kind: str, found: Mapping[str, TableColumn]) -> None:
        """Compare the table that is there with this one; `kind` is its `pg_class.relkind`.

        Raises:
            StoreError: it is something else, or a column is missing, surplus or different.
        """
        remedy = (
            f"alter it, or rename it (ALTER TABLE {schema}.{self.name} RENAME TO …) and the "
            "next load creates it anew"
        )
        _require_kind("p" if self.is_partitioned else "r", kind, f"{schema}.{self.name}", remedy)
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


@dataclass(frozen=True)
class View:
    """What readers see of a table."""

    name: str
    columns: tuple[TableColumn, ...]
    table: str
    query: sql.Composed

    def create_described(self) -> sql.Composed:
        """What creates the view in the first schema searched, and describes its columns."""
        create = sql.SQL("CREATE VIEW {} AS {}").format(sql.Identifier(self.name), self.query)
        return _at_once(create, *_comments(self))

    def drop(self) -> sql.Composed:
        return sql.SQL("DROP VIEW {}").format(sql.Identifier(self.name))

    def is_as(self, schema: str, kind: str, found: Mapping[str, TableColumn]) -> bool:
        """Whether what is there has the columns of this view.

        Raises:
            StoreError: it is no view.
        """
        name = f"{schema}.{self.name}"
        _require_kind("v", kind, name, f"rename it (ALTER TABLE {name} RENAME TO …)")
        types = {column.name: column.type for column in self.columns}
        return types == {name: column.type for name, column in found.items()}


def _comments(described: Table | View) -> list[sql.Composed]:
    return [column.comment(described.name) for column in described.columns]


def _at_once(*statements: sql.Composed) -> sql.Composed:
    """Statements sent together: one round trip, not one for each column."""
    return sql.SQL("; ").join(statements)


def by_load(name: str) -> str:
    """The table behind the view that people read under this name."""
    return f"{name}_by_load"


_KINDS = {"p": "a partitioned table", "r": "an ordinary table", "v": "a view"}


def _require_kind(wanted: str, found: str, name: str, remedy: str) -> None:
    if found != wanted:
        raise StoreError(
            f"{name} is {_KINDS.get(found, 'no table')}, and {_KINDS[wanted]} is needed; {remedy}"
        )


def _spelt(column: TableColumn | None) -> str:
    if column is None:
        return "absent"
    return column.type if column.nullable else f"{column.type} NOT NULL"


def tables(contract: Contract) -> list[Table]:
    """Every table, each after those that it refers to."""
    of_marts = [
        Table(
            by_load(mart.name),
            (LOAD, *_stored(mart.columns)),
            (_primary_key([LOAD.name, *mart.key]),),
        )
        for mart in marts(contract)
    ]
    return [
        VERSION,
        Table(by_load(SALE), (*_stored(contract.fields), LOAD), is_partitioned=True),
        *of_marts,
        *map(_of_ledger, ledger.tables(contract)),
        RUN_EVENT,
        Table(ledger.MANIFEST, _stored(ledger.MANIFEST_COLUMNS), (_primary_key(["sequence"]),)),
    ]


def views(contract: Contract) -> list[View]:
    """Every view, under the name that people know."""
    shown = {SALE: contract.fields} | {mart.name: mart.columns for mart in marts(contract)}
    return [
        *(_of_the_shown(name, _stored(columns)) for name, columns in shown.items()),
        *map(_of_the_listed, ledger.tables(contract)),
    ]


def sales_of_a_load(name: str, contract: Contract) -> Table:
    """A table like a partition of the sales, which does not say yet of which load they are."""
    return Table(name, _stored(contract.fields))


def _of_the_shown(name: str, columns: tuple[TableColumn, ...]) -> View:
    # The row that says which load it is belongs to the reader's snapshot. So sales and marts are
    # of one load in it, and only the partition of that load is read.
    query = sql.SQL(
        "SELECT {} FROM {} WHERE load_id = (SELECT load_id FROM {} WHERE is_current)"
    ).format(
        listed(column.name for column in columns),
        sql.Identifier(by_load(name)),
        sql.Identifier(by_load(ledger.BATCH)),
    )
    return View(name, columns, by_load(name), query)


def _of_the_listed(table: ledger.LedgerTable) -> View:
    of_batch = table.name == ledger.BATCH
    columns = _stored((ledger.AS_OF, *table.columns, *table.of_postgres))
    query = sql.SQL("SELECT {} FROM {}{} WHERE is_listed").format(
        listed(column.name for column in columns),
        sql.Identifier(by_load(table.name)),
        sql.SQL("")
        if of_batch
        else sql.SQL(
            " JOIN (SELECT load_id, as_of, is_listed FROM {}) AS load USING (load_id)"
        ).format(sql.Identifier(by_load(ledger.BATCH))),
    )
    return View(table.name, columns, by_load(table.name), query)


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
    name = by_load(table.name)
    if table.name == ledger.BATCH:
        columns = _stored((ledger.AS_OF, *table.columns, *table.of_postgres))
        columns = tuple(LOAD_OF_BATCH if column == LOAD else column for column in columns)
        constraints = (_primary_key([LOAD.name]), _ONE_IS_SHOWN, ONE_IS_LISTED)
        return Table(name, (*columns, LISTED), constraints)
    key = _primary_key([LOAD.name, *(each for each in table.names if each in table.key)])
    return Table(name, (LOAD, *_stored(table.columns)), (key, GOES_WITH_ITS_LOAD))


def _primary_key(key: Sequence[str]) -> sql.Composed:
    return sql.SQL("PRIMARY KEY ({})").format(listed(key))


LOAD = stored(ledger.LOAD_ID)
LOAD_OF_BATCH = replace(LOAD, is_identity=True)
KEPT = stored(ledger.KEPT)
LISTED = stored(
    Column("is_listed", Boolean(), "Whether the ledger tells of this load of the batch")
)
_ONE_IS_SHOWN = sql.SQL("EXCLUDE (is_current WITH =) WHERE (is_current)")
ONE_IS_LISTED = sql.SQL("EXCLUDE (as_of WITH =) WHERE (is_listed)")
"""Of each batch."""
GOES_WITH_ITS_LOAD = sql.SQL("FOREIGN KEY (load_id) REFERENCES {} ON DELETE CASCADE").format(
    sql.Identifier(by_load(ledger.BATCH))
)

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
