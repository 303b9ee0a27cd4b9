"""How each kind of panel is drawn in Grafana."""

import re
from collections.abc import Callable, Mapping

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    gauge,
    heatmap,
    stat,
    statetimeline,
    statushistory,
    table,
    timeseries,
    trend,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from vitrina.dashboard.grafana.overrides import (
    COLOURS,
    Drawing,
    Override,
    Scene,
    coloured,
    describe,
    fixed,
    hidden,
    hide_others,
    nothing,
    region_colours,
    threshold_overrides,
    unit_of,
    value_names,
)
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels import WEEK_BEFORE_THE_ONLY_IMPORT
from vitrina.dashboard.texts import text
from vitrina.rules import WRONG_WIDTH

_FAINT = "50"
_DAY_MILLISECONDS = 86_400_000
# The column that is drawn instead of a figure with cents.
_ON_AXIS = "on_axis"
_ROWS_ON_A_PAGE = 100


def drawn(panel: Panel, scene: Scene) -> Drawing:
    """A panel in Grafana, still without its place and its queries."""
    drawing = _DRAWINGS[panel.kind](panel, scene)
    unit, digits = unit_of(panel.value, scene)
    if panel.kind in _WITH_AXES and panel.unit == "money":
        unit, digits = "short", None
    drawing.title(panel.title.of(scene.language)).description(panel.question.of(scene.language))
    drawing.unit(unit).no_value(nothing(panel, scene))
    if digits is not None:
        drawing.decimals(digits)
    return drawing


def queries(panel: Panel, scene: Scene) -> dict[str, str]:
    """The panel's SQL by the names of its queries; a second feeds what one table cannot."""
    if panel.kind is Kind.gauge or (panel.kind is Kind.lines and region_colours(scene)):
        return {"A": panel.sql, "B": panel.sql}
    if _has_imports_as_columns(panel):
        return {"A": panel.sql, "B": WEEK_BEFORE_THE_ONLY_IMPORT}
    return {"A": panel.sql}


def _has_imports_as_columns(panel: Panel) -> bool:
    return panel.kind is Kind.heat_map and panel.x == "import_date"


def _stat(panel: Panel, scene: Scene) -> Drawing:
    size = 26 if panel.is_headline else 20
    drawing = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/"))
        .text_mode(common_models.BigValueTextMode.VALUE_AND_NAME)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        # Without sizes of its own, the longest text makes all of them small.
        .text(common.VizTextDisplayOptions().title_size(12).value_size(size))
        .color_scheme(fixed("text"))
    )
    describe(drawing, panel, scene)
    if panel.thresholds:
        drawing.override_by_name(panel.value, threshold_overrides(panel, scene))
    return drawing


def _gauge(panel: Panel, scene: Scene) -> Drawing:
    lowest, highest = panel.columns[1:]
    # Fields are matched by the name that is shown, as a regular expression of JavaScript.
    name = PANEL_COLUMNS[panel.value].words.of(scene.language)
    shown = re.sub(r"[.*+?^${}()|\[\]\\/]", r"\\\g<0>", name)
    drawing = (
        gauge.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{shown}$/"))
        .show_threshold_labels(False)
        .show_threshold_markers(False)
        .color_scheme(fixed(COLOURS[0]))
        # The ends of the scale are figures too: those of the second query.
        .with_transformation(
            models.DataTransformerConfig(
                id_val="configFromData",
                options={
                    "configRefId": "B",
                    "applyTo": {"id": "byName", "options": panel.value},
                    "mappings": [
                        {"fieldName": lowest, "handlerKey": "min"},
                        {"fieldName": highest, "handlerKey": "max"},
                        {"fieldName": panel.value, "handlerKey": "__ignore"},
                    ],
                },
            )
        )
    )
    describe(drawing, panel, scene)
    return drawing


def _over_time() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .line_width(2)
        .show_points(common_models.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )


def _lines(panel: Panel, scene: Scene) -> Drawing:
    drawing = _over_time().legend(_legend(shown=True))
    regions = value_names(panel.series, scene)
    if colours := region_colours(scene):
        _draw_single_days(drawing, panel, scene, colours)
    _into_columns(drawing, panel, panel.value, regions, "A")
    return drawing


def _draw_single_days(
    drawing: timeseries.Panel, panel: Panel, scene: Scene, colours: Mapping[str, str]
) -> None:
    """Behind the line of each region, where they are few: the colours of both must be alike."""
    single = text("grafana.single_days", scene.language)
    regions = value_names(panel.series, scene)
    for name, region in regions.items():
        drawing.override_by_name(region, [coloured(colours[name])])
        drawing.override_by_name(single.format(region=region), [coloured(colours[name] + _FAINT)])
    drawing.override_by_regexp(
        f"/^{single.format(region='.*')}$/",
        [
            Override("custom.lineWidth", 1),
            Override("custom.hideFrom", {"viz": False, "legend": True, "tooltip": True}),
        ],
    )
    # A matrix no longer says which query it is of. So that of the single days comes first.
    days = {name: single.format(region=region) for name, region in regions.items()}
    _into_columns(drawing, panel, "total_sales_amount", days, "B")


