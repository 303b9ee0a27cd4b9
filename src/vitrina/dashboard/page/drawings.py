"""How each kind of panel is drawn in the page: Vega-Lite, compiled to what Vega draws.

A chart names its data; `charts.js` hands them over as rows of numbers, each beside its
`…_text`, the figure as people read it.
"""

from collections.abc import Callable
from typing import Any

import altair as alt
import vl_convert

from vitrina.dashboard.page.encodings import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    Scene,
    day_axis,
    heat,
    hover,
    lit,
    money_axis,
    months,
    named,
    region_colour,
    rows_axis,
    tooltips,
    tooltips_by_region,
)
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.marts import ABC_PERCENT

_FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
_CLASSES = (*ABC_PERCENT, "C")
# Pixels; a longer name of a region is cut.
_NAME_LIMIT = 140

_CONFIG: dict[str, Any] = {
    # The page says in words what a picture shows, and has every value in a table.
    "aria": False,
    "background": None,
    # Named, not inherited: Vega measures texts by it. The same as in `page.css`.
    "font": _FONT,
    "padding": {"left": 0, "right": 12, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": 12,
        "labelPadding": 6,
        "title": None,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "domainColor": GRID,
        "tickColor": GRID,
        "gridColor": GRID,
    },
    "text": {"color": INK, "fontSize": 12},
}

# Altair's own annotations lose the type of a chart at its first mark.
Chart = Any


