"""What has changed in the stores' tables since version 1, which is that of Vitrina 0.1.0.

Each store notes the version of its tables in `schema_version`. `vitrina migrate`, or any step whose
user may, brings older tables to the newest version: the changes are applied in order, and each is
noted once it is done. Tables of 0.1.0 are told by the ledger without a `schema_version`.

A change in PostgreSQL is a transaction. In ClickHouse it may be interrupted, or run twice at once,
so each of its parts does nothing where it has been done.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vitrina import ledger
from vitrina.columns import Column
from vitrina.contract import Contract
from vitrina.errors import StoreError
from vitrina.ledger import CONTROL_TOTALS, tables
from vitrina.marts import marts

TABLE = "schema_version"


@dataclass(frozen=True)
class Rename:
    """A table gets another name."""

    old: str
    new: str


@dataclass(frozen=True)
class Add:
    """A table gets another column.

    Rows that are there hold NULL in it, or 0 if it has no NULL; or what they hold in the column
    `like`.
    """

    table: str
    column: Column
    like: str | None = None


@dataclass(frozen=True)
class AddTotal:
    """Each mart gets another column, of the type that the contract makes it; so does what sums up.

    Rows that are there hold 0 in it, or what they hold in the column `like`.
    """

    column: str
    like: str | None = None

    def parts(self, contract: Contract) -> Iterator["Add"]:
        """The column of each table that declares it."""
        declared = {mart.name: mart.columns for mart in marts(contract)} | {
            table.name: table.columns for table in tables(contract) if table.name == CONTROL_TOTALS
        }
        for table, columns in declared.items():
            for column in columns:
                if column.name == self.column:
                    yield Add(table, column, self.like)


@dataclass(frozen=True)
class ByLoad:
    """A table of PostgreSQL takes the rows of several loads, and a view of its name shows one.

    Parts of later changes name the view; they change the table, and the view with it.
    """


@dataclass(frozen=True)
class Change:
    """What leads from one version to the next, in each of the stores."""

    description: str
    postgres: tuple[Rename | Add | AddTotal | ByLoad, ...] = ()
    clickhouse: tuple[Add | AddTotal, ...] = ()


_RETURNS = (
    AddTotal("total_returns"),
    AddTotal("total_returns_amount"),
    # Until then, nothing was given back.
    AddTotal("net_amount", like="total_sales_amount"),
)
_FATES = (Add(ledger.BATCH, ledger.SET_ASIDE), Add(ledger.BATCH, ledger.SUPERSEDED))

CHANGES: tuple[Change, ...] = (
    Change(
        "The ledger's tables have the names that they have in ClickHouse",
        postgres=(
            Rename("batch_reject", "rejects_by_reason"),
            Rename("control_total", "control_totals"),
        ),
    ),
    Change(
        "Returns stand beside sales in the marts and the control totals",
        postgres=_RETURNS,
        clickhouse=_RETURNS,
    ),
    Change(
        "The ledger counts rows set aside and superseded",
        postgres=_FATES,
        clickhouse=_FATES,
    ),
    Change(
        "The ledger names the attempt of a batch's feed",
        postgres=(Add(ledger.BATCH, ledger.ATTEMPT),),
        clickhouse=(Add(ledger.BATCH, ledger.ATTEMPT),),
    ),
    # Its table is new, and so is created as any that is absent.
    Change("PostgreSQL has a ledger of runs"),
    Change(
        "Several batches are in PostgreSQL side by side, and readers see one of them",
        postgres=(ByLoad(),),
    ),
    # The table itself is created with any other that is absent.
    Change("The chain of manifests has a table in PostgreSQL"),
)
"""In order; the first leads to version 2."""


def newest() -> int:
    """The version that this Vitrina works with."""
    return 1 + len(CHANGES)


def pending(version: int) -> list[tuple[int, Change]]:
    """The changes that tables of this version still need, each with the version it leads to."""
    return [(number, change) for number, change in enumerate(CHANGES, 2) if number > version]


def require_known(store: str, version: int) -> None:
    """Refuse tables that a newer Vitrina has changed.

    Raises:
        StoreError: names both versions.
    """
    if version > newest():
        raise StoreError(
            f"{store}: the tables have version {version}, and this Vitrina knows version "
            f"{newest()}; install the newer Vitrina that made them"
        )


def outdated(store: str, version: int, reason: str = "") -> StoreError:
    """What to raise where tables of an older version have to be used, and cannot be changed."""
    return StoreError(
        f"{store}: the tables have version {version}, and this Vitrina needs version {newest()}; "
        f"run: vitrina migrate, as the user who owns them{reason and f' ({reason})'}"
    )
