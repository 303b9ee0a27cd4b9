"""The page's charts: Vega-Lite, written in Altair, compiled here to what Vega draws.

A chart names its data; `page.js` hands them over as rows of numbers, each beside its
`…_text`, the figure as people read it. Colours are the page's CSS variables, so that one
drawing serves the light theme, the dark one and print.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert

from vitrina.dashboard.panels import Panel
from vitrina.dashboard.texts import Language, text

REGION_COLOURS = 8
"""How many `--region-…` the page has; more regions take turns."""
FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
_CLASSES = ("A", "B", "C")
_INK, _MUTED, _GRID, _ACCENT = "var(--ink)", "var(--muted)", "var(--grid)", "var(--accent)"

_CONFIG: dict[str, Any] = {
    # The page says in words what a picture shows, and has every value in a table.
    "aria": False,
    "background": None,
    # Named, not inherited: Vega measures texts by it. The same as in `page.css`.
    "font": FONT,
    "padding": {"left": 0, "right": 12, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "labelFontSize": 12,
        "labelPadding": 6,
        "title": None,
        "titleColor": _MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "domainColor": _GRID,
        "tickColor": _GRID,
        "gridColor": _GRID,
    },
    "text": {"color": _INK, "fontSize": 12},
}

# Altair's own annotations lose the type of a chart at its first mark.
Chart = Any


@dataclass(frozen=True)
class Scene:
    """What a chart must know of the page before it has any data."""

    language: Language
    regions: Sequence[str]
    """As they are shown, in the order of the contract."""
    imports: int


def compiled(panel: Panel, scene: Scene) -> dict[str, Any]:
    """A panel's chart as Vega draws it, its data still to come."""
    chart = CHARTS[panel.id](scene).properties(
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


def amount_by_day_region(scene: Scene) -> Chart:
    colour = _region_colour("region", scene)
    day = _day_axis()
    single = (
        _data("rows")
        .mark_line(strokeWidth=1, opacity=0.25)
        .encode(x=day, y=_money_axis("total_sales_amount"), color=colour)
    )
    average = (
        _data("rows")
        .mark_line(strokeWidth=2.5, strokeJoin="round")
        .encode(x=day, y=_money_axis("moving_average_7_days"), color=colour)
    )
    # A name at the end of its line: nobody has to match colours with a legend.
    dots = (
        _data("ends")
        .mark_point(filled=True, size=40, opacity=1)
        .encode(x=day, y=_money_axis("value"), color=colour)
    )
    names = (
        _data("ends")
        .mark_text(align="left", dx=8)
        .encode(x=day, y=_money_axis("place"), text="region:N")
    )
    return alt.layer(
        single, average, dots, names, _hover("hover", _tooltips(scene.regions))
    ).properties(height=300)


def amount_by_day(scene: Scene) -> Chart:
    area = (
        _data("rows")
        .mark_area(color=_ACCENT, fillOpacity=0.25, line={"color": _ACCENT, "strokeWidth": 1.5})
        .encode(x=_day_axis(), y=_money_axis("total_sales_amount"))
    )
    shown = ("sale_date", "total_sales_amount", "total_sales")
    return alt.layer(area, _hover("rows", _of(shown, scene))).properties(height=200)


def average_by_day(scene: Scene) -> Chart:
    line = (
        _data("rows")
        .mark_line(color=_ACCENT, strokeWidth=1.5)
        .encode(x=_day_axis(), y=_money_axis("average_sale_amount", zero=False))
    )
    # A day between two without sales is no line.
    alone = (
        _data("alone")
        .mark_point(filled=True, color=_ACCENT, size=20)
        .encode(x=_day_axis(), y=_money_axis("average_sale_amount", zero=False))
    )
    shown = ("sale_date", "average_sale_amount", "total_sales")
    return alt.layer(line, alone, _hover("rows", _of(shown, scene))).properties(height=200)


def region_lead(scene: Scene) -> Chart:
    colour = _region_colour("leader", scene)
    band = (
        _data("runs")
        .mark_rect()
        .encode(x=_day_axis(), x2="end:T", y=alt.value(2), y2=alt.value(26), color=colour)
    )
    names = (
        _data("runs")
        .transform_filter("datum.named")
        .mark_text(color="var(--on-region)", fontWeight="bold")
        .encode(x=alt.X("middle:T", scale=alt.Scale(type="utc")), y=alt.value(14), text="leader:N")
    )
    lead = (
        _data("rows")
        .mark_area(opacity=0.35, interpolate="step-after", color=_ACCENT)
        .encode(x=_day_axis(), y=_money_axis("lead", range_=[170, 40], ticks=3))
    )
    shown = ("sale_date", "leader", "leader_amount", "lead")
    return alt.layer(lead, band, names, _hover("rows", _of(shown, scene))).properties(height=170)


def weekday_month(scene: Scene) -> Chart:
    shown = ("month", "weekday", "average_day_amount", "total_sales_amount", "days")
    return (
        _data("rows")
        .mark_rect(stroke="var(--surface)", strokeWidth=1)
        .encode(
            x=_months("month"),
            y=_rows_axis("weekday_text", sort=alt.EncodingSortField("weekday", op="min")),
            color=_heat(),
            tooltip=_of(shown, scene),
        )
        .properties(height=alt.Step(30))
    )


def day_region(scene: Scene) -> Chart:
    return (
        _data("rows")
        .mark_rect()
        .encode(
            x=_day_axis(),
            x2="sale_date_end:T",
            y=_rows_axis("region", sort=list(scene.regions)),
            color=_heat(),
            tooltip=_of(("sale_date", "region", "total_sales_amount"), scene),
        )
        .properties(height=alt.Step(40))
    )


def sales_by_region(scene: Scene) -> Chart:
    name = _rows_axis(
        "region", sort=alt.EncodingSortField("total_sales_amount", op="max", order="descending")
    )
    bars = (
        _data("rows")
        .mark_bar(size=30, cursor="pointer")
        .encode(
            x=_money_axis("total_sales_amount", horizontal=True),
            y=name,
            color=_region_colour("region", scene),
            tooltip=_of(
                ("region", "total_sales_amount", "share", "total_sales", "average_sale_amount"),
                scene,
            ),
        )
    )
    # Above its bar, where there is room however long the bar is.
    figures = (
        _data("rows")
        .mark_text(align="left", baseline="bottom", dx=1, yOffset=-18)
        .encode(x=alt.value(0), y=name, text="label:N")
    )
    return alt.layer(bars, figures).properties(height=alt.Step(66))


def pareto(scene: Scene) -> Chart:
    x = alt.X(
        "sales_rank:Q",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(
            grid=False,
            tickCount=6,
            labelExpr="whole(datum.value)",
            format="d",
            title=text("column.sales_rank", scene.language),
        ),
    )
    y = alt.Y(
        "running_share:Q",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(labelExpr="percent(datum.value)", values=[0, 0.2, 0.4, 0.6, 0.8, 0.95, 1]),
    )
    areas = (
        _data("rows")
        .mark_area(opacity=0.9)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "abc_class:N",
                scale=alt.Scale(
                    domain=list(_CLASSES), range=[f"var(--class-{name})" for name in _CLASSES]
                ),
                legend=None,
            ),
        )
    )
    curve = _data("rows").mark_line(color=_INK, strokeWidth=1.5).encode(x=x, y=y)
    chosen = (
        _data("chosen")
        .mark_point(filled=True, size=70, color="var(--mark)", opacity=1, stroke="var(--surface)")
        .encode(x=x, y=y)
    )
    hover = (
        _data("rows")
        .mark_rect(color=_INK)
        .encode(
            x=alt.X("from:Q"),
            x2="to:Q",
            tooltip=_of(
                ("sales_rank", "product_id", "total_sales_amount", "running_share", "abc_class"),
                scene,
            ),
        )
    )
    return alt.layer(areas, curve, chosen, _lit(hover)).properties(height=300)


