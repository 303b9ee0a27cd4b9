"""What each step counted: a type per step, written to `step.json` and read back from it.

Every type gives `rows_left`, `rows_rejected`, `rejects_by_reason` and a `note` on itself, which
the metrics and the summary show without knowing the step.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, Self, TypeVar

from vitrina.errors import CorruptFile
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.store import Store

Document = dict[str, Any]

_MAYBE_DECIMAL = (int | Decimal, int | Decimal | None)


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
            KeyError: a count is missing, and it is none that Vitrina 0.1.0 did not know.
            InvalidOperation: an amount of money is not a number.
        """
        known = [
            each
            for each in fields(cls)
            if each.name in document
            or (each.default is MISSING and each.default_factory is MISSING)
        ]
        return cls(
            **{
                field.name: Decimal(document[field.name])
                if field.type is Decimal
                or (field.type in _MAYBE_DECIMAL and isinstance(document[field.name], str))
                else document[field.name]
                for field in known
            }
        )


@dataclass(frozen=True)
class Generated(Counts):
    """A feed, and what the next steps must find in it. `rows` leaves repeated rows uncounted."""

    source: str
    """`generated`, or the name of the feed's files."""
    seed: int | None
    rows: int
    feed_rows: int
    rejected: int
    repaired: int
    collapsed: int
    conflicting: int

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
    files: int
    rows_in: int
    feed_rows: int
    refunds: int
    """Rows that were made of an order's refunded amount."""
    added_up: int
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

    rows_in: int
    valid: int
    rejected: int
    repaired: int
    reasons: Mapping[str, int]
    repairs: Mapping[str, int]
    set_aside: int = 0
    """Rows that were read and are no sales by the store's rules."""
    why_set_aside: Mapping[str, int] = field(default_factory=dict)

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

    rows_in: int
    clean: int
    collapsed: int
    conflicting: int
    total_quantity: int | Decimal
    total_sales_amount: Decimal
    total_returns: int = 0
    total_returns_amount: Decimal = Decimal(0)
    superseded: int = 0
    """Rows that are older than another with their `sale_id`; of a store's files alone."""
    superseded_set_aside: int = 0
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

    total_sales: int
    total_quantity: int | Decimal | None
    total_sales_amount: Decimal
    total_returns: int = 0
    total_returns_amount: Decimal = Decimal(0)

    @property
    def rows_left(self) -> int:
        return self.total_sales + self.total_returns

    @property
    def note(self) -> str:
        return f"sales in PostgreSQL, {self.total_sales_amount:,} in all"


@dataclass(frozen=True)
class _OfMarts(Counts):
    """Rows of each mart, by its name. The document is that mapping itself."""

    marts: Mapping[str, int]

    @property
    def rows_left(self) -> int:
        return sum(self.marts.values())

    def document(self) -> Document:
        return dict(self.marts)

    @classmethod
    def from_document(cls, document: Document) -> Self:
        return cls(document)


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


AnyCounts = TypeVar("AnyCounts", bound=Counts)


@dataclass(frozen=True)
class Result(Generic[AnyCounts]):
    """What is known of a step that has ended."""

    started: datetime
    seconds: float
    counts: AnyCounts


def read_result(document: Document, counts: type[AnyCounts]) -> Result[AnyCounts]:
    """Read a `step.json`, whose counts are of this type.

    Raises:
        CorruptFile: a key is missing or has a value of another kind.
    """
    try:
        return Result(
            datetime.fromisoformat(document["started"]),
            document["seconds"],
            counts.from_document(document["counts"]),
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        step = document.get("step", "the step")
        raise CorruptFile(
            f"step.json of {step} cannot be read ({type(error).__name__}: {error}); "
            f"run {step} again"
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
