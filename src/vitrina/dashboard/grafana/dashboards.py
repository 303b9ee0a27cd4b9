"""The dashboard of sales, in each language.

It has the classic model ("v1"), which Grafana 13 turns into its own when it loads it. Its
provisioning from files refuses the new one ("v2").
"""

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from vitrina.dashboard.grafana.clickhouse import ClickHouseQuery, Ready, data_source, plain
from vitrina.dashboard.grafana.drawings import drawn, ref_ids
from vitrina.dashboard.grafana.overrides import Drawing
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels import CHOICES, PANELS, SECTIONS
from vitrina.dashboard.placeholders import Variable, grafana
from vitrina.dashboard.texts import Language, text

# Links, bookmarks and alerts name these: they must never change.
DASHBOARDS = {Language.en: "vitrina-sales-en", Language.ru: "vitrina-sales-ru"}

_WIDTH = 24


def sales_dashboard(language: Language) -> dict[str, Any]:
    """The dashboard in one language, as Grafana's classic model."""
    other = Language.ru if language is Language.en else Language.en
    built = (
        dashboard.Dashboard(text("page.title", language))
        .uid(DASHBOARDS[language])
        .tags(["vitrina"])
        # Days are dates, which come as midnights in UTC. The plugin wants an IANA name.
        .timezone("UTC")
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
            width, height, _ = panel.size
            if x + width > _WIDTH:
                x, y = 0, below
            place = models.GridPos(x=x, y=y, w=width, h=height)
            built.with_panel(_panel(panel, language).grid_pos(place))
            x, below = x + width, max(below, y + height)
    return plain(built.build())


def _variable(variable: Variable, language: Language) -> dashboard.QueryVariable:
    chosen = (
        dashboard.QueryVariable(variable)
        .label(text(f"variable.{variable}", language))
        .datasource(data_source())
        .query({"refId": variable, "queryType": "sql", "rawSql": grafana(CHOICES[variable])})
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.DISABLED)
    )
    if variable is not Variable.import_date:
        # Without a chosen date, Grafana takes the first of them, the newest.
        chosen.multi(True).include_all(True).current(
            models.VariableOption(selected=True, text=["All"], value=["$__all"])
        )
    return chosen


def _panel(panel: Panel, language: Language) -> Drawing:
    drawing = drawn(panel, language).id(panel_id(panel.id)).datasource(data_source())
    for ref_id in ref_ids(panel):
        drawing.with_target(Ready(ClickHouseQuery(grafana(panel.sql), ref_id)))
    return drawing


def panel_id(name: str) -> int:
    """The number of a panel in both dashboards."""
    return 1 + [panel.id for panel in PANELS].index(name)
