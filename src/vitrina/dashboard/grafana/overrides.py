"""What a column is called in Grafana, how its values are written, and what colour they have."""

from grafana_foundation_sdk.builders import (
    barchart,
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
from grafana_foundation_sdk.models import dashboard as models

from vitrina.contract import SALES
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.texts import Language, reason, text, value
from vitrina.marts import marts
from vitrina.rules import reasons

Override = models.DynamicConfigValue

# Four colours that colour-blind people can tell apart and that stand out, 3:1 at least, from
# both of Grafana's backgrounds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
LEVELS = {"good": "#009E73", "warning": "#E69F00", "bad": "#D55E00"}
_MUTED = "#808080"

NO_FIGURE = "–"

# Grafana's name of a unit and the decimals; on axes money is abbreviated. Money is a currency,
# since other units drop its last zeros; a space stands for the sign that the store has not named.
_UNITS: dict[str, tuple[str, int | None]] = {
    "money": ("currency:financial: :suffix", 2),
    "count": ("locale", 0),
    "share": ("percentunit", 2),
    # In Grafana the column's name says that these are days: "1 days" would be wrong.
    "days": ("none", 0),
    "rank": ("locale", 0),
    "weekday": ("none", 0),
    "number": ("none", 0),
    "date": ("time:YYYY-MM-DD", None),
    "day": ("time:YYYY-MM-DD", None),
    "month": ("time:YYYY-MM", None),
    "text": ("string", None),
    "flag": ("none", 0),
}


Drawing = (
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


def nothing(panel: Panel, language: Language) -> str:
    """What a panel says when it has nothing to show."""
    if panel.kind in (Kind.stat, Kind.gauge):
        # An average of no sales is none; a total of none is 0.
        averages = panel.value.startswith("average_")
        return text("grafana.no_sales" if averages else "grafana.no_import", language)
    chosen = panel.variables & {Variable.region, Variable.product, Variable.days}
    return text("grafana.no_import_or_sales" if chosen else "grafana.no_import", language)


def describe(drawing: Drawing, panel: Panel, language: Language) -> None:
    """Give each column its name in words, its unit and the words for its values."""
    for column in panel.columns:
        unit, decimals = unit_of(column)
        properties = [
            Override("displayName", PANEL_COLUMNS[column].words.of(language)),
            Override("unit", unit),
        ]
        if decimals is not None:
            properties.append(Override("decimals", decimals))
        if column != panel.value:
            properties.append(Override("noValue", NO_FIGURE))
        if mapping := _mapping(column, language):
            properties.append(Override("mappings", [mapping]))
        if PANEL_COLUMNS[column].unit == "flag":
            properties.append(Override("custom.cellOptions", {"type": "color-text"}))
        drawing.override_by_name(column, properties)


def unit_of(column: str) -> tuple[str, int | None]:
    """The unit of a column and its decimals, in Grafana's terms."""
    return _UNITS[PANEL_COLUMNS[column].unit]


def _mapping(column: str, language: Language) -> models.ValueMap | None:
    if PANEL_COLUMNS[column].unit == "flag":
        return models.ValueMap(
            {
                "0": models.ValueMappingResult(text("flag.no", language), LEVELS["bad"]),
                "1": models.ValueMappingResult(text("flag.yes", language), LEVELS["good"]),
            }
        )
    names = value_names(column, language)
    colours = dict(zip(SALES.regions, COLOURS, strict=False)) if column == "leader" else {}
    results = {
        name: models.ValueMappingResult(shown, colours.get(name)) for name, shown in names.items()
    }
    return models.ValueMap(results) if results else None


def value_names(column: str, language: Language) -> dict[str, str]:
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
            return {name: reason(name, language) for name in reasons(SALES)}
    return {}


def hide_others(drawing: Drawing, panel: Panel) -> None:
    """Draw the value alone; the other columns are there on hovering."""
    for column in panel.columns:
        if column not in (panel.x, panel.value):
            drawing.override_by_name(column, [hidden()])


def threshold_overrides(panel: Panel, language: Language) -> list[Override]:
    steps: list[dict[str, object]] = [
        {"value": None if at == 0 else each.value, "color": LEVELS[each.level]}
        for at, each in enumerate(panel.thresholds)
    ]
    return [
        Override("thresholds", {"mode": "absolute", "steps": steps}),
        Override("color", {"mode": "thresholds"}),
        # Without this, a figure that is not there has the colour of the first level, good.
        Override("mappings", [models.SpecialValueMap(_no_figure(nothing(panel, language)))]),
    ]


def _no_figure(shown: str) -> models.DashboardSpecialValueMapOptions:
    return models.DashboardSpecialValueMapOptions(
        models.SpecialValueMatch.NULL, models.ValueMappingResult(shown, _MUTED)
    )


def hidden() -> Override:
    return Override("custom.hideFrom", {"viz": True, "legend": True, "tooltip": False})


def coloured(colour: str) -> Override:
    return Override("color", {"mode": "fixed", "fixedColor": colour})


def fixed(colour: str) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(colour)
