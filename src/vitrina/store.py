"""A store, whose sales a batch holds, and the batch. Every part of Vitrina is handed one."""

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.contract import SALES, TIME_ZONE, Contract
from vitrina.errors import SettingsError

if TYPE_CHECKING:
    from vitrina.exports.source import Source

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Store:
    """Where a store's sales come from and what they are.

    Raises:
        SettingsError: the name is not one of small letters, digits and `_`.
    """

    name: str
    """Names its schema in PostgreSQL, its database in ClickHouse and its folder in the lake."""
    title: str
    """What people call it, on dashboards."""
    contract: Contract
    time_zone: str = TIME_ZONE
    """Where its days begin: an IANA name."""
    currency: str | None = None
    """An ISO 4217 code, shown with every amount."""
    source: "Source | None" = None
    """Its exports, and how they become the contract's fields. None: sales are generated."""
    names_zone: bool = True
    """Whether its file names the time zone; if not, its sales may have days and no times."""
    file: Path | None = field(default=None, compare=False)
    """The file that says all this, for commands that a message names."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"store {self.name!r}: a store's name has small letters, digits and _, begins "
                "with a letter and has at most 40 characters"
            )

    @property
    def is_generated(self) -> bool:
        """Whether it is the generated shop."""
        return self.source is None

    @property
    def feed_step(self) -> str:
        """The name of the step that leaves its feed."""
        return "generate" if self.is_generated else "extract"


GENERATED = Store("vitrina", "Vitrina", SALES)
"""The generated shop, the default."""


FIRST_DAY, LAST_DAY = datetime.date(1900, 1, 1), datetime.date(2299, 12, 31)
"""The days that a store can hold: those of ClickHouse's Date32."""


@dataclass(frozen=True)
class Batch:
    """One run's data, named by its date: the sales of `contract.days` days before `as_of`.

    Raises:
        SettingsError: some of those days are none that a store can hold.
    """

    as_of: datetime.date
    store: Store = GENERATED

    def __post_init__(self) -> None:
        days = self.contract.days
        if (self.as_of - FIRST_DAY).days < days or self.as_of > LAST_DAY:
            raise SettingsError(
                f"batch {self.as_of} is of the {days:,} days before that date, and the stores "
                f"hold the days from {FIRST_DAY} to {LAST_DAY}; give --as-of a date between"
            )

    @property
    def contract(self) -> Contract:
        return self.store.contract

    @property
    def first_day(self) -> datetime.date:
        """The first day of the window `first_day <= sale_date < as_of`."""
        return self.as_of - datetime.timedelta(days=self.contract.days)


def source_of(store: Store) -> "Source":
    """Where a store's own sales come from.

    Raises:
        SettingsError: its sales are generated.
    """
    if store.source is None:
        raise SettingsError(f"{store.name} has no files of its own: its sales are generated")
    return store.source