def rejects_by_reason(scene: Scene) -> Chart:
    y = _rows_axis("reason", sort=alt.EncodingSortField("order", op="min"))
    cells = (
        _data("rows")
        .mark_rect(stroke="var(--surface)", strokeWidth=1)
        .encode(
            x=_months("import_date"),
            y=y,
            color=_heat(),
            tooltip=_of(("import_date", "reason", "rejected_rows"), scene),
        )
    )
    figures = (
        _data("figures")
        .mark_text()
        .encode(
            x=_months("import_date"),
            y=y,
            text="rejected_rows_text:N",
            color=alt.Color("ink:N", scale=None),
        )
    )
    return alt.layer(cells, figures).properties(height=alt.Step(22))


def imports(scene: Scene) -> Chart:
    # A bar has the width of its place, within reason: one import is not a wall.
    width = {"size": 36} if scene.imports <= 10 else {"width": {"band": 0.75}}
    shown = ("import_date", "total_sales_amount", "rows_in", "clean", "rejected", "rejected_share")
    return (
        _data("rows")
        .mark_bar(color=_ACCENT, **width)
        .encode(
            x=_months("import_date"),
            y=_money_axis("total_sales_amount"),
            opacity=alt.Opacity("weight:Q", scale=None),
            tooltip=_of(shown, scene),
        )
        .properties(height=220)
    )


