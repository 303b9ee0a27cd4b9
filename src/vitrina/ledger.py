"""The ledger: what is known of a batch besides its sales, the same in every store.

Its tables are declared here, once: both stores create, fill and read theirs from `tables`. Of a
column that only PostgreSQL has, ClickHouse knows nothing: an import that it lists is published.
A new column also takes a line in `stores/versions.py`, for the tables that are there already.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from vitrina.columns import (
    Amount,
    Boolean,
    Column,
    ColumnType,
    Date,
    FreeText,
    Integer,
    Label,
    Numeric,
    Timestamp,
)
from vitrina.contract import SALES, Contract
from vitrina.marts import marts


@dataclass(frozen=True)
class ControlTotals:
    """What a table sums to in one engine; None where the table has no such measure.

    A return is no sale: it counts in the last two alone, which are positive.
    """

    engine: str
    """`spark`, `postgresql` or `clickhouse`."""
    table: str
    total_sales: int
    total_quantity: int | Decimal | None
    total_sales_amount: Decimal
    total_returns: int = 0
    total_returns_amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class LedgerEntry:
    """One batch. Rows in = clean + rejected + set aside + collapsed + superseded.

    `rejected` counts conflicts too, and `collapsed` rows that were added to another.
    """

    as_of: date
    source: str
    """`generated`, or the name of the feed's files."""
    seed: int | None
    rows_in: int
    clean: int
    rejected: int
    repaired: int
    collapsed: int
    set_aside: int
    superseded: int
    total_sales_amount: Decimal
    started_at: datetime
    loaded_at: datetime
    """When PostgreSQL had all of its sales."""
    attempt: str | None = None
    """Which attempt of its feed it was made from."""
    analyzed_at: datetime | None = None
    """When its marts were last computed; None until then."""
    published_at: datetime | None = None
    """When it was last published; None until then."""
    is_current: bool = False
    """Whether `sale` and the marts in PostgreSQL show it."""
    is_kept: bool = False
    """Whether PostgreSQL has its sales and marts."""
    load_id: int = 0
    """Which of the loads it is; 0 before there is one."""

    @property
    def is_published(self) -> bool:
        """Whether ClickHouse has the marts that PostgreSQL has."""
        return (
            self.published_at is not None
            and self.analyzed_at is not None
            and self.published_at >= self.analyzed_at
        )


@dataclass(frozen=True)
class RunStart:
    """A run of one step that has begun. In the order of the columns of `RUN_EVENT`."""

    run_id: str
    as_of: date
    step: str
    started_at: datetime
    host: str
    pid: int
    started_by: str
    """The command line, or the task of Airflow."""
    version: str
    """Vitrina's."""

    @property
    def name(self) -> str:
        """What it is called where it keeps others waiting."""
        return f"vitrina {self.step} {self.as_of}, process {self.pid} on {self.host}"


Outcome = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True)
class RunEnd:
    """How a run of a step has ended."""

    ended_at: datetime
    outcome: Outcome
    error: str | None = None
    """In one line, without secrets; None unless it has failed."""
    attempt: str | None = None
    """Which attempt of the feed it worked on."""


@dataclass(frozen=True)
class StepRun:
    """A run of one step. One without an end that is not running was killed."""

    start: RunStart
    end: RunEnd | None
    is_running: bool


@dataclass(frozen=True)
class LedgerTable:
    """One table of the ledger: one row per batch and `key`.

    `columns` are those of both stores, without what names the batch there: `as_of` in
    PostgreSQL, `import_date` in ClickHouse. `of_postgres` are PostgreSQL's alone.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    of_postgres: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of both stores, by name."""
        return tuple(column.name for column in self.columns)


AS_OF = Column("as_of", Date(), "Names the batch: the day after its last")
LOAD_ID = Column("load_id", Integer(32), "Which load of a batch it is; a later one has more")
"""In PostgreSQL, where a batch may have two loads: the one that is shown, and one under way."""

SET_ASIDE = Column("set_aside", Integer(64), "Rows that are no sales by the store's rules")
SUPERSEDED = Column("superseded", Integer(64), "Older versions of a sale, or of one set aside")
ATTEMPT = Column("attempt", FreeText(), "Of its feed, as in the lake's step.json", nullable=True)

KEPT = Column("is_kept", Boolean(), "Whether PostgreSQL has its sales and marts")

BATCH, REJECTS_BY_REASON, CONTROL_TOTALS = "batch", "rejects_by_reason", "control_totals"

NAMES = (BATCH, REJECTS_BY_REASON, CONTROL_TOTALS)
"""The ledger's tables, each after those that it refers to."""

MANIFEST = "manifest"
"""The chain of manifests: PostgreSQL's alone, a row per publication, never changed."""


@dataclass(frozen=True)
class Manifest:
    """A link of the chain of manifests of a store."""

    sequence: int
    """Its place in the chain, from 1."""
    as_of: date
    sha256: str
    """Of the document."""
    previous: str | None
    """The SHA-256 of the link before; the first has none."""
    document: str
    """JSON, kept to the byte."""


