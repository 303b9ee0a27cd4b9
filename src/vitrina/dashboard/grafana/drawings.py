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
    coloured,
    describe,
    fixed,
    hidden,
    hide_others,
    threshold_overrides,
    unit_of,
    value_names,
)
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.texts import Language, text

_FAINT = "50"


_NOTHING = "–"


def drawn(panel: Panel, language: Language) -> Drawing:
    """A panel in Grafana, still without its place and its queries."""
    drawing = _DRAWINGS[panel.kind](panel, language)
    unit, decimals = unit_of(panel.value)
    if panel.kind in _WITH_AXES and panel.unit == "money":
        unit, decimals = "short", None
    drawing.title(panel.title.of(language)).description(panel.question.of(language))
    drawing.unit(unit).no_value(_NOTHING)
    if decimals is not None:
        drawing.decimals(decimals)
    return drawing


def ref_ids(panel: Panel) -> str:
    """The names of its queries: a second asks the same where one table feeds two things."""
    return "AB" if panel.kind in (Kind.gauge, Kind.lines) else "A"


def _stat(panel: Panel, language: Language) -> Drawing:
    drawing = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/"))
        .text_mode(common_models.BigValueTextMode.VALUE_AND_NAME)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .color_scheme(fixed("text"))
    )
    describe(drawing, panel, language)
    if panel.thresholds:
        drawing.override_by_name(panel.value, threshold_overrides(panel))
    return drawing


def _gauge(panel: Panel, language: Language) -> Drawing:
    lowest, highest = panel.columns[1:]
    # Fields are matched by the name that is shown, as a regular expression of JavaScript.
    name = PANEL_COLUMNS[panel.value].words.of(language)
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
    describe(drawing, panel, language)
    return drawing


def _over_time() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .line_width(2)
        .show_points(common_models.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )


def _lines(panel: Panel, language: Language) -> Drawing:
    drawing = _over_time().legend(_legend(shown=True))
    single = text("grafana.single_days", language)
    regions = value_names(panel.series, language)
    for position, region in enumerate(regions.values()):
        colour = COLOURS[position % len(COLOURS)]
        drawing.override_by_name(region, [coloured(colour)])
        drawing.override_by_name(
            single.format(region=region),
            [
                coloured(colour + _FAINT),
                Override("custom.lineWidth", 1),
                Override("custom.hideFrom", {"viz": False, "legend": True, "tooltip": True}),
            ],
        )
    days = {name: single.format(region=region) for name, region in regions.items()}
    # The single days are renamed before the averages have names that could be confused.
    for ref_id, column, names in (
        ("B", "total_sales_amount", days),
        ("A", panel.value, regions),
    ):
        _into_columns(drawing, panel, column, names, ref_id)
    return drawing


def _one_line(panel: Panel, language: Language) -> Drawing:
    drawing = _over_time().legend(_legend(shown=False)).color_scheme(fixed(COLOURS[0]))
    if panel.kind is Kind.import_bars:
        drawing.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80)
    describe(drawing, panel, language)
    if panel.kind is Kind.import_bars:
        # Bars of a time series do not start at 0 by themselves.
        drawing.override_by_name(panel.value, [Override("min", 0)])
    hide_others(drawing, panel)
    return drawing


def _bars(panel: Panel, language: Language) -> Drawing:
    drawing = (
        barchart.Panel()
        .x_field(panel.x)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .show_value(common_models.VisibilityMode.ALWAYS)
        .legend(_legend(shown=False))
        .color_scheme(fixed(COLOURS[0]))
    )
    describe(drawing, panel, language)
    hide_others(drawing, panel)
    return drawing


def _heat_map(panel: Panel, language: Language) -> Drawing:
    """Days are cells of Grafana's heat map; longer and unequal steps those of a status history."""
    drawing: heatmap.Panel | statushistory.Panel
    if panel.x == "sale_date":
        drawing = (
            heatmap.Panel()
            .calculate(False)
            .color(heatmap.HeatmapColorOptions().scheme("Blues").steps(64))
            .cell_gap(0)
        )
    else:
        drawing = (
            statushistory.Panel()
            .show_value(common_models.VisibilityMode.NEVER)
            .row_height(0.95)
            .legend(_legend(shown=False))
            .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_BLUES))
        )
    _into_columns(drawing, panel, panel.value, value_names(panel.series, language))
    return drawing


def _state_timeline(panel: Panel, language: Language) -> Drawing:
    drawing = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.AUTO)
        .legend(_legend(shown=True))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    describe(drawing, panel, language)
    for column in panel.columns:
        if column not in (panel.x, panel.series):
            drawing.override_by_name(column, [hidden()])
    return drawing


def _pareto(panel: Panel, language: Language) -> Drawing:
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
    describe(drawing, panel, language)
    # Of this column alone: the defaults would hold for the rank on x as well.
    drawing.override_by_name(panel.value, [Override("min", 0), Override("max", 1)])
    hide_others(drawing, panel)
    return drawing


def _table(panel: Panel, language: Language) -> Drawing:
    drawing = table.Panel().cell_height(common_models.TableCellHeight.SM)
    describe(drawing, panel, language)
    return drawing


_DRAWINGS: dict[Kind, Callable[[Panel, Language], Drawing]] = {
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
    drawing: Drawing, panel: Panel, column: str, names: Mapping[str, str], ref_id: str = "A"
) -> None:
    """Turn rows of (x, series, value) into a column for each series, in the order of `names`."""
    only = models.MatcherConfig(id_val="byRefId", options=ref_id)
    drawing.with_transformation(
        models.DataTransformerConfig(
            id_val="groupingToMatrix",
            filter_val=only if len(ref_ids(panel)) > 1 else None,
            options={
                "columnField": panel.series,
                "rowField": panel.x,
                "valueField": column,
                "emptyValue": "null",
            },
        )
    )
    order = [f"{panel.x}\\{panel.series}", *names]
    drawing.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: at for at, name in enumerate(order)},
                "renameByName": dict(names),
            },
        )
    )


def _legend(*, shown: bool) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(shown)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .calcs([])
    )
