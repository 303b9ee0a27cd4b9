"""What a generated feed is made from, besides its batch."""

from dataclasses import dataclass
from decimal import Decimal

from vitrina.errors import SettingsError


@dataclass(frozen=True)
class Parameter:
    """A whole number to choose for a batch, from `minimum` to `maximum`, both inclusive."""

    default: int
    minimum: int
    maximum: int
    description: str


ROWS = Parameter(1_000_000, 1, 1_000_000_000, "How many sales to generate")
SEED = Parameter(42, 0, 2**31 - 1, "Another seed, other sales")


@dataclass(frozen=True)
class Dirt:
    """Shares of the rows, from 0 to 1: unusable, repairable, repeated by an extra row.

    Raises:
        SettingsError: a share is negative, or they exceed 1 together.
    """

    invalid: Decimal = Decimal("0.005")
    repairable: Decimal = Decimal("0.001")
    duplicated: Decimal = Decimal("0.0005")

    def __post_init__(self) -> None:
        shares = (self.invalid, self.repairable, self.duplicated)
        if not (all(share.is_finite() and share >= 0 for share in shares) and sum(shares) <= 1):
            raise SettingsError(f"{self}: shares are at least 0 and at most 1 together")


@dataclass(frozen=True)
class Recipe:
    """What a feed is made from besides its batch. `rows` leaves repeated rows uncounted.

    Raises:
        SettingsError: there are no rows to make.
    """

    rows: int = ROWS.default
    seed: int = SEED.default
    dirt: Dirt = Dirt()

    def __post_init__(self) -> None:
        if self.rows < ROWS.minimum:
            raise SettingsError(f"rows is {self.rows}; a feed has at least {ROWS.minimum}")
