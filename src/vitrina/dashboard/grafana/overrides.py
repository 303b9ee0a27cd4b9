"""What a column is called in Grafana, how its values are written, and what colour they have."""

from dataclasses import dataclass

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

from vitrina.dashboard.currencies import sign, written_decimals
from vitrina.dashboard.expressions import REST
from vitrina.dashboard.panel import Kind, Panel
from vitrina.dashboard.panel_columns import PANEL_COLUMNS, decimals
from vitrina.dashboard.panels.tables import has_few_regions
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.texts import Language, reason, text, value
from vitrina.marts import marts
from vitrina.rules import reasons
from vitrina.store import Store

Override = models.DynamicConfigValue

# Four colours that colour-blind people can tell apart and that stand out, 3:1 at least, from
# both of Grafana's backgrounds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
LEVELS = {"good": "#009E73", "warning": "#E69F00", "bad": "#D55E00"}
_MUTED = "#808080"

NO_FIGURE = "–"

# Grafana's name of a unit and the decimals; on axes money is abbreviated.
_UNITS: dict[str, tuple[str, int | None]] = {
    "count": ("locale", 0),
    "share": ("percentunit", 2),
    # In Grafana the column's name says that these are days: "1 days" would be wrong.
    "days": ("none", 0),
    "rank": ("locale", 0),
    "weekday": ("none", 0),
    "date": ("time:YYYY-MM-DD", None),
    "day": ("time:YYYY-MM-DD", None),
    "month": ("time:YYYY-MM", None),
    "text": ("string", None),
    # Any other unit takes a text of digits for a number, and writes 007 as 7.
    "id": ("string", None),
    "flag": ("none", 0),
}


@dataclass(frozen=True)
class Scene:
    """For whom a panel is drawn."""

    store: Store
    language: Language


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


def nothing(panel: Panel, scene: Scene) -> str:
    """What a panel says when it has nothing to show."""
    if panel.kind in (Kind.stat, Kind.gauge):
        # An average of no sales is none; a total of none is 0.
        averages = panel.value.startswith("average_")
        return text("grafana.no_sales" if averages else "grafana.no_import", scene.language)
    chosen = panel.variables & {Variable.region, Variable.product, Variable.days}
    return text("grafana.no_import_or_sales" if chosen else "grafana.no_import", scene.language)


def describe(drawing: Drawing, panel: Panel, scene: Scene) -> None:
    """Give each column its name in words, its unit and the words for its values."""
    for column in panel.columns:
        unit, digits = unit_of(column, scene)
        properties = [
            Override("displayName", PANEL_COLUMNS[column].words.of(scene.language)),
            Override("unit", unit),
        ]
        if digits is not None:
            properties.append(Override("decimals", digits))
        if column != panel.value:
            properties.append(Override("noValue", NO_FIGURE))
        if mapping := _mapping(column, scene):
            properties.append(Override("mappings", [mapping]))
        if PANEL_COLUMNS[column].unit == "flag":
            properties.append(Override("custom.cellOptions", {"type": "color-text"}))
        drawing.override_by_name(column, properties)


def unit_of(column: str, scene: Scene) -> tuple[str, int | None]:
    """The unit of a column and its decimals, in Grafana's terms."""
    unit = PANEL_COLUMNS[column].unit
    if unit == "money":
        digits = decimals(unit, scene.store.contract)
        return _money(scene), written_decimals(scene.store.currency, digits)
    if unit == "quantity":
        return "locale", decimals(unit, scene.store.contract)
    return _UNITS[unit]


def _money(scene: Scene) -> str:
    """A currency, since other units drop the last zeros; a space is the sign that is not known.

    `fullCurrency` of @grafana/data puts the sign right before or after the figure, whatever its
    length; so the space between them, which does not break, is part of the sign.
    """
    shown = sign(scene.store.currency)
    if shown is None:
        return "currency:financial: :suffix"
    if scene.language is Language.ru:
        return f"currency:financial:\N{NO-BREAK SPACE}{shown}:suffix"
    # A code would run into the figure; a sign stands right before it.
    return f"currency:financial:{shown}" + ("\N{NO-BREAK SPACE}" if shown.isalpha() else "")


def _mapping(column: str, scene: Scene) -> models.ValueMap | None:
    if PANEL_COLUMNS[column].unit == "flag":
        return models.ValueMap(
            {
                "0": models.ValueMappingResult(text("flag.no", scene.language), LEVELS["bad"]),
                "1": models.ValueMappingResult(text("flag.yes", scene.language), LEVELS["good"]),
            }
        )
    names = value_names(column, scene)
    colours = region_colours(scene) if column == "leader" else {}
    results = {
        name: models.ValueMappingResult(shown, colours.get(name)) for name, shown in names.items()
    }
    return models.ValueMap(results) if results else None


def value_names(column: str, scene: Scene) -> dict[str, str]:
    """The values a column can have that are shown in words, in the order in which to show them."""
    match column:
        case "region" | "leader":
            contract = scene.store.contract
            listed = {name: value(name, scene.language) for name in contract.regions}
            if not has_few_regions(contract):
                listed[REST] = text("page.rest", scene.language)
            return listed
        case "engine":
            known = ("spark", "postgresql", "clickhouse")
            return {name: value(name, scene.language) for name in known}
        case "table_name":
            tables = ("sale", *(mart.name for mart in marts(scene.store.contract)))
            return {name: value(name, scene.language) for name in tables}
        case "weekday":
            return {str(day): text(f"weekday.{day}", scene.language) for day in range(1, 8)}
        case "reason":
            return {name: reason(name, scene.language) for name in reasons(scene.store.contract)}
    return {}


def region_colours(scene: Scene) -> dict[str, str]:
    """A colour for each region, where they are as few; else Grafana chooses."""
    regions = scene.store.contract.regions
    return dict(zip(regions, COLOURS, strict=False)) if len(regions) <= len(COLOURS) else {}


def hide_others(drawing: Drawing, panel: Panel) -> None:
    """Draw the value alone; the other columns are there on hovering."""
    for column in panel.columns:
        if column not in (panel.x, panel.value):
            drawing.override_by_name(column, [hidden()])


def threshold_overrides(panel: Panel, scene: Scene) -> list[Override]:
    steps: list[dict[str, object]] = [
        {"value": None if at == 0 else each.value, "color": LEVELS[each.level]}
        for at, each in enumerate(panel.thresholds)
    ]
    return [
        Override("thresholds", {"mode": "absolute", "steps": steps}),
        Override("color", {"mode": "thresholds"}),
        # Without this, a figure that is not there has the colour of the first level, good.
        Override("mappings", [models.SpecialValueMap(_no_figure(nothing(panel, scene)))]),
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
