"""The files that Grafana provisions; `make grafana` writes them below `deploy/grafana`."""

import json
from pathlib import Path

from vitrina.dashboard.grafana.alerting import alert_rules
from vitrina.dashboard.grafana.dashboards import sales_dashboard
from vitrina.dashboard.texts import Language
from vitrina.errors import SettingsError
from vitrina.output import output
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
    """Write every generated file below the folder.

    Raises:
        SettingsError: a file cannot be written, or something other than JSON stands there.
    """
    for path, contents in files(store).items():
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{target} cannot be written: {error.strerror}") from error
        with output(target, "FOLDER", ours=_is_json) as stream:
            stream.write(contents)


def _is_json(begins: bytes) -> bool:
    return begins.lstrip().startswith(b"{")
