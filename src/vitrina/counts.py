"""What each step counted: a type per step, written to `step.json` and read back from it.

Every type gives `rows_left`, `rows_rejected`, `rejects_by_reason` and a `note` on itself, which
the metrics and the summary show without knowing the step.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, Self, TypeVar

from annotated_types import Interval

from vitrina.documents import Document, Unreadable, Whole, read
from vitrina.errors import CorruptFile
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.store import Store

Money = Annotated[Decimal, Interval(gt=-Decimal(10**38), lt=Decimal(10**38))]
"""What PostgreSQL and ClickHouse have room for, in quantities too."""


@dataclass(frozen=True)
class Counts:
    """What a step counted. The document has a key for each field; money is text there."""

    @property
    def rows_left(self) -> int:
        """The rows that the step left."""
        raise NotImplementedError

    @property
    def rows_rejected(self) -> int | None:
        """The rows that the step rejected; None for a step that rejects none."""
        return None

    @property
    def rejects_by_reason(self) -> Mapping[str, int]:
        """Rows rejected for each reason; a row may have several."""
        return {}

    @property
    def note(self) -> str:
        """How the rows came about, in a few words."""
        raise NotImplementedError

    def document(self) -> Document:
        """The counts as JSON has them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in values.items()
        }

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Read what `document` gave.

        Raises:
            Unreadable: a count is missing, and it is none that Vitrina 0.1.0 did not know; or it
                is no such number.
        """
        return read(cls, document)


@dataclass(frozen=True)
class Generated(Counts):
    """A feed, and what the next steps must find in it. `rows` leaves repeated rows uncounted."""

    source: str
    """`generated`, or the name of the feed's files."""
    seed: Whole | None
    rows: Whole
    feed_rows: Whole
    rejected: Whole
    repaired: Whole
    collapsed: Whole
    conflicting: Whole

    @property
    def rows_left(self) -> int:
        return self.feed_rows

    @property
    def note(self) -> str:
        return f"seed {self.seed}"


@dataclass(frozen=True)
class Extracted(Counts):
    """A feed of a store's own files: rows in = feed rows - refunds + rows added up."""

    source: str
    """The names of the files, or of the table."""
    files: Whole
    rows_in: Whole
    feed_rows: Whole
    refunds: Whole
    """Rows that were made of an order's refunded amount."""
    added_up: Whole
    """Rows whose amount was added to another's; they are no longer in the feed."""

    @property
    def seed(self) -> None:
        """There is none; a generated feed has one."""

    @property
    def rows_left(self) -> int:
        return self.feed_rows

    @property
    def note(self) -> str:
        return f"{self.files:,} file{'' if self.files == 1 else 's'}"


@dataclass(frozen=True)
class Validated(Counts):
    """Rows in = valid + rejected + set aside. What is counted by name begins with the most."""

    rows_in: Whole
    valid: Whole
    rejected: Whole
    repaired: Whole
    reasons: Mapping[str, Whole]
    repairs: Mapping[str, Whole]
    set_aside: Whole = 0
    """Rows that were read and are no sales by the store's rules."""
    why_set_aside: Mapping[str, Whole] = field(default_factory=dict)

    @property
    def rows_left(self) -> int:
        return self.valid

    @property
    def rows_rejected(self) -> int:
        return self.rejected

    @property
    def rejects_by_reason(self) -> Mapping[str, int]:
        return self.reasons

    @property
    def note(self) -> str:
        set_aside = f", {self.set_aside:,} set aside" if self.set_aside else ""
        return f"{self.rejected:,} rejected, {self.repaired:,} repaired{set_aside}"


@dataclass(frozen=True)
class Cleaned(Counts):
    """Rows in = clean + collapsed + superseded + conflicting, but for those set aside before.

    The totals are of the clean rows: sales, and apart from them returns, whose amounts are below
    0 there and positive here.
    """

    rows_in: Whole
    clean: Whole
    collapsed: Whole
    conflicting: Whole
    total_quantity: Whole | Money
    total_sales_amount: Money
    total_returns: Whole = 0
    total_returns_amount: Money = Decimal(0)
    superseded: Whole = 0
    """Rows that are older than another with their `sale_id`; of a store's files alone."""
    superseded_set_aside: Whole = 0
    """How many of these validation had set aside; the others are of the rows in."""

    @property
    def rows_left(self) -> int:
        return self.clean

    @property
    def rows_rejected(self) -> int:
        return self.conflicting

    @property
    def rejects_by_reason(self) -> Mapping[str, int]:
        return {CONFLICTING_DUPLICATE: self.conflicting} if self.conflicting else {}

    @property
    def note(self) -> str:
        superseded = f", {self.superseded:,} superseded" if self.superseded else ""
        return f"{self.collapsed:,} copies collapsed, {self.conflicting:,} in conflict{superseded}"


