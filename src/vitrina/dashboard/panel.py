"""What a panel is: one value that says all there is to know of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from vitrina.dashboard.panel_columns import PANEL_COLUMNS, Unit
from vitrina.dashboard.placeholders import Variable, variables_in
from vitrina.dashboard.query import Query, sql
from vitrina.dashboard.texts import Words


class Kind(StrEnum):
    """How a panel is drawn; `grafana/drawings.py` and the page have a function for each."""

    stat = "stat"
    """One row: the figure, the one of the previous import, the change; figures may be NULL."""
    gauge = "gauge"
    """One row: the figure between `lowest` and `highest`."""
    lines = "lines"
    """A line for each series over the days, with the amounts of the single days behind it."""
    line = "line"
    """One line over the days."""
    area = "area"
    """One area over the days."""
    bars = "bars"
    """A horizontal bar for each region."""
    import_bars = "import_bars"
    """A bar for each import."""
    heat_map = "heat_map"
    """A cell for each step on x and each series."""
    state_timeline = "state_timeline"
    """Which series leads on each day, and by how much."""
    pareto = "pareto"
    """A running share by rank."""
    table = "table"


class Threshold(NamedTuple):
    """From this value on, the figure is at this level."""

    value: float
    level: Literal["good", "warning", "bad"]


class Size(NamedTuple):
    """Width and height on Grafana's grid of 24 columns; the width on the page's grid of 12."""

    width: int
    height: int
    on_page: int


@dataclass(frozen=True)
class Panel:
    """One panel. What each column of its query is, `panel_columns.py` says."""

    id: str
    section: str
    kind: Kind
    title: Words
    question: Words
    """What the panel answers."""
    query: Query
    value: str
    """The column that is drawn, or is the figure."""
    size: Size
    x: str = ""
    """The column along the horizontal axis, where there is one."""
    series: str = ""
    """The column that tells lines, or rows of a heat map, apart."""
    picture: Words | None = None
    """What the picture shows, for those who cannot see it."""
    empty: Words | None = None
    """What the page says when there are no rows; that nothing was sold, unless given."""
    key: Query | None = None
    """What the page writes above a Pareto curve: a row for each class."""
    thresholds: tuple[Threshold, ...] = ()
    is_headline: bool = False
    """Whether it is the figure that is looked for first."""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.query.columns

    @property
    def sql(self) -> str:
        return sql(self.query)

    @property
    def unit(self) -> Unit:
        return PANEL_COLUMNS[self.value].unit

    @property
    def variables(self) -> frozenset[Variable]:
        """What a reader can choose; the panel does not follow the others."""
        return variables_in(self.sql)
