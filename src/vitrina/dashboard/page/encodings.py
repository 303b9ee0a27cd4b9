"""Axes, colours and tooltips that the page's charts share.

Colours are the page's CSS variables, so that one drawing serves the light theme, the dark one
and print.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels.tables import LARGEST
from vitrina.dashboard.texts import Language

REGION_COLOURS = LARGEST
"""How many `--region-…` the page has; more regions take turns."""
INK, MUTED, GRID, ACCENT = "var(--ink)", "var(--muted)", "var(--grid)", "var(--accent)"


@dataclass(frozen=True)
class Scene:
    """What a chart must know of the page before it has any data."""

    language: Language
    regions: Sequence[str]
    """As they are shown, in their order."""
    rest: str | None
    """What the regions that have no place of their own are called; None: all have one."""
    imports: int

    @property
    def is_crowded(self) -> bool:
        return len(self.regions) > REGION_COLOURS


def named(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def day_axis(column: str) -> alt.X:
    return alt.X(
        f"{column}:T",
        scale=alt.Scale(type="utc", nice=False),
        axis=alt.Axis(
            grid=False,
            tickCount={"interval": "month", "step": 1},
            labelExpr="monthOnAxis(datum.value)",
        ),
    )


def money_axis(
    column: str,
    *,
    zero: bool = True,
    horizontal: bool = False,
    range_: list[float] | None = None,
    ticks: int = 5,
) -> Any:
    options: dict[str, Any] = {} if range_ is None else {"range": range_}
    return (alt.X if horizontal else alt.Y)(
        f"{column}:Q",
        scale=alt.Scale(zero=zero, **options),
        axis=alt.Axis(
            labelExpr="compactMoney(datum.value)", tickCount=ticks, domain=False, ticks=False
        ),
    )


def months(column: str) -> alt.X:
    """A step for each date, under its name."""
    return alt.X(
        f"{column}_text:O",
        sort=alt.EncodingSortField(column, op="min"),
        axis=alt.Axis(
            labelAngle=0,
            labelOverlap="greedy",
            labelSeparation=8,
            labelBound=12,
            # The year below the rest, so that twice as many fit.
            labelExpr="[slice(datum.label, 0, -5), slice(datum.label, -4)]",
            ticks=False,
            domain=False,
        ),
    )


def rows_axis(column: str, sort: Any) -> alt.Y:
    return alt.Y(
        f"{column}:N",
        sort=sort,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelColor=INK,
            labelLimit=alt.ExprRef("containerSize()[0] < 480 ? 130 : 240"),
        ),
    )


def heat() -> alt.Color:
    """A cell's colour comes with its row: `charts.js` sets the steps and writes the key."""
    return alt.Color("heat:N", scale=None)


def region_colour(column: str, scene: Scene) -> alt.Color:
    names = list(scene.regions)
    colours = [f"var(--region-{place % REGION_COLOURS})" for place in range(len(names))]
    if scene.rest is not None:
        names, colours = [*names, scene.rest], [*colours, MUTED]
    return alt.Color(f"{column}:N", scale=alt.Scale(domain=names, range=colours), legend=None)


def tooltips(panel: Panel, scene: Scene) -> list[alt.Tooltip]:
    """The figures of a row, in the order of its panel."""
    return [
        alt.Tooltip(f"{column}_text:N", title=PANEL_COLUMNS[column].words.of(scene.language))
        for column in panel.columns
    ]


def tooltips_by_region(panel: Panel, scene: Scene) -> list[alt.Tooltip]:
    """A day's figures, a line for each region.

    The names of regions may hold anything, so the fields are numbered.
    """
    fields = [alt.Tooltip(f"{panel.x}_text:N", title="day")]
    fields += [
        alt.Tooltip(f"region_{place}:N", title=region) for place, region in enumerate(scene.regions)
    ]
    if scene.rest is not None:
        # No region has this place.
        fields.append(alt.Tooltip("region_-1:N", title=scene.rest))
    return fields


def hover(data: str, x: str, tooltip: list[alt.Tooltip]) -> alt.Chart:
    """A strip for each day, from top to bottom: it shows the day's figures, and lights up."""
    return lit(
        named(data).mark_rect(color=INK).encode(x=day_axis(x), x2=f"{x}_end:T", tooltip=tooltip)
    )


def lit(chart: alt.Chart) -> alt.Chart:
    pointed = alt.selection_point(on="pointerover", clear="pointerout", empty=False)
    lit = alt.when(pointed).then(alt.value(0.18)).otherwise(alt.value(0))
    return chart.encode(opacity=lit).add_params(pointed)
