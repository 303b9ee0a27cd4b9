"""The alert rules, as Grafana's provisioning reads them from a file."""

from typing import Any

from grafana_foundation_sdk.builders import alerting, expr
from grafana_foundation_sdk.models import alerting as alerting_models
from grafana_foundation_sdk.models import common as common_models

from vitrina.dashboard.alerts import ALERT_RULES, AlertRule
from vitrina.dashboard.grafana.clickhouse import DATA_SOURCE, ClickHouseQuery, Ready, plain
from vitrina.dashboard.grafana.dashboards import dashboard_uid, name_of, panel_id
from vitrina.dashboard.panels import panels
from vitrina.dashboard.placeholders import grafana
from vitrina.dashboard.texts import Language
from vitrina.store import Store

ALERT_FOLDER = "Vitrina alerts"


def alert_rules(store: Store) -> dict[str, Any]:
    """The alert rules of a store, as Grafana's provisioning reads them from a file.

    In titles and labels Grafana expands `$…`, so there is none of ours. It takes models and
    annotations as they stand: written twice there, a `$` would stay twice.
    """
    rules = [_alert_rule(alert, store) for alert in ALERT_RULES]
    group = {"orgId": 1, "name": name_of(store), "folder": ALERT_FOLDER, "interval": "5m"}
    return {"apiVersion": 1, "groups": [group | {"rules": rules}]}


def _alert_rule(alert: AlertRule, store: Store) -> dict[str, Any]:
    count = "{{ $values.A.Value }}"
    shown_in = dashboard_uid(store, Language.en)
    panel = panel_id(alert.panel, panels(store.contract))
    annotations = {
        "summary": alert.summary.en.replace("{count}", count),
        "summary_ru": alert.summary.ru.replace("{count}", count),
        "__dashboardUid__": shown_in,
        "__panelId__": str(panel),
    }
    above_nothing = expr.ExprTypeThresholdConditions().evaluator(
        expr.ExprTypeThresholdConditionsEvaluator().type("gt").params([0])
    )
    rule = (
        alerting.Rule(_title(alert, store))
        .uid(f"{name_of(store)}-{alert.id.replace('_', '-')}")
        .condition("B")
        .with_query(
            alerting.Query("A")
            .datasource_uid(DATA_SOURCE)
            .relative_time_range(alerting_models.RelativeTimeRange(600, 0))
            .model(Ready(ClickHouseQuery(grafana(alert.sql, store), "A")))
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
    document = plain(rule.build())
    # In a file the group says these once, for all of its rules.
    for name in ("folderUID", "orgID", "ruleGroup"):
        del document[name]
    return document | {"dashboardUid": shown_in, "panelId": panel}


def _title(alert: AlertRule, store: Store) -> str:
    """Titles of one folder must differ; and a `$` in them is doubled, else Grafana expands it."""
    if store.is_generated:
        return alert.title.en
    return f"{store.title}: {alert.title.en}".replace("$", "$$")
