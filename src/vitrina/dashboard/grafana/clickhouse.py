"""Queries as Grafana's ClickHouse plugin stores them, and the names that other files hold on to."""

import json
from typing import Any, TypeVar

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models

# Provisioning files and other people's links name these: they must never change.
PLUGIN = "grafana-clickhouse-datasource"
DATA_SOURCE = "vitrina-clickhouse"

PLUGIN_VERSION = "4.20.0"
"""Of the plugin that the queries are written for; the image has it or a later one."""

GRAFANA_VERSION = "13.2.3"
"""Of the Grafana that the dashboards are written for; with another, it migrates the panels."""

_TABLE_FORMAT = 1

_Built = TypeVar("_Built")


class ClickHouseQuery(Dataquery):
    """A query as the plugin stores it: SQL, answered with a table."""

    def __init__(self, sql: str, ref_id: str) -> None:
        self.sql = sql
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """The query in the plugin's terms: `CHSqlQuery` of its `src/types/sql.ts`."""
        return {
            "refId": self.ref_id,
            "datasource": {"type": PLUGIN, "uid": DATA_SOURCE},
            "pluginVersion": PLUGIN_VERSION,
            "editorType": "sql",
            "queryType": "table",
            "format": _TABLE_FORMAT,
            "rawSql": self.sql,
        }


class Ready(Builder[_Built]):
    """Something already built, where the SDK wants its builder."""

    def __init__(self, built: _Built) -> None:
        self._built = built

    def build(self) -> _Built:
        return self._built


def data_source() -> common_models.DataSourceRef:
    return common_models.DataSourceRef(type_val=PLUGIN, uid=DATA_SOURCE)


def plain(built: object) -> dict[str, Any]:
    """What the SDK has built, as plain JSON."""
    document: dict[str, Any] = json.loads(JSONEncoder().encode(built))
    return document
