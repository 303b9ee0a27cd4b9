"""Grafana: the panels as dashboards, and the alerts, in files that Grafana provisions.

`make grafana` writes them; `docs/grafana.md` says how they are used. There is no SQL here: a
panel's blanks become what the ClickHouse plugin fills in (`placeholders.grafana`).

The dashboards have the classic model ("v1"), which Grafana 13 turns into its own when it
loads them. Its provisioning from files refuses the new one ("v2").
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import (
    alerting,
    barchart,
    common,
    dashboard,
    expr,
    gauge,
    heatmap,
    stat,
    statetimeline,
    statushistory,
    table,
    timeseries,
    trend,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import alerting as alerting_models
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from vitrina.columns import Date, Decimal, Integer, Text
from vitrina.contract import SALES
from vitrina.dashboard.grafana.alerts import ALERTS, Alert
from vitrina.dashboard.panels import CHOICES, PANELS, SECTIONS, UNITS, Kind, Panel
from vitrina.dashboard.placeholders import Variable, grafana
from vitrina.dashboard.texts import Language, reason, text, value
from vitrina.marts import marts

# What other files name, so what must never change.
PLUGIN, PLUGIN_VERSION = "grafana-clickhouse-datasource", "4.20.0"
DATA_SOURCE = "vitrina-clickhouse"
DASHBOARDS = {Language.en: "vitrina-sales-en", Language.ru: "vitrina-sales-ru"}
ALERT_FOLDER = "Vitrina alerts"

# Four colours that colour-blind people can tell apart and that stand out, 3:1 at least, from
# both of Grafana's backgrounds.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_LEVELS = {"good": "#009E73", "warning": "#E69F00", "bad": "#D55E00"}
_FAINT = "50"
_NOTHING = "–"
_TABLE_FORMAT = 1

# Of the grid, and width and height of each panel on it.
_WIDTH = 24
_SIZES = {
    "total_sales_amount": (5, 6),
    "total_sales": (5, 6),
    "average_sale_amount": (5, 6),
    "rejected_share": (5, 6),
    "import_age": (4, 6),
    "average_gauge": (6, 9),
    "amount_by_day_region": (18, 9),
    "amount_by_day": (12, 8),
    "average_by_day": (12, 8),
    "region_lead": (24, 5),
    "weekday_month": (10, 9),
    "day_region": (14, 9),
    "sales_by_region": (10, 9),
    "pareto": (14, 9),
    "top_products": (24, 12),
    "rejects_by_reason": (14, 11),
    "imports": (10, 11),
    "control_totals": (24, 11),
}

# Grafana's name of a unit and the decimals; on axes money is abbreviated.
_UNITS: dict[str, tuple[str, int | None]] = {
    "money": ("locale", 2),
    "count": ("locale", 0),
    "share": ("percentunit", 2),
    "rank": ("locale", 0),
    "number": ("none", 0),
    "date": ("time:YYYY-MM-DD", None),
    "text": ("string", None),
    "flag": ("none", 0),
}

_Override = models.DynamicConfigValue
_Drawing = (
    stat.Panel
    | gauge.Panel
    | timeseries.Panel
    | barchart.Panel
    | heatmap.Panel
    | statushistory.Panel
    | statetimeline.Panel
    | table.Panel
    | trend.Panel
)
_Built = TypeVar("_Built")


class ClickHouseQuery(Dataquery):
    """A query as the plugin stores it: SQL, answered with a table."""

    def __init__(self, sql: str, ref_id: str) -> None:
        self.sql = sql
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """The query in the plugin's words: `CHSqlQuery` of its `src/types/sql.ts`."""
        return {
            "refId": self.ref_id,
            "datasource": {"type": PLUGIN, "uid": DATA_SOURCE},
            "pluginVersion": PLUGIN_VERSION,
            "editorType": "sql",
            "queryType": "table",
            "format": _TABLE_FORMAT,
            "rawSql": self.sql,
        }


class _Ready(Builder[_Built]):
    """What is built already, where the SDK wants its builder."""

    def __init__(self, built: _Built) -> None:
        self._built = built

    def build(self) -> _Built:
        return self._built