def compiled(panel: Panel, scene: Scene) -> dict[str, Any]:
    """A panel's chart as Vega draws it, its data still to come."""
    chart = _DRAWINGS[panel.kind](panel, scene).properties(
        width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    specification = chart.to_dict() | {"config": _CONFIG}
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(specification, vl_version=_VERSION)
    return vega


def vega_script() -> str:
    """Vega-Embed with Vega-Lite and Vega, to stand in a page's `<script>`."""
    # The bundle's own name for Vega is null (vl-convert 1.9): only Vega-Embed is asked for.
    script: str = vl_convert.javascript_bundle(
        snippet="window.vegaEmbed = vegaEmbed;", vl_version=_VERSION
    )
    return script.replace("</script", "<\\/script")


# The Vega-Lite that this Altair writes, as vl-convert names it.
_VERSION = ".".join(alt.SCHEMA_VERSION.split(".")[:2])


def _lines(panel: Panel, scene: Scene) -> Chart:
    colour = region_colour(panel.series, scene)
    day = day_axis(panel.x)
    single = (
        named("rows")
        .mark_line(strokeWidth=1, opacity=0.25)
        .encode(x=day, y=money_axis("total_sales_amount"), color=colour)
    )
    average = (
        named("rows")
        .mark_line(strokeWidth=2.5, strokeJoin="round")
        .encode(x=day, y=money_axis(panel.value), color=colour)
    )
    # A name at the end of its line: nobody has to match colours with a legend.
    dots = (
        named("ends")
        .mark_point(filled=True, size=40, opacity=1)
        .encode(x=day, y=money_axis("value"), color=colour)
    )
    names = (
        named("ends")
        .mark_text(align="left", dx=8, limit=_NAME_LIMIT)
        .encode(x=day, y=money_axis("place"), text=f"{panel.series}:N")
    )
    strips = hover("hover", panel.x, tooltips_by_region(panel, scene))
    return alt.layer(single, average, dots, names, strips).properties(height=300)


def _area(panel: Panel, scene: Scene) -> Chart:
    area = (
        named("rows")
        .mark_area(color=ACCENT, fillOpacity=0.25, line={"color": ACCENT, "strokeWidth": 1.5})
        .encode(x=day_axis(panel.x), y=money_axis(panel.value))
    )
    strips = hover("rows", panel.x, tooltips(panel, scene))
    return alt.layer(area, strips).properties(height=200)


def _line(panel: Panel, scene: Scene) -> Chart:
    x, y = day_axis(panel.x), money_axis(panel.value, zero=False)
    line = named("rows").mark_line(color=ACCENT, strokeWidth=1.5).encode(x=x, y=y)
    # A day between two without sales is no line.
    alone = named("alone").mark_point(filled=True, color=ACCENT, size=20).encode(x=x, y=y)
    strips = hover("rows", panel.x, tooltips(panel, scene))
    return alt.layer(line, alone, strips).properties(height=200)


def _state_timeline(panel: Panel, scene: Scene) -> Chart:
    day = day_axis(panel.x)
    band = (
        named("runs")
        .mark_rect()
        .encode(
            x=day,
            x2="end:T",
            y=alt.value(2),
            y2=alt.value(26),
            color=region_colour(panel.series, scene),
        )
    )
    names = (
        named("runs")
        .transform_filter("datum.named")
        .mark_text(color="var(--on-region)", fontWeight="bold", limit=_NAME_LIMIT)
        .encode(
            x=alt.X("middle:T", scale=alt.Scale(type="utc")),
            y=alt.value(14),
            text=f"{panel.series}:N",
        )
    )
    lead = (
        named("rows")
        .mark_area(opacity=0.35, interpolate="step-after", color=ACCENT)
        .encode(x=day, y=money_axis(panel.value, range_=[170, 40], ticks=3))
    )
    strips = hover("rows", panel.x, tooltips(panel, scene))
    return alt.layer(lead, band, names, strips).properties(height=170)


def _heat_map(panel: Panel, scene: Scene) -> Chart:
    """Days side by side, weekdays by month, or imports with their figures in the cells."""
    if PANEL_COLUMNS[panel.x].unit == "day":
        return (
            named("rows")
            .mark_rect()
            .encode(
                x=day_axis(panel.x),
                x2=f"{panel.x}_end:T",
                y=rows_axis(panel.series, sort=list(scene.regions)),
                color=heat(),
                tooltip=tooltips(panel, scene),
            )
            .properties(height=alt.Step(22 if scene.is_crowded else 40))
        )
    if PANEL_COLUMNS[panel.series].unit == "weekday":
        y = rows_axis(f"{panel.series}_text", alt.EncodingSortField(panel.series, op="min"))
        return _steps(panel, scene, y).properties(height=alt.Step(30))
    y = rows_axis(panel.series, alt.EncodingSortField("order", op="min"))
    figures = (
        named("figures")
        .mark_text()
        .encode(
            x=months(panel.x),
            y=y,
            text=f"{panel.value}_text:N",
            color=alt.Color("ink:N", scale=None),
        )
    )
    return alt.layer(_steps(panel, scene, y), figures).properties(height=alt.Step(22))


def _steps(panel: Panel, scene: Scene, y: alt.Y) -> Chart:
    return (
        named("rows")
        .mark_rect(stroke="var(--surface)", strokeWidth=1)
        .encode(x=months(panel.x), y=y, color=heat(), tooltip=tooltips(panel, scene))
    )


def _bars(panel: Panel, scene: Scene) -> Chart:
    # In the order of the rows.
    name = rows_axis(panel.x, sort=None)
    size, step = (12, 40) if scene.is_crowded else (30, 66)
    bars = (
        named("rows")
        .mark_bar(size=size, cursor="pointer")
        .encode(
            x=money_axis(panel.value, horizontal=True),
            y=name,
            color=region_colour(panel.x, scene),
            tooltip=tooltips(panel, scene),
        )
    )
    # Above its bar, where there is room however long the bar is.
    figures = (
        named("rows")
        .mark_text(align="left", baseline="bottom", dx=1, yOffset=-size / 2 - 3)
        .encode(x=alt.value(0), y=name, text="label:N")
    )
    return alt.layer(bars, figures).properties(height=alt.Step(step))


def _pareto(panel: Panel, scene: Scene) -> Chart:
    x = alt.X(
        f"{panel.x}:Q",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(
            grid=False,
            tickCount=6,
            labelExpr="whole(datum.value)",
            format="d",
            title=PANEL_COLUMNS[panel.x].words.of(scene.language),
        ),
    )
    y = alt.Y(
        f"{panel.value}:Q",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(labelExpr="percent(datum.value)", values=[0, 0.2, 0.4, 0.6, 0.8, 0.95, 1]),
    )
    colours = alt.Scale(domain=list(_CLASSES), range=[f"var(--class-{name})" for name in _CLASSES])
    areas = (
        named("rows")
        .mark_area(opacity=0.9)
        .encode(x=x, y=y, color=alt.Color(f"{panel.series}:N", scale=colours, legend=None))
    )
    curve = named("rows").mark_line(color=INK, strokeWidth=1.5).encode(x=x, y=y)
    chosen = (
        named("chosen")
        .mark_point(filled=True, size=70, color="var(--mark)", opacity=1, stroke="var(--surface)")
        .encode(x=x, y=y)
    )
    strips = (
        named("rows")
        .mark_rect(color=INK)
        .encode(x=alt.X("from:Q"), x2="to:Q", tooltip=tooltips(panel, scene))
    )
    return alt.layer(areas, curve, chosen, lit(strips)).properties(height=300)


def _import_bars(panel: Panel, scene: Scene) -> Chart:
    # A bar has the width of its place, within reason: one import is not a wall.
    width = {"size": 36} if scene.imports <= 10 else {"width": {"band": 0.75}}
    return (
        named("rows")
        .mark_bar(color=ACCENT, **width)
        .encode(
            x=months(panel.x),
            y=money_axis(panel.value),
            opacity=alt.Opacity("weight:Q", scale=None),
            tooltip=tooltips(panel, scene),
        )
        .properties(height=220)
    )


_DRAWINGS: dict[Kind, Callable[[Panel, Scene], Chart]] = {
    Kind.lines: _lines,
    Kind.line: _line,
    Kind.area: _area,
    Kind.bars: _bars,
    Kind.import_bars: _import_bars,
    Kind.heat_map: _heat_map,
    Kind.state_timeline: _state_timeline,
    Kind.pareto: _pareto,
}