def _one_line(panel: Panel, scene: Scene) -> Drawing:
    drawing = _over_time().legend(_legend(shown=False)).color_scheme(fixed(COLOURS[0]))
    if panel.kind is Kind.import_bars:
        drawing.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80)
    describe(drawing, panel, scene)
    hide_others(drawing, panel)
    drawn = panel.value
    if panel.unit == "money":
        drawn = _ON_AXIS
        _draw_a_copy(drawing, panel)
    if panel.kind is Kind.import_bars:
        # Bars of a time series do not start at 0 by themselves.
        drawing.override_by_name(drawn, [Override("min", 0)])
    return drawing


def _draw_a_copy(drawing: timeseries.Panel, panel: Panel) -> None:
    """Draw a copy of the money, for which the axis is abbreviated; the figure keeps its cents.

    An axis and a figure have the unit of their column, so one column cannot have both.
    """
    drawing.with_transformation(
        _step(
            "calculateField",
            mode="reduceRow",
            reduce={"reducer": "last", "include": [panel.value]},
            alias=_ON_AXIS,
            timeSeries=False,
        )
    )
    drawing.override_by_name(
        _ON_AXIS,
        [
            Override("unit", "short"),
            Override("custom.hideFrom", {"viz": False, "legend": True, "tooltip": True}),
            # The second axis would be on the right, and without lines.
            Override("custom.axisPlacement", "left"),
            Override("custom.axisGridShow", value=True),
        ],
    )
    drawing.override_by_name(panel.value, [hidden()])


def _bars(panel: Panel, scene: Scene) -> Drawing:
    drawing = (
        barchart.Panel()
        .x_field(panel.x)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .show_value(common_models.VisibilityMode.ALWAYS)
        # Else a long name takes the bars' room.
        .x_tick_label_max_length(24)
        .legend(_legend(shown=False))
        .color_scheme(fixed(COLOURS[0]))
    )
    describe(drawing, panel, scene)
    # Each bar has its figure, to the cent; so the axis would only repeat them.
    drawing.override_by_name(panel.value, [Override("custom.axisPlacement", "hidden")])
    hide_others(drawing, panel)
    return drawing


def _heat_map(panel: Panel, scene: Scene) -> Drawing:
    """Days are cells of a heat map, months columns of a table, imports those of a history."""
    match panel.x:
        case "sale_date":
            return _days_heat_map(panel, scene)
        case "month":
            return _months_table(panel, scene)
    return _imports_history(panel, scene)


def _days_heat_map(panel: Panel, scene: Scene) -> Drawing:
    drawing = (
        heatmap.Panel()
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().scheme("Blues").steps(64).min(0).max(1))
        .cell_gap(0)
    )
    # A cell ends at its time: so a day's cell is named by the midnight after it.
    drawing.with_transformation(
        _step(
            "calculateField",
            mode="binary",
            binary={
                "left": {"matcher": {"id": "byType", "options": "time"}},
                "operator": "+",
                "right": {"fixed": str(_DAY_MILLISECONDS)},
            },
            timeSeries=False,
        )
    )
    ends = f"{panel.x} + {_DAY_MILLISECONDS}"
    _into_columns(drawing, panel, panel.value, value_names(panel.series, scene), x=ends)
    return drawing


def _months_table(panel: Panel, scene: Scene) -> Drawing:
    """A status history would be empty for a single month."""
    drawing = (
        table.Panel()
        .cell_height(common_models.TableCellHeight.SM)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_BLUES))
    )
    drawing.cell_options(
        common_models.TableColoredBackgroundCellOptions(
            common_models.TableCellBackgroundDisplayMode.BASIC, apply_to_row=False
        )
    )
    # Else a column takes 150 pixels, and a year of months scrolls.
    drawing.min_width(60)
    # From white on, so that the least of them is legible too.
    drawing.override_by_regexp(r"/^\d{4}-\d{2}$/", [Override("min", 0)])
    drawing.with_transformation(_step("formatTime", timeField=panel.x, outputFormat="YYYY-MM"))
    drawing.with_transformation(
        _step(
            "groupingToMatrix",
            columnField=panel.x,
            rowField=panel.series,
            valueField=panel.value,
            emptyValue="null",
        )
    )
    drawing.override_by_name(
        f"{panel.series}\\{panel.x}",
        [
            Override("displayName", PANEL_COLUMNS[panel.series].words.of(scene.language)),
            Override(
                "mappings",
                [
                    models.ValueMap(
                        {
                            name: models.ValueMappingResult(shown)
                            for name, shown in value_names(panel.series, scene).items()
                        }
                    )
                ],
            ),
            Override("custom.cellOptions", {"type": "auto"}),
            Override("custom.align", "left"),
            # Not a width: without an import it is the only column, and says so.
            Override("custom.minWidth", 95),
        ],
    )
    return drawing


