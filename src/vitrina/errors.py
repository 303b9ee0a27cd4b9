"""Everything that can go wrong without being a bug of Vitrina.

    VitrinaError
    ├── SettingsError            a setting, parameter or contract is unusable
    │   └── NotInstalled         an optional part of Vitrina is needed and not installed
    ├── BatchError               a step was asked for before the one it builds on
    ├── ExportError              a store's file or table cannot be read as its sales
    ├── FeedError                the feed cannot be read or is too bad to load
    ├── CorruptFile              a file of the lake is not the one that was written
    ├── ReconciliationError      two engines, or two steps, disagree about a figure
    ├── EngineError              Spark could not compute or write what it was asked for
    └── StoreError               a store refused what was asked
        └── StoreUnavailable     a store, or Spark, cannot be reached or is busy: try again

The command line prints these as one line and exits with 1; Airflow retries only those
that are `transient`. Any other exception is a bug and keeps its traceback.
"""

from decimal import Decimal
from typing import ClassVar


class VitrinaError(Exception):
    """The root: its text says what happened, what was left, and what to do next."""

    transient: ClassVar[bool] = False


class SettingsError(VitrinaError):
    pass


class NotInstalled(SettingsError):
    """`part` is what is missing, `extra` the extra of the package that brings it.

    `instead` says what else would do: a variable to set, for one.
    """

    def __init__(self, part: str, extra: str, instead: str = "") -> None:
        super().__init__(
            f"{part} is not installed; run: pip install 'vitrina[{extra}]'"
            + (f", or {instead}" if instead else "")
        )


class BatchError(VitrinaError):
    pass


class ExportError(VitrinaError):
    pass


class FeedError(VitrinaError):
    pass


class CorruptFile(VitrinaError):
    pass


class ReconciliationError(VitrinaError):
    """One figure of a table differs between two engines or two steps.

    `expected` is what was there first, `actual` what was made from it; None stands for a row
    that is missing.
    """

    def __init__(
        self,
        mart: str,
        measure: str,
        *,
        expected: tuple[str, Decimal | int | None],
        actual: tuple[str, Decimal | int | None],
        where: str = "",
        left: str,
    ) -> None:
        self.mart = mart
        self.measure = measure
        self.expected = expected[1]
        self.actual = actual[1]
        row = f" for {where}" if where else ""
        super().__init__(
            f"{mart}.{measure}{row} does not reconcile: {_figure(*expected)}, "
            f"{_figure(*actual)}; {left}"
        )


class EngineError(VitrinaError):
    pass


class StoreError(VitrinaError):
    pass


class StoreUnavailable(StoreError):
    transient = True


def _figure(store: str, figure: Decimal | int | None) -> str:
    return f"{store} has no such row" if figure is None else f"{store} has {figure}"
