"""The files that Grafana provisions; `make grafana` writes them below `deploy/grafana`."""

import json
from pathlib import Path

from vitrina.dashboard.grafana.alerting import alert_rules
from vitrina.dashboard.grafana.dashboards import sales_dashboard
from vitrina.dashboard.texts import Language
from vitrina.store import Store


def files(store: Store) -> dict[str, str]:
    """Every generated file of a store: its path below `deploy/grafana`, and its contents."""
    generated = store.is_generated
    sales, alerts = ("sales", "vitrina") if generated else (f"store_{store.name}",) * 2
    documents = {
        f"dashboards/{sales}.{language}.json": sales_dashboard(store, language)
        for language in Language
    }
    documents[f"provisioning/alerting/{alerts}.json"] = alert_rules(store)
    return {
        path: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for path, document in documents.items()
    }


def write(store: Store, folder: Path) -> None:
    """Write every generated file below the folder."""
    for path, contents in files(store).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents, encoding="utf-8")