def sales_dashboard(language: Language) -> dict[str, Any]:
    """The dashboard in one language, as Grafana's classic model."""
    other = Language.ru if language is Language.en else Language.en
    built = (
        dashboard.Dashboard(text("page.title", language))
        .uid(DASHBOARDS[language])
        .tags(["vitrina"])
        # Days are dates, which come as midnights in UTC.
        .timezone("utc")
        .time("now-400d", "now")
        .week_start("monday")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink(text("grafana.other_language", language))
            .type(models.DashboardLinkType.LINK)
            .url(f"/d/{DASHBOARDS[other]}")
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in CHOICES:
        built.with_variable(_variable(variable, language))
    below = 0
    for section in SECTIONS:
        heading = models.GridPos(x=0, y=below, w=_WIDTH, h=1)
        built.with_row(dashboard.Row(text(f"section.{section}", language)).grid_pos(heading))
        x, y, below = 0, below + 1, below + 1
        for panel in PANELS:
            if panel.section != section:
                continue
            width, height = _SIZES[panel.id]
            if x + width > _WIDTH:
                x, y = 0, below
            place = models.GridPos(x=x, y=y, w=width, h=height)
            built.with_panel(_panel(panel, language).grid_pos(place))
            x, below = x + width, max(below, y + height)
    return _plain(built.build())


def alert_rules() -> dict[str, Any]:
    """The alert rules, as Grafana's provisioning reads them from a file.

    In titles and labels Grafana expands `$…`, so there is none. It takes models and annotations
    as they stand: written twice there, a `$` would stay twice.
    """
    rules = [_alert_rule(alert) for alert in ALERTS]
    group = {"orgId": 1, "name": "vitrina", "folder": ALERT_FOLDER, "interval": "5m"}
    return {"apiVersion": 1, "groups": [group | {"rules": rules}]}


def files() -> dict[str, str]:
    """Every generated file: its path below `deploy/grafana`, and its contents."""
    documents = {
        f"dashboards/sales.{language}.json": sales_dashboard(language) for language in Language
    }
    documents["provisioning/alerting/vitrina.json"] = alert_rules()
    return {
        path: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for path, document in documents.items()
    }


# Variables


def _variable(variable: Variable, language: Language) -> dashboard.QueryVariable:
    chosen = (
        dashboard.QueryVariable(variable)
        .label(text(f"variable.{variable}", language))
        .datasource(_data_source())
        .query({"refId": variable, "queryType": "sql", "rawSql": grafana(CHOICES[variable])})
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.DISABLED)
    )
    if variable is not Variable.import_date:
        # Nothing chosen for a date means the first of them, the newest.
        chosen.multi(True).include_all(True).current(
            models.VariableOption(selected=True, text=["All"], value=["$__all"])
        )
    return chosen


# Panels


def _panel(panel: Panel, language: Language) -> _Drawing:
    drawing = _DRAWINGS[panel.kind](panel, language)
    unit, decimals = _unit(panel.value, language)
    if panel.kind in _WITH_AXES and panel.unit == "money":
        unit, decimals = "short", None
    drawing.id(panel_id(panel.id)).title(text(panel.title, language))
    drawing.description(text(panel.question, language)).datasource(_data_source())
    drawing.unit(unit).no_value(_NOTHING)
    if decimals is not None:
        drawing.decimals(decimals)
    for ref_id in _queries(panel):
        drawing.with_target(_Ready(ClickHouseQuery(grafana(panel.sql), ref_id)))
    return drawing


def panel_id(name: str) -> int:
    """The number of a panel in both dashboards."""
    return 1 + [panel.id for panel in PANELS].index(name)


def _queries(panel: Panel) -> str:
    """The names of its queries: a second asks the same where one table feeds two things."""
    return "AB" if panel.kind is Kind.gauge or _has_single_days(panel) else "A"


def _has_single_days(panel: Panel) -> bool:
    return panel.kind is Kind.lines and bool(panel.series)


def _stat(panel: Panel, language: Language) -> _Drawing:
    drawing = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/"))
        .text_mode(common_models.BigValueTextMode.VALUE_AND_NAME)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .color_scheme(_fixed("text"))
    )
    _describe(drawing, panel, language)
    if panel.thresholds:
        drawing.override_by_name(panel.value, _threshold_overrides(panel))
    return drawing


