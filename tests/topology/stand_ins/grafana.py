"""In place of Grafana, where its image cannot be had: reads its files as Grafana reads them.

It takes `grafana.ini` and everything provisioned from where the image has them, puts files and
variables in for `$__file{…}` and `$NAME`, wants the plugin's folder there, holds dashboards and
alerts against Grafana's schemas, and only then answers: `/api/health` to everybody, everything
else to the administrator, with the dashboards' uids. It draws nothing.
"""

import base64
import configparser
import hmac
import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import yaml

PLUGIN = "grafana-clickhouse-datasource"
PLUGINS = Path(os.environ["GF_PATHS_PLUGINS"])
HOME = Path("/etc/grafana")
SCHEMAS = Path(__file__).with_name("grafana_schema")


def expand(text: str) -> str:
    """What Grafana puts in: files, then variables."""
    text = re.sub(r"\$__file\{([^}]+)\}", lambda at: Path(at[1]).read_text("utf-8").strip(), text)
    text = re.sub(r"\$__env\{([^}]+)\}", lambda at: os.environ[at[1]], text)
    return re.sub(r"(?<!\$)\$(\w+)", lambda at: os.environ[at[1]], text)


def settings() -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.read(HOME / "grafana.ini", "utf-8")
    return found


def source(provisioning: Path) -> dict[str, Any]:
    """The data source, with its secrets put in."""
    (file,) = (provisioning / "datasources").iterdir()
    (found,) = yaml.safe_load(file.read_text("utf-8"))["datasources"]
    assert found["type"] == PLUGIN, found
    assert expand(found["jsonData"]["host"]), found
    assert re.fullmatch("[0-9a-f]{48}", expand(found["secureJsonData"]["password"]))
    return dict(found)


def check(document: Any, schema: str, definition: str) -> None:
    declared = json.loads((SCHEMAS / f"{schema}.json").read_text("utf-8"))
    wanted = {**declared, "$ref": f"#/definitions/{definition}"}
    jsonschema.Draft7Validator(wanted).validate(document)


def dashboards(provisioning: Path) -> list[dict[str, Any]]:
    """Every dashboard of the folder that the provider names, checked."""
    (file,) = (provisioning / "dashboards").iterdir()
    (provider,) = yaml.safe_load(file.read_text("utf-8"))["providers"]
    paths = sorted(Path(provider["options"]["path"]).glob("*.json"))
    found = [json.loads(path.read_text("utf-8")) for path in paths]
    assert found
    for dashboard in found:
        check(dashboard, "dashboard", "Dashboard")
        for panel in dashboard["panels"]:
            kind = panel["type"].replace("-", "")
            # The schemas of some kinds are not among those that the tests have.
            if (SCHEMAS / f"{kind}.json").exists():
                check(panel["options"], kind, "Options")
    return found


def rules(provisioning: Path) -> int:
    """How many alert rules there are, each checked."""
    (file,) = (provisioning / "alerting").iterdir()
    document = json.loads(file.read_text("utf-8"))
    (group,) = document["groups"]
    for rule in group["rules"]:
        of_file = {"dashboardUid", "panelId"}
        of_api = {"folderUID": "any", "orgID": group["orgId"], "ruleGroup": group["name"]}
        check({k: rule[k] for k in rule.keys() - of_file} | of_api, "alerting", "Rule")
    return len(group["rules"])


class Page(BaseHTTPRequestHandler):
    password = ""
    dashboards: tuple[dict[str, Any], ...] = ()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/api/health":
            self._send(200, {"database": "ok"})
            return
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(given).decode().partition(":")
        if user != "admin" or not hmac.compare_digest(password, self.password):
            self._send(401, {"message": "Unauthorized"})
        else:
            self._send(200, [{"uid": each["uid"]} for each in self.dashboards])

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    assert (PLUGINS / PLUGIN / "plugin.json").is_file(), PLUGINS
    ini = settings()
    Page.password = expand(ini["security"]["admin_password"])
    assert Page.password
    provisioning = Path(ini["paths"]["provisioning"])
    source(provisioning)
    Page.dashboards = tuple(dashboards(provisioning))
    assert rules(provisioning)
    ThreadingHTTPServer(("", 3000), Page).serve_forever()


if __name__ == "__main__":
    main()
