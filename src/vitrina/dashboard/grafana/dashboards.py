"""The dashboard of a store's sales, in each language.

It has the classic model ("v1"), which Grafana 13 turns into its own when it loads it. Its
provisioning from files refuses the new one ("v2").
"""

import hashlib
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
from vitrina.dashboard.grafana.overrides import Drawing, Scene
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels import CHOICES, NEWEST, panels, sections
from vitrina.dashboard.placeholders import Variable, grafana
from vitrina.dashboard.texts import Language, text
from vitrina.store import Store

_WIDTH = 24
_DAYS_OF_GRACE = 35
"""How many days before today a batch may have ended and still be in view as a whole."""


# Grafana's uids have 40 characters at most; those of alerts end in 15 of their own.
_LONGEST_NAME = 19


def name_of(store: Store) -> str:
    """What the uids of a store's dashboards and alerts begin with.

    Links, bookmarks and alerts hold on to the uids: they must never change.
    """
    if store.is_generated:
        return "vitrina"
    if len(store.name) <= _LONGEST_NAME:
        return f"store-{store.name}"
    told_apart = hashlib.sha256(store.name.encode()).hexdigest()[:6]
    return f"store-{store.name[: _LONGEST_NAME - 7]}-{told_apart}"


def dashboard_uid(store: Store, language: Language) -> str:
    return f"{name_of(store)}-sales-{language}"


def sales_dashboard(store: Store, language: Language) -> dict[str, Any]:
    """The dashboard in one language, as Grafana's classic model."""
    scene = Scene(store, language)
    shown = panels(store.contract)
    other = Language.ru if language is Language.en else Language.en
    built = (
        dashboard.Dashboard(text("page.title", language).format(title=store.title))
        .uid(dashboard_uid(store, language))
        .tags(["vitrina"])
        # Days are dates, which come as midnights in UTC. The plugin wants an IANA name.
        .timezone("UTC")
        .time(f"now-{store.contract.days + _DAYS_OF_GRACE}d", "now")
        # A batch comes once a week, but nobody says when somebody corrects one.
        .refresh("15m")
        .week_start("monday")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink(text("grafana.other_language", language))
            .type(models.DashboardLinkType.LINK)
            .url(f"/d/{dashboard_uid(store, other)}")
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in CHOICES:
        built.with_variable(_variable(variable, scene))
    below = 0
    for section in sections(shown):
        heading = models.GridPos(x=0, y=below, w=_WIDTH, h=1)
        row = dashboard.Row(text(f"section.{section}", language)).id(_row_id(section, shown))
        built.with_row(row.grid_pos(heading))
        x, y, below = 0, below + 1, below + 1
        for panel in shown:
            if panel.section != section:
                continue
            width, height, _ = panel.size
            if x + width > _WIDTH:
                x, y = 0, below
            place = models.GridPos(x=x, y=y, w=width, h=height)
            built.with_panel(_panel(panel, scene).grid_pos(place))
            x, below = x + width, max(below, y + height)
    document = plain(built.build())
    for link in document["links"]:
        # The builder puts links into the menu of the controls, out of sight.
        del link["placement"]
    for panel in document["panels"]:
        if panel["type"] != "row":
            panel["pluginVersion"] = GRAFANA_VERSION
    return document


def _variable(variable: Variable, scene: Scene) -> dashboard.QueryVariable:
    newest = text("grafana.newest", scene.language)
    sql = grafana(CHOICES[variable].replace("{{newest}}", newest), scene.store)
    chosen = (
        dashboard.QueryVariable(variable)
        .label(text(f"variable.{variable}", scene.language))
        .datasource(data_source())
        .query({"refId": variable, "queryType": "sql", "rawSql": sql})
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.DISABLED)
        # A list is cut near a thousand; any other product can be typed.
        .allow_custom_value(variable is Variable.product)
    )
    if variable is Variable.import_date:
        chosen.current(models.VariableOption(selected=True, text=newest, value=NEWEST))
    else:
        chosen.multi(True).include_all(True).current(
            models.VariableOption(selected=True, text=["All"], value=["$__all"])
        )
    return chosen


def _panel(panel: Panel, scene: Scene) -> Drawing:
    shown = panels(scene.store.contract)
    drawing = drawn(panel, scene).id(panel_id(panel.id, shown)).datasource(data_source())
    for ref_id, sql in queries(panel, scene).items():
        drawing.with_target(Ready(ClickHouseQuery(grafana(sql, scene.store), ref_id)))
    return drawing


def panel_id(name: str, shown: tuple[Panel, ...]) -> int:
    """The number of a panel in both dashboards."""
    return 1 + [panel.id for panel in shown].index(name)


def _row_id(section: str, shown: tuple[Panel, ...]) -> int:
    """The number of a section's row: far above those of the panels."""
    return 1001 + sections(shown).index(section)
