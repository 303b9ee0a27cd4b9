"""The files that Grafana provisions, as they are in the repository."""

import json
from pathlib import Path
from typing import Any

import yaml

from vitrina.dashboard.grafana.dashboards import panel_id
from vitrina.dashboard.panels import panels
from vitrina.dashboard.texts import Language
from vitrina.store import GENERATED

DEPLOY = Path(__file__).parents[1] / "deploy" / "grafana"
PANELS = panels(GENERATED.contract)
"""Those of the generated shop, whose dashboards the repository has."""
PANEL_IDS = [panel.id for panel in PANELS]


def written(path: str) -> Any:
    return json.loads((DEPLOY / path).read_text(encoding="utf-8"))


def dashboard(language: Language = Language.en) -> dict[str, Any]:
    document: dict[str, Any] = written(f"dashboards/sales.{language}.json")
    return document


def drawn(language: Language = Language.en) -> dict[str, dict[str, Any]]:
    """The panels of a dashboard that show figures, by their own ids."""
    panels_ = {each["id"]: each for each in dashboard(language)["panels"] if each["type"] != "row"}
    return {name: panels_[panel_id(name, PANELS)] for name in PANEL_IDS}


def rules() -> dict[str, dict[str, Any]]:
    (group,) = written("provisioning/alerting/vitrina.json")["groups"]
    return {rule["uid"]: rule for rule in group["rules"]}


def provisioned(path: str) -> Any:
    return yaml.safe_load((DEPLOY / "provisioning" / path).read_text())