def _gauge(panel: Panel, language: Language) -> _Drawing:
    lowest, highest = panel.columns[1:]
    drawing = (
        gauge.Panel()
        .reduce_options(
            common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{panel.value}$/")
        )
        .show_threshold_labels(False)
        .show_threshold_markers(False)
        .color_scheme(_fixed(_COLOURS[0]))
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
    _describe(drawing, panel, language)
    return drawing


def _lines(panel: Panel, language: Language) -> _Drawing:
    drawing = (
        timeseries.Panel()
        .line_width(2)
        .show_points(common_models.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .legend(_legend(shown=bool(panel.series)))
    )
    if panel.x == "import_date":
        drawing.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80)
    if not panel.series:
        drawing.color_scheme(_fixed(_COLOURS[0]))
        _describe(drawing, panel, language)
        _hide_others(drawing, panel)
        return drawing
    single = text("grafana.single_days", language)
    for name, region in _names(panel.series, language).items():
        position = list(SALES.regions).index(name) % len(_COLOURS)
        drawing.override_by_name(region, [_colour(_COLOURS[position])])
        drawing.override_by_name(
            single.format(region=region),
            [
                _colour(_COLOURS[position] + _FAINT),
                _Override("custom.lineWidth", 1),
                _Override("custom.hideFrom", {"viz": False, "legend": True, "tooltip": True}),
            ],
        )
    regions = _names(panel.series, language)
    days = {name: single.format(region=region) for name, region in regions.items()}
    # The single days are renamed before the averages have names that could be confused.
    for ref_id, column, names in (
        ("B", "total_sales_amount", days),
        ("A", panel.value, regions),
    ):
        _into_columns(drawing, panel, column, names, ref_id)
    return drawing


def _bars(panel: Panel, language: Language) -> _Drawing:
    drawing = (
        barchart.Panel()
        .x_field(panel.x)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .show_value(common_models.VisibilityMode.ALWAYS)
        .legend(_legend(shown=False))
        .color_scheme(_fixed(_COLOURS[0]))
    )
    _describe(drawing, panel, language)
    _hide_others(drawing, panel)
    return drawing


def _heat_map(panel: Panel, language: Language) -> _Drawing:
    """A cell a day in Grafana's heat map; what has fewer and unequal steps in its history."""
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
    _into_columns(drawing, panel, panel.value, _names(panel.series, language))
    return drawing


def _state_timeline(panel: Panel, language: Language) -> _Drawing:
    drawing = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.AUTO)
        .legend(_legend(shown=True))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    _describe(drawing, panel, language)
    for column in panel.columns:
        if column not in (panel.x, panel.series):
            drawing.override_by_name(column, [_hidden()])
    return drawing


def _pareto(panel: Panel, language: Language) -> _Drawing:
    drawing = (
        trend.Panel()
        .x_field(panel.x)
        .min(0)
        .max(1)
        .fill_opacity(10)
        .line_width(2)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(_legend(shown=False))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .color_scheme(_fixed(_COLOURS[0]))
    )
    _describe(drawing, panel, language)
    _hide_others(drawing, panel)
    return drawing


def _table(panel: Panel, language: Language) -> _Drawing:
    drawing = table.Panel().cell_height(common_models.TableCellHeight.SM)
    _describe(drawing, panel, language)
    return drawing


_DRAWINGS: dict[Kind, Callable[[Panel, Language], _Drawing]] = {
    Kind.stat: _stat,
    Kind.gauge: _gauge,
    Kind.lines: _lines,
    Kind.bars: _bars,
    Kind.heat_map: _heat_map,
    Kind.state_timeline: _state_timeline,
    Kind.pareto: _pareto,
    Kind.table: _table,
}
_WITH_AXES = (Kind.lines, Kind.bars, Kind.heat_map)


# Columns: what they are called, and how their values are written


def _describe(drawing: _Drawing, panel: Panel, language: Language) -> None:
    """Give each column its name in words, its unit and the words for its values."""
    for column in panel.columns:
        unit, decimals = _unit(column, language)
        properties = [
            _Override("displayName", text(f"column.{column}", language)),
            _Override("unit", unit),
        ]
        if decimals is not None:
            properties.append(_Override("decimals", decimals))
        if mapping := _mapping(column, language):
            properties.append(_Override("mappings", [mapping]))
        if UNITS[column] == "flag":
            properties.append(_Override("custom.cellOptions", {"type": "color-text"}))
        drawing.override_by_name(column, properties)


def _unit(column: str, language: Language) -> tuple[str, int | None]:
    unit = UNITS[column]
    if unit == "days":
        # Grafana's own "d" is a duration, and turns nine days into weeks.
        return text("unit.days", language).replace("{count}", "suffix:"), 0
    return _UNITS[unit]


def _mapping(column: str, language: Language) -> models.ValueMap | None:
    if UNITS[column] == "flag":
        return models.ValueMap(
            {
                "0": models.ValueMappingResult(text("flag.no", language), _LEVELS["bad"]),
                "1": models.ValueMappingResult(text("flag.yes", language), _LEVELS["good"]),
            }
        )
    names = _names(column, language)
    colours = dict(zip(SALES.regions, _COLOURS, strict=False)) if column == "leader" else {}
    results = {
        name: models.ValueMappingResult(shown, colours.get(name)) for name, shown in names.items()
    }
    return models.ValueMap(results) if results else None


def _names(column: str, language: Language) -> dict[str, str]:
    """The values a column can have that are shown in words, in the order in which to show them."""
    match column:
        case "region" | "leader":
            return {name: value(name, language) for name in SALES.regions}
        case "engine":
            known = ("spark", "postgresql", "clickhouse")
            return {name: value(name, language) for name in known}
        case "table_name":
            tables = ("sale", *(mart.name for mart in marts(SALES)))
            return {name: value(name, language) for name in tables}
        case "weekday":
            return {str(day): text(f"weekday.{day}", language) for day in range(1, 8)}
        case "reason":
            return {name: reason(name, language) for name in _reasons()}
    return {}