def _imports_history(panel: Panel, scene: Scene) -> Drawing:
    drawing = (
        statushistory.Panel()
        .show_value(common_models.VisibilityMode.AUTO)
        .row_height(0.95)
        # Else there is a second page after twenty.
        .per_page(_ROWS_ON_A_PAGE)
        .legend(_legend(shown=False))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_BLUES))
    )
    x = {f"{panel.x}\\{panel.series}": panel.x}
    _into_columns(drawing, panel, panel.value, x | value_names(panel.series, scene), "A")
    drawing.with_transformation(_step("joinByField", byField=panel.x, mode="outer"))
    # Rows can be of any width, so this reason has no list of names.
    drawing.with_transformation(
        _step(
            "renameByRegex",
            regex=f"/{WRONG_WIDTH}/",
            renamePattern=text("reason.wrong_width", scene.language).format(
                found="$1", expected="$2"
            ),
        )
    )
    return drawing


def _state_timeline(panel: Panel, scene: Scene) -> Drawing:
    drawing = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.AUTO)
        .legend(_legend(shown=True))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    describe(drawing, panel, scene)
    for column in panel.columns:
        if column not in (panel.x, panel.series):
            drawing.override_by_name(column, [hidden()])
    return drawing


def _pareto(panel: Panel, scene: Scene) -> Drawing:
    drawing = (
        trend.Panel()
        .x_field(panel.x)
        .fill_opacity(10)
        .line_width(2)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(_legend(shown=False))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .color_scheme(fixed(COLOURS[0]))
    )
    describe(drawing, panel, scene)
    # Of this column alone: the defaults would hold for the rank on x as well.
    drawing.override_by_name(panel.value, [Override("min", 0), Override("max", 1)])
    hide_others(drawing, panel)
    return drawing


def _table(panel: Panel, scene: Scene) -> Drawing:
    drawing = table.Panel().cell_height(common_models.TableCellHeight.SM)
    # Else a column takes 150 pixels, and half the width holds too few of them.
    drawing.min_width(100)
    describe(drawing, panel, scene)
    for column in panel.columns:
        # A column is as wide as any other, however long its heading.
        drawing.override_by_name(column, [Override("custom.wrapHeaderText", value=True)])
    return drawing


_DRAWINGS: dict[Kind, Callable[[Panel, Scene], Drawing]] = {
    Kind.stat: _stat,
    Kind.gauge: _gauge,
    Kind.lines: _lines,
    Kind.line: _one_line,
    Kind.area: _one_line,
    Kind.import_bars: _one_line,
    Kind.bars: _bars,
    Kind.heat_map: _heat_map,
    Kind.state_timeline: _state_timeline,
    Kind.pareto: _pareto,
    Kind.table: _table,
}
_WITH_AXES = (
    Kind.lines,
    Kind.line,
    Kind.area,
    Kind.import_bars,
    Kind.bars,
    Kind.heat_map,
)


def _into_columns(
    drawing: Drawing,
    panel: Panel,
    column: str,
    names: Mapping[str, str],
    ref_id: str | None = None,
    x: str = "",
) -> None:
    """Turn rows of (x, series, value) into a column for each series, in the order of `names`."""
    x = x or panel.x
    drawing.with_transformation(
        _step(
            "groupingToMatrix",
            ref_id,
            columnField=panel.series,
            rowField=x,
            valueField=column,
            emptyValue="null",
        )
    )
    order = dict.fromkeys([f"{x}\\{panel.series}", *names])
    drawing.with_transformation(
        _step(
            "organize",
            indexByName={name: at for at, name in enumerate(order)},
            renameByName=dict(names),
        )
    )


def _step(
    name: str, ref_id: str | None = None, /, **options: object
) -> models.DataTransformerConfig:
    """A transformation of the data; with the name of a query, of that one's alone."""
    only = models.MatcherConfig(id_val="byRefId", options=ref_id) if ref_id else None
    return models.DataTransformerConfig(id_val=name, filter_val=only, options=options)


def _legend(*, shown: bool) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(shown)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .calcs([])
    )