MANIFEST_COLUMNS = (
    Column("sequence", Integer(64), "Its place in the chain, from 1"),
    AS_OF,
    Column("sha256", FreeText(), "Of the document"),
    Column("previous", FreeText(), "The SHA-256 of the link before", nullable=True),
    Column("document", FreeText(), "What the batch consisted of when it was published, as JSON"),
)


RUN_EVENT = "run_event"

RUN_EVENT_KEY = ("run_id", "event")
RUN_EVENT_COLUMNS = (
    Column("run_id", FreeText(), "Of one run of one step"),
    AS_OF,
    Column("step", Label(), "Its name"),
    Column("event", Label(), "started or ended; a run that was killed has only started"),
    Column("at", Timestamp(), "When that was"),
    Column("outcome", Label(), "Of one that has ended: done, failed, interrupted", nullable=True),
    Column("error", FreeText(), "Of one that has failed, in one line", nullable=True),
    Column("attempt", FreeText(), "Of the feed that it worked on, once ended", nullable=True),
    Column("host", FreeText(), "Where it ran"),
    Column("pid", Integer(64), "Its process there"),
    Column("started_by", FreeText(), "The command line, or the task of Airflow"),
    Column("version", FreeText(), "Of Vitrina"),
)
"""The ledger of runs, in PostgreSQL alone. Rows are added, and never changed or deleted."""


def tables(contract: Contract) -> tuple[LedgerTable, ...]:
    """The ledger's tables, in the order of `NAMES`."""
    count, moment = Integer(64), Timestamp()
    amount = Column(
        "total_sales_amount", _as_in_marts(contract, "total_sales_amount"), "Money received"
    )
    return (
        LedgerTable(
            BATCH,
            (),
            (
                Column("source", FreeText(), "generated, or the name of the feed's files"),
                Column("seed", count, "Of a generated feed", nullable=True),
                Column("rows_in", count, "clean + rejected + set_aside + collapsed + superseded"),
                Column("clean", count, "Sales loaded"),
                Column("rejected", count, "Rows rejected, conflicting duplicates too"),
                Column("repaired", count, "Rows that were read after a repair"),
                Column("collapsed", count, "Exact copies dropped, and rows added to another"),
                SET_ASIDE,
                SUPERSEDED,
                amount,
                Column("started_at", moment, "When its feed was begun"),
                Column("loaded_at", moment, "When PostgreSQL had all of its sales"),
                ATTEMPT,
            ),
            (
                Column("analyzed_at", moment, "When its marts were computed", nullable=True),
                Column("published_at", moment, "When it was last published", nullable=True),
                Column("is_current", Boolean(), "Whether sale and the marts show it"),
                KEPT,
                LOAD_ID,
            ),
        ),
        LedgerTable(
            REJECTS_BY_REASON,
            ("reason",),
            (
                Column("reason", Label(), "Why rows were rejected"),
                Column("rejected_rows", count, "A row with several reasons counts in each"),
            ),
        ),
        LedgerTable(
            CONTROL_TOTALS,
            ("table_name", "engine"),
            (
                Column("engine", Label(), "spark, postgresql or clickhouse"),
                Column("table_name", Label(), "The table summed up"),
                Column("total_sales", count, "Number of sales"),
                Column(
                    "total_quantity",
                    _as_in_marts(contract, "total_quantity"),
                    "Units sold",
                    nullable=True,
                ),
                amount,
                Column("total_returns", count, "Number of returns"),
                Column("total_returns_amount", amount.type, "Money given back"),
            ),
        ),
    )


def rows(
    entry: LedgerEntry, rejects: Mapping[str, int], totals: Iterable[ControlTotals]
) -> dict[str, list[dict[str, Any]]]:
    """What the columns of both stores hold of one batch, row by row, for each table."""
    return {
        BATCH: [{name: getattr(entry, name) for name in _OF_BATCH}],
        REJECTS_BY_REASON: [
            {"reason": reason, "rejected_rows": count} for reason, count in rejects.items()
        ],
        CONTROL_TOTALS: [row_of_totals(each) for each in totals],
    }


def row_of_totals(totals: ControlTotals) -> dict[str, Any]:
    """What `control_totals` holds of one table in one engine."""
    return {
        "engine": totals.engine,
        "table_name": totals.table,
        "total_sales": totals.total_sales,
        "total_quantity": totals.total_quantity,
        "total_sales_amount": totals.total_sales_amount,
        "total_returns": totals.total_returns,
        "total_returns_amount": totals.total_returns_amount,
    }


def _as_in_marts(contract: Contract, name: str) -> ColumnType:
    """As wide as the marts have it."""
    type_ = next(column.type for column in marts(contract)[0].columns if column.name == name)
    return Amount(type_.precision, type_.scale) if isinstance(type_, Numeric) else type_


# No contract changes the names.
_OF_BATCH = tables(SALES)[0].names