CHARTS: Mapping[str, Callable[[Scene], Chart]] = {
    chart.__name__: chart
    for chart in (
        amount_by_day_region,
        amount_by_day,
        average_by_day,
        region_lead,
        weekday_month,
        day_region,
        sales_by_region,
        pareto,
        rejects_by_reason,
        imports,
    )
}
"""The chart of each panel that has one, by the panel's id."""


def _data(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def _day_axis() -> alt.X:
    return alt.X(
        "sale_date:T",
        scale=alt.Scale(type="utc", nice=False),
        axis=alt.Axis(
            grid=False,
            tickCount={"interval": "month", "step": 1},
            labelExpr="monthOnAxis(datum.value)",
        ),
    )


def _money_axis(
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
        axis=alt.Axis(labelExpr="compact(datum.value)", tickCount=ticks, domain=False, ticks=False),
    )


def _months(column: str) -> alt.X:
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


def _rows_axis(column: str, sort: Any) -> alt.Y:
    return alt.Y(
        f"{column}:N",
        sort=sort,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelColor=_INK,
            labelLimit=alt.ExprRef("containerSize()[0] < 480 ? 150 : 260"),
        ),
    )


def _heat() -> alt.Color:
    """A cell's colour comes with its row: `charts.js` sets the steps and writes the key."""
    return alt.Color("heat:N", scale=None)


def _region_colour(column: str, scene: Scene) -> alt.Color:
    colours = [f"var(--region-{place % REGION_COLOURS})" for place in range(len(scene.regions))]
    scale = alt.Scale(domain=list(scene.regions), range=colours)
    return alt.Color(f"{column}:N", scale=scale, legend=None)


def _of(columns: Sequence[str], scene: Scene) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(f"{column}_text:N", title=text(f"column.{column}", scene.language))
        for column in columns
    ]


def _tooltips(regions: Sequence[str]) -> list[alt.Tooltip]:
    """A day's figures, a line a region: their names may hold anything, so fields are numbered."""
    fields = [alt.Tooltip("sale_date_text:N", title="day")]
    return fields + [
        alt.Tooltip(f"region_{place}:N", title=region) for place, region in enumerate(regions)
    ]


def _hover(data: str, tooltip: list[alt.Tooltip]) -> alt.Chart:
    """A strip a day, from top to bottom: it shows the day's figures, and lights up."""
    return _lit(
        _data(data)
        .mark_rect(color=_INK)
        .encode(x=_day_axis(), x2="sale_date_end:T", tooltip=tooltip)
    )


def _lit(chart: alt.Chart) -> alt.Chart:
    pointed = alt.selection_point(on="pointerover", clear="pointerout", empty=False)
    lit = alt.when(pointed).then(alt.value(0.18)).otherwise(alt.value(0))
    return chart.encode(opacity=lit).add_params(pointed)
