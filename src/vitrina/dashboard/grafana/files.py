"""The files that Grafana provisions; `make grafana` writes them below `deploy/grafana`."""

import json
from pathlib import Path

from vitrina.dashboard.grafana.alerting import alert_rules
from vitrina.dashboard.grafana.dashboards import sales_dashboard
from vitrina.dashboard.texts import Language


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


def write(folder: Path) -> None:
    """Write every generated file below the folder."""
    for path, contents in files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents, encoding="utf-8")