@dataclass(frozen=True)
class Loaded(Counts):
    """The totals of the sales in PostgreSQL, as PostgreSQL sums them."""

    total_sales: Whole
    total_quantity: Whole | Money | None
    total_sales_amount: Money
    total_returns: Whole = 0
    total_returns_amount: Money = Decimal(0)

    @property
    def rows_left(self) -> int:
        return self.total_sales + self.total_returns

    @property
    def note(self) -> str:
        return f"sales in PostgreSQL, {self.total_sales_amount:,} in all"


@dataclass(frozen=True)
class _OfMarts(Counts):
    """Rows of each mart, by its name. The document is that mapping itself."""

    marts: Mapping[str, Whole]

    @property
    def rows_left(self) -> int:
        return sum(self.marts.values())

    def document(self) -> Document:
        return dict(self.marts)

    @classmethod
    def from_document(cls, document: Document) -> Self:
        return read(cls, {"marts": document})


@dataclass(frozen=True)
class Analyzed(_OfMarts):
    @property
    def note(self) -> str:
        return "rows of marts in PostgreSQL"


@dataclass(frozen=True)
class Published(_OfMarts):
    @property
    def note(self) -> str:
        return "rows of marts in ClickHouse"


@dataclass(frozen=True)
class Fates:
    """What became of every row that came in; each has one fate."""

    rows_in: int
    clean: int
    rejected: int
    """Conflicts among them."""
    set_aside: int
    collapsed: int
    """Rows added up among them."""
    superseded: int

    @property
    def accounted_for(self) -> int:
        """Equal to `rows_in`, or rows went astray."""
        return self.clean + self.rejected + self.set_aside + self.collapsed + self.superseded


def fates(fed: Generated | Extracted, validated: Validated, cleaned: Cleaned) -> Fates:
    """What became of a batch's rows. Those made of an order's refund came in like the others."""
    rows_in, added_up = fed.feed_rows, 0
    if isinstance(fed, Extracted):
        rows_in, added_up = fed.rows_in + fed.refunds, fed.added_up
    return Fates(
        rows_in=rows_in,
        clean=cleaned.clean,
        rejected=validated.rejected + cleaned.conflicting,
        set_aside=validated.set_aside - cleaned.superseded_set_aside,
        collapsed=cleaned.collapsed + added_up,
        superseded=cleaned.superseded,
    )


def fates_of(counted: Collection[Counts]) -> Fates:
    """What became of a batch's rows, by what all of its steps counted."""
    fed = next(each for each in counted if isinstance(each, Generated | Extracted))
    validated = next(each for each in counted if isinstance(each, Validated))
    cleaned = next(each for each in counted if isinstance(each, Cleaned))
    return fates(fed, validated, cleaned)


AnyCounts = TypeVar("AnyCounts", bound=Counts)


@dataclass(frozen=True)
class Result(Generic[AnyCounts]):
    """What is known of a step that has ended."""

    started: datetime
    seconds: float
    counts: AnyCounts


def read_result(document: Document, counts: type[AnyCounts]) -> Result[AnyCounts]:
    """Read what `Lake.result` gave, whose counts are of this type.

    Raises:
        CorruptFile: a count is missing or has a value of another kind.
    """
    try:
        return Result(
            datetime.fromisoformat(document["started"]),
            document["seconds"],
            counts.from_document(document["counts"]),
        )
    except Unreadable as error:
        raise CorruptFile(
            f"{document['file']} cannot be read: counts.{error}; {document['again']}"
        ) from error


def read_feed_result(document: Document, store: Store) -> Result[Generated] | Result[Extracted]:
    """Read the `step.json` of the step that leaves a store's feed.

    Raises:
        CorruptFile: a key is missing or has a value of another kind.
    """
    if store.is_generated:
        return read_result(document, Generated)
    return read_result(document, Extracted)


def rejects_by_reason(*counted: Counts) -> dict[str, int]:
    """Rows that these steps rejected, by reason."""
    return {reason: rows for counts in counted for reason, rows in counts.rejects_by_reason.items()}