def _into_columns(
    drawing: _Drawing, panel: Panel, column: str, names: Mapping[str, str], ref_id: str = "A"
) -> None:
    """Turn rows of (x, series, value) into a column a series, named and ordered as `names`."""
    only = models.MatcherConfig(id_val="byRefId", options=ref_id)
    drawing.with_transformation(
        models.DataTransformerConfig(
            id_val="groupingToMatrix",
            filter_val=only if len(_queries(panel)) > 1 else None,
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


def _hide_others(drawing: _Drawing, panel: Panel) -> None:
    """Draw the value alone; the other columns are there on hovering."""
    for column in panel.columns:
        if column not in (panel.x, panel.value):
            drawing.override_by_name(column, [_hidden()])


def _threshold_overrides(panel: Panel) -> list[_Override]:
    steps: list[dict[str, object]] = [
        {"value": None if at == 0 else each.value, "color": _LEVELS[each.level]}
        for at, each in enumerate(panel.thresholds)
    ]
    return [
        _Override("thresholds", {"mode": "absolute", "steps": steps}),
        _Override("color", {"mode": "thresholds"}),
    ]


def _hidden() -> _Override:
    return _Override("custom.hideFrom", {"viz": True, "legend": True, "tooltip": False})


def _colour(colour: str) -> _Override:
    return _Override("color", {"mode": "fixed", "fixedColor": colour})


def _fixed(colour: str) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(colour)


def _legend(*, shown: bool) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(shown)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _data_source() -> common_models.DataSourceRef:
    return common_models.DataSourceRef(type_val=PLUGIN, uid=DATA_SOURCE)


# The rules that can fail for a field of each type, as the names of reasons end.
_RULES = {
    Integer: ("missing", "not_an_integer", "below_minimum", "above_maximum"),
    Decimal: ("missing", "not_a_number", "too_many_decimals", "below_minimum", "above_maximum"),
    Date: ("missing", "malformed", "impossible", "in_the_future", "before_the_window"),
    Text: ("missing", "unknown"),
}


def _reasons() -> Sequence[str]:
    of_fields = [
        f"{field.name}_{rule}" for field in SALES.fields for rule in _RULES[type(field.type)]
    ]
    return [*of_fields, "conflicting_duplicate"]


# Alerts


def _alert_rule(alert: Alert) -> dict[str, Any]:
    count = "{{ $values.A.Value }}"
    shown_in, panel = DASHBOARDS[Language.en], panel_id(alert.panel)
    annotations = {
        "summary": text(alert.summary, Language.en).replace("{count}", count),
        "summary_ru": text(alert.summary, Language.ru).replace("{count}", count),
        "__dashboardUid__": shown_in,
        "__panelId__": str(panel),
    }
    above_nothing = expr.ExprTypeThresholdConditions().evaluator(
        expr.ExprTypeThresholdConditionsEvaluator().type("gt").params([0])
    )
    rule = (
        alerting.Rule(text(alert.title, Language.en))
        .uid(f"vitrina-{alert.id.replace('_', '-')}")
        .condition("B")
        .with_query(
            alerting.Query("A")
            .datasource_uid(DATA_SOURCE)
            .relative_time_range(alerting_models.RelativeTimeRange(600, 0))
            .model(_Ready(ClickHouseQuery(grafana(alert.sql), "A")))
        )
        .with_query(
            alerting.Query("B")
            .datasource_uid("__expr__")
            .relative_time_range(alerting_models.RelativeTimeRange(0, 0))
            .model(
                expr.TypeThreshold()
                .datasource(common_models.DataSourceRef(type_val="__expr__", uid="__expr__"))
                .conditions([above_nothing])
                .expression("A")
                .ref_id("B")
            )
        )
        # No answer is a fault of its own, and it fires as well.
        .no_data_state("Alerting")
        .exec_err_state("Error")
        .for_val(f"{alert.minutes}m")
        .labels({"severity": alert.severity, "service": "vitrina"})
        .annotations(annotations)
    )
    document = _plain(rule.build())
    # In a file the group says these once, for all of its rules.
    for name in ("folderUID", "orgID", "ruleGroup"):
        del document[name]
    return document | {"dashboardUid": shown_in, "panelId": panel}


def _plain(built: object) -> dict[str, Any]:
    """What the SDK has built, as plain JSON."""
    document: dict[str, Any] = json.loads(JSONEncoder().encode(built))
    return document


def main(folder: Path) -> None:
    """Write every generated file below the folder."""
    for path, contents in files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
