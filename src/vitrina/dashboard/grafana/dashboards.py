"""The dashboard of sales, in each language.

It has the classic model ("v1"), which Grafana 13 turns into its own when it loads it. Its
provisioning from files refuses the new one ("v2").
"""

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from vitrina.dashboard.grafana.clickhouse import (
    GRAFANA_VERSION,
    ClickHouseQuery,
    Ready,
    data_source,
    plain,
)
from vitrina.dashboard.grafana.drawings import drawn, queries
from vitrina.dashboard.grafana.overrides import Drawing
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels import CHOICES, NEWEST, PANELS, SECTIONS
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
        # A batch comes once a week, but nobody says when somebody corrects one.
        .refresh("15m")
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
        row = dashboard.Row(text(f"section.{section}", language)).id(_row_id(section))
        built.with_row(row.grid_pos(heading))
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
    document = plain(built.build())
    for link in document["links"]:
        # The builder puts links into the menu of the controls, out of sight.
        del link["placement"]
    for panel in document["panels"]:
        if panel["type"] != "row":
            panel["pluginVersion"] = GRAFANA_VERSION
    return document


def _variable(variable: Variable, language: Language) -> dashboard.QueryVariable:
    newest = text("grafana.newest", language)
    sql = CHOICES[variable].replace("{{newest}}", newest)
    chosen = (
        dashboard.QueryVariable(variable)
        .label(text(f"variable.{variable}", language))
        .datasource(data_source())
        .query({"refId": variable, "queryType": "sql", "rawSql": grafana(sql)})
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.DISABLED)
        .allow_custom_value(False)
    )
    if variable is Variable.import_date:
        chosen.current(models.VariableOption(selected=True, text=newest, value=NEWEST))
    else:
        chosen.multi(True).include_all(True).current(
            models.VariableOption(selected=True, text=["All"], value=["$__all"])
        )
    return chosen


def _panel(panel: Panel, language: Language) -> Drawing:
    drawing = drawn(panel, language).id(panel_id(panel.id)).datasource(data_source())
    for ref_id, sql in queries(panel).items():
        drawing.with_target(Ready(ClickHouseQuery(grafana(sql), ref_id)))
    return drawing


def panel_id(name: str) -> int:
    """The number of a panel in both dashboards."""
    return 1 + [panel.id for panel in PANELS].index(name)


def _row_id(section: str) -> int:
    """The number of a section's row: far above those of the panels."""
    return 1001 + SECTIONS.index(section)
