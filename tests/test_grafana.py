"""Grafana: its files, what its queries answer through the plugin, its alerts and its user."""

import configparser
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo, available_timezones

import clickhouse_connect
import duckdb
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from jsonschema import Draft7Validator

from tests.answers import Answer, answer
from tests.grafana_files import (
    DEPLOY,
    PANEL_IDS,
    PANELS,
    dashboard,
    drawn,
    provisioned,
    rules,
    written,
)
from tests.grafana_frames import at_first_sight
from tests.grafana_plugin import ALL, Chosen, View, rendered
from tests.homes import clickhouse_with_tables
from tests.ledgers import TWO_SALES
from tests.mart_rows import BY_DAY, BY_REGION, BY_REGION_PRODUCT, mart_table
from tests.moments import TODAY, at_the_moment
from tests.own_shop import fill_own_shop, own_shop
from tests.panel_figures import Choice, Figures, Row
from tests.shop_marts import Shop, fill
from vitrina.columns import Column, Date, Integer, Label, Numeric, arrow_schema
from vitrina.contract import SALES, Contract
from vitrina.dashboard.grafana.alerting import ALERT_FOLDER, alert_rules
from vitrina.dashboard.grafana.clickhouse import (
    DATA_SOURCE,
    GRAFANA_VERSION,
    PLUGIN,
    PLUGIN_VERSION,
)
from vitrina.dashboard.grafana.dashboards import dashboard_uid, sales_dashboard
from vitrina.dashboard.grafana.files import files, write
from vitrina.dashboard.grafana.overrides import Scene, unit_of
from vitrina.dashboard.panel import Kind
from vitrina.dashboard.panel_columns import PANEL_COLUMNS
from vitrina.dashboard.panels import NEWEST, WEEK_BEFORE_THE_ONLY_IMPORT
from vitrina.dashboard.texts import Language, text
from vitrina.ledger import ControlTotals
from vitrina.marts import marts
from vitrina.rules import reasons
from vitrina.store import GENERATED
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse

SCHEMAS = Path(__file__).parent / "grafana_schema"
AS_OF = date(2026, 11, 24)
WEEK_BEFORE = AS_OF - timedelta(days=7)
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
QUOTED = ("O'Neill's", "L'Île", 'say "no"', "a, (b) -- c")


# Its files


def test_the_generated_files_are_fresh(tmp_path: Path) -> None:
    write(GENERATED, tmp_path)
    for path in files(GENERATED):
        assert (DEPLOY / path).read_text() == (tmp_path / path).read_text(), "run: make grafana"


def test_every_file_that_looks_generated_is() -> None:
    found = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*.json")}
    assert found == set(files(GENERATED))


def test_the_names_that_others_hold_on_to_never_change() -> None:
    assert [dashboard(language)["uid"] for language in Language] == [
        "vitrina-sales-en",
        "vitrina-sales-ru",
    ]
    assert list(rules()) == [
        "vitrina-import-late",
        "vitrina-rejected-share",
        "vitrina-not-reconciled",
    ]
    (source,) = provisioned("datasources/vitrina.yaml")["datasources"]
    assert source["uid"] == DATA_SOURCE == "vitrina-clickhouse"
    assert (source["type"], source["jsonData"]["version"]) == (PLUGIN, PLUGIN_VERSION)
    (provider,) = provisioned("dashboards/vitrina.yaml")["providers"]
    assert provider["folderUid"] == "vitrina"
    # Rules are put into a folder by its title; the dashboards' own could then exist twice.
    assert provider["folder"] != ALERT_FOLDER


@pytest.mark.parametrize("language", Language)
def test_every_panel_is_drawn_in_words_of_the_language(language: Language) -> None:
    for panel in PANELS:
        shown = drawn(language)[panel.id]
        assert shown["title"] == panel.title.of(language)
        assert shown["description"] == panel.question.of(language)
    sections = [each["title"] for each in dashboard(language)["panels"] if each["type"] == "row"]
    assert sections == [
        text(f"section.{name}", language) for name in dict.fromkeys(p.section for p in PANELS)
    ]


def test_panels_neither_overlap_nor_stick_out() -> None:
    taken: set[tuple[int, int]] = set()
    for each in dashboard()["panels"]:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, each["title"]
        taken |= cells


def test_no_row_of_panels_is_half_empty() -> None:
    taken: dict[int, int] = {}
    for each in dashboard()["panels"]:
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"]):
            taken[y] = taken.get(y, 0) + each["gridPos"]["w"]
    assert set(taken.values()) == {24}


def test_the_stats_stand_in_one_row_and_have_sizes_of_their_own() -> None:
    """Else `BigValue` sizes their texts to the longest."""
    stats = [each for each in drawn().values() if each["type"] == "stat"]
    assert len({each["gridPos"]["y"] for each in stats}) == 1
    for each in stats:
        assert set(each["options"]["text"]) == {"titleSize", "valueSize"}
    sizes = {
        name: stat["options"]["text"]["valueSize"]
        for name, stat in drawn().items()
        if stat in stats
    }
    headline = sizes.pop("total_sales_amount")
    assert set(sizes.values()) == {20}
    assert headline > 20


def test_a_table_without_rows_has_room_for_saying_so() -> None:
    """`TableNG` says it in the first column: the only one of months that are not there."""
    for panel in drawn().values():
        if panel["type"] == "table":
            overrides = panel["fieldConfig"]["overrides"]
            set_ = {step["id"] for each in overrides for step in each["properties"]}
            assert "custom.width" not in set_


def drawn_columns(panel: str) -> set[str]:
    """The columns that the overrides do not hide."""
    (shown,) = (each for each in PANELS if each.id == panel)
    hidden = {
        override["matcher"]["options"]
        for override in drawn()[panel]["fieldConfig"]["overrides"]
        for step in override["properties"]
        if step["id"] == "custom.hideFrom" and step["value"]["viz"]
    }
    return set(shown.columns) - hidden


def test_the_bar_chart_has_a_bar_for_each_region_and_a_figure_on_it() -> None:
    """As `prepSeries` and `prepConfig` want it, public/app/plugins/panel/barchart/utils.ts.

    Every number that is not hidden is a bar of its own. The names are found by `xField`, which
    is the name of a column or the one that is shown. Bars start at 0 unless a least is set. A
    mapping with a colour would colour the bars by their values.
    """
    panel = drawn()["sales_by_region"]
    assert panel["options"]["xField"] == "region"
    assert drawn_columns("sales_by_region") == {"region", "total_sales_amount"}
    assert panel["options"]["showValue"] == "always"
    assert panel["options"]["stacking"] == "none"
    steps = [
        (override["matcher"]["options"], step["id"], step["value"])
        for override in panel["fieldConfig"]["overrides"]
        for step in override["properties"]
    ]
    assert ("total_sales_amount", "custom.axisPlacement", "hidden") in steps
    assert not [name for _, name, _ in steps if name in ("min", "custom.axisSoftMin")]
    assert '"color"' not in json.dumps([each for each in steps if each[1] == "mappings"])


def test_the_state_timeline_has_one_row_in_the_colours_of_the_regions() -> None:
    """As `prepareTimelineFields` wants it, public/app/core/components/TimelineChart/utils.ts.

    A second column of times would be taken for the ends of the states. Every other column is a
    row of its own unless it is hidden. The colours are those of the mappings, unless the mode
    is a continuous one; and states on end that are alike become one (`timeline.ts` beside it).
    """
    panel = drawn()["region_lead"]
    (shown,) = (each for each in PANELS if each.id == "region_lead")
    times = [name for name in shown.columns if PANEL_COLUMNS[name].unit in ("day", "date", "month")]
    assert times == ["sale_date"]
    assert drawn_columns("region_lead") == {"sale_date", "leader"}
    assert panel["options"]["mergeValues"]
    assert panel["options"]["showValue"] == "auto"
    assert "color" not in panel["fieldConfig"]["defaults"]
    (colours,) = (
        {name: result["color"] for name, result in mapping["options"].items()}
        for override in panel["fieldConfig"]["overrides"]
        for step in override["properties"]
        if step["id"] == "mappings"
        for mapping in step["value"]
    )
    assert set(colours) == set(SALES.regions)
    assert len(set(colours.values())) == len(SALES.regions)


def test_a_table_is_as_high_as_its_rows() -> None:
    """`TableNG` has rows and a header of 36 pixels; a panel's own header and edge take 34."""
    rows = {
        "last_days": 2,
        "region_change": len(SALES.regions),
        "weekday_month": 7,
        "top_products": 20,
        "rising_products": 10,
        "falling_products": 10,
        "control_totals": 10,
        "fates": 10,
    }
    tables = {name: each for name, each in drawn().items() if each["type"] == "table"}
    assert set(tables) == set(rows)
    for name, each in tables.items():
        assert each["gridPos"]["h"] * 38 - 8 - 34 >= (rows[name] + 1) * 36, name


def test_money_keeps_its_zeros() -> None:
    """The unit `locale` writes 84.70 as 84.7, and a currency without any sign has no thousands."""
    for panel in PANELS:
        for each in drawn()[panel.id]["fieldConfig"]["overrides"]:
            found = {step["id"]: step["value"] for step in each["properties"]}
            column = PANEL_COLUMNS.get(each["matcher"]["options"])
            if column and column.unit == "money" and "unit" in found:
                currency, financial, sign, where = found["unit"].split(":")
                assert (currency, financial, where) == ("currency", "financial", "suffix")
                assert sign
                assert found["decimals"] == 2


def test_rejects_have_two_columns_and_one_page(tmp_path: Path) -> None:
    """A status history takes its columns' width from the first two of them.

    `colWid` in public/app/core/components/TimelineChart/timeline.ts; `usePagination` in
    public/app/plugins/panel/state-timeline/hooks.tsx pages after `perPage` rows, 20 by default.
    """
    panel = drawn()["rejects_by_reason"]
    assert panel["options"]["perPage"] >= len(reasons(SALES))
    before = panel["targets"][1]["rawSql"]
    with embedded_clickhouse(tmp_path / "clickhouse") as dsn, clickhouse(dsn) as store:
        fill(store, Shop(imports=(WEEK_BEFORE,)))
        assert asked(store, before)[1] == [(WEEK_BEFORE - timedelta(days=7),)]
        fill(store, Shop(imports=(AS_OF,)))
        assert asked(store, before)[1] == []


def test_a_day_is_drawn_where_it_lies() -> None:
    """A cell of a heat map ends at its time.

    `xMax` in `rowsToCellsHeatmap`, public/app/features/transformers/calculateHeatmap/heatmap.ts.
    """
    (end, matrix, *_) = drawn()["day_region"]["transformations"]
    assert end["options"]["binary"]["right"] == {"fixed": str(24 * 60 * 60 * 1000)}
    assert matrix["options"]["rowField"] == "sale_date + 86400000"


def test_every_panel_has_an_id_and_the_version_it_is_written_for() -> None:
    ids = [each["id"] for each in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    for each in drawn().values():
        assert each["pluginVersion"] == GRAFANA_VERSION


@pytest.mark.parametrize("language", Language)
def test_the_other_language_is_one_click_away(language: Language) -> None:
    (link,) = dashboard(language)["links"]
    (other,) = set(Language) - {language}
    assert link["url"] == f"/d/{dashboard_uid(GENERATED, other)}"
    assert (link["includeVars"], link["keepTime"]) == (True, True)
    # In view, not in the menu of controls.
    assert "placement" not in link
    assert dashboard(language)["refresh"] == "15m"


@pytest.mark.parametrize("language", Language)
def test_the_dashboards_differ_in_nothing_but_words(language: Language) -> None:
    queries = [each["targets"] for each in drawn(language).values()]
    assert queries == [each["targets"] for each in drawn().values()]


def test_whatever_asks_asks_clickhouse() -> None:
    reference = {"type": PLUGIN, "uid": DATA_SOURCE}
    for each in drawn().values():
        assert each["datasource"] == reference
        for target in each["targets"]:
            assert target["datasource"] == reference
            assert (target["editorType"], target["format"]) == ("sql", 1)
    for variable in dashboard()["templating"]["list"]:
        assert variable["datasource"] == reference


def test_every_column_has_a_name_in_words_where_it_is_shown() -> None:
    for panel in PANELS:
        shown = drawn(Language.ru)[panel.id]
        if any(each["id"] == "groupingToMatrix" for each in shown.get("transformations", [])):
            continue
        named = {
            each["matcher"]["options"]: each["properties"][0]["value"]
            for each in shown["fieldConfig"]["overrides"]
            if each["properties"][0]["id"] == "displayName"
        }
        assert named == {name: PANEL_COLUMNS[name].words.ru for name in panel.columns}


@pytest.mark.parametrize("language", Language)
def test_a_figure_is_picked_by_the_name_that_is_shown(language: Language) -> None:
    """`reduceOptions.fields` is matched against the display name, which the words set."""
    for panel in PANELS:
        shown = drawn(language)[panel.id]
        if shown["type"] in ("stat", "gauge"):
            pattern = shown["options"]["reduceOptions"]["fields"].strip("/")
            assert re.search(pattern, PANEL_COLUMNS[panel.value].words.of(language))


def test_a_scale_is_set_for_its_own_column_alone() -> None:
    """In the defaults it would hold for every column, that on x too."""
    for shown in drawn().values():
        assert not {"min", "max"} & set(shown["fieldConfig"]["defaults"])
    scales = [
        {each["id"]: each["value"] for each in override["properties"]}
        for override in drawn()["pareto"]["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "running_share"
    ]
    assert {"min": 0, "max": 1} in scales


def test_bars_of_imports_start_at_0() -> None:
    """Those of a time series do so only where that is set, for the column that is drawn."""
    (from_0,) = (
        override["matcher"]["options"]
        for override in drawn()["imports"]["fieldConfig"]["overrides"]
        if {"id": "min", "value": 0} in override["properties"]
    )
    (copy,) = drawn()["imports"]["transformations"]
    assert from_0 == copy["options"]["alias"]
    assert drawn_columns("imports") == {"import_date"}


def test_a_number_of_days_is_written_without_a_unit() -> None:
    """Grafana's own for days writes “1  d”."""
    units = [
        step["value"]
        for shown in drawn().values()
        for override in shown["fieldConfig"]["overrides"]
        for step in override["properties"]
        if step["id"] == "unit"
        and (column := PANEL_COLUMNS.get(override["matcher"]["options"]))
        and column.unit == "days"
    ]
    assert {*units} == {"none"}


@pytest.mark.parametrize("language", Language)
def test_the_time_zone_has_a_name_that_the_plugin_knows(language: Language) -> None:
    """It would take an unknown one for that of the server, and shift the days."""
    assert ZoneInfo(dashboard(language)["timezone"]).utcoffset(AT) == timedelta(0)
    assert dashboard(language)["timezone"] in available_timezones()


def test_rows_become_columns_by_names_that_the_query_has() -> None:
    for panel in PANELS:
        steps = drawn()[panel.id].get("transformations", [])
        for step in steps:
            if step["id"] == "groupingToMatrix":
                # The end of a day is a column that a transformation adds.
                fields = (
                    step["options"][f"{name}Field"].partition(" + ")[0]
                    for name in ("column", "row", "value")
                )
                assert set(fields) <= set(panel.columns)
        renamed = [step["options"]["renameByName"] for step in steps if step["id"] == "organize"]
        for before, after in itertools.pairwise(renamed):
            # What the first has renamed, the second must leave alone.
            assert not set(before.values()) & set(after)


# Those of a store's own


def test_a_store_s_own_files_are_of_its_own_tables_and_names(tmp_path: Path) -> None:
    shop = own_shop(tmp_path)
    found = files(shop)
    assert set(found) == {
        "dashboards/store_kontor.en.json",
        "dashboards/store_kontor.ru.json",
        "provisioning/alerting/store_kontor.json",
    }
    assert not set(found) & set(files(GENERATED))
    board = json.loads(found["dashboards/store_kontor.ru.json"])
    assert board["title"] == 'Kontor "Ö" & <Söhne>: продажи'
    assert board["uid"] == "store-kontor-sales-ru"
    (group,) = json.loads(found["provisioning/alerting/store_kontor.json"])["groups"]
    assert group["name"] == "store-kontor"
    assert [rule["uid"] for rule in group["rules"]] == [
        "store-kontor-import-late",
        "store-kontor-rejected-share",
        "store-kontor-not-reconciled",
    ]
    assert {rule["dashboardUid"] for rule in group["rules"]} == {"store-kontor-sales-en"}
    assert group["rules"][0]["title"] == 'Kontor "Ö" & <Söhne>: An import is late'
    tables = "|".join([*(mart.name for mart in marts(shop.contract)), *LEDGER])
    for contents_ in found.values():
        assert not re.findall(rf"(?:FROM|JOIN) (?:{tables})\b", contents_)
        assert "FROM store_kontor.batch" in contents_


def test_a_long_name_of_a_store_fits_into_a_uid(tmp_path: Path) -> None:
    """40 characters at most: `MaxUIDLength`, pkg/util/shortid_generator.go."""
    shop = own_shop(tmp_path)
    names = ("a" * 40, "a" * 39 + "b", "vitrina")
    uids = [
        json.loads(contents_)["uid"]
        for name in names
        for path, contents_ in files(replace(shop, name=name)).items()
        if path.startswith("dashboards/")
    ]
    uids += [
        rule["uid"]
        for name in names
        for rule in alert_rules(replace(shop, name=name))["groups"][0]["rules"]
    ]
    assert len(set(uids)) == 15
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", each) for each in uids)


def test_a_title_with_a_dollar_is_not_expanded(tmp_path: Path) -> None:
    shop = replace(own_shop(tmp_path), title="Cash & $HOME")
    (group,) = alert_rules(shop)["groups"]
    assert group["rules"][0]["title"] == "Cash & $$HOME: An import is late"


@pytest.mark.parametrize(
    ("currency", "english", "russian"),
    [
        ("EUR", "currency:financial:€", "currency:financial:\N{NO-BREAK SPACE}€:suffix"),
        (
            "CHF",
            "currency:financial:CHF\N{NO-BREAK SPACE}",
            "currency:financial:\N{NO-BREAK SPACE}CHF:suffix",
        ),
        (None, "currency:financial: :suffix", "currency:financial: :suffix"),
    ],
)
def test_money_has_the_sign_of_the_store_s_currency(
    tmp_path: Path, currency: str | None, english: str, russian: str
) -> None:
    """`getValueFormat` of @grafana/data splits at colons; `fullCurrency` adds no space."""
    shop = replace(own_shop(tmp_path), currency=currency)
    units = [
        unit_of("total_sales_amount", Scene(shop, language))
        for language in (Language.en, Language.ru)
    ]
    assert units == [(english, 2), (russian, 2)]


def test_every_query_and_alert_of_a_store_s_own_answers(tmp_path: Path) -> None:
    shop = own_shop(tmp_path)
    with (
        embedded_clickhouse(tmp_path / "clickhouse") as dsn,
        # In the database that the data source names there is nothing.
        clickhouse(dsn) as elsewhere,
        clickhouse(dsn, database="store_kontor") as store,
    ):
        fill_own_shop(store, shop, 3)
        view_ = View(
            {
                "import_date": Chosen(NEWEST),
                "region": Chosen([ALL]),
                "product": Chosen(['O\'Neill "XL"', "00123", "SKU-00001"]),
            }
        )
        for panel in sales_dashboard(shop, Language.en)["panels"]:
            for target in panel.get("targets", []):
                answer(elsewhere, rendered(target["rawSql"], view_))
        (group,) = alert_rules(shop)["groups"]
        counted = {
            rule["uid"]: elsewhere.query(rendered(rule["data"][0]["model"]["rawSql"], View()))[1]
            for rule in group["rules"]
        }
        assert counted["store-kontor-not-reconciled"] == [(0,)]
        assert counted["store-kontor-rejected-share"] == [(0,)]


def test_a_panel_is_as_wide_as_its_row_whatever_the_store_has(tmp_path: Path) -> None:
    taken: dict[int, int] = {}
    for each in sales_dashboard(own_shop(tmp_path), Language.en)["panels"]:
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"]):
            taken[y] = taken.get(y, 0) + each["gridPos"]["w"]
    assert set(taken.values()) == {24}


# Schemas


def errors(document: Any, schema: str, definition: str) -> list[str]:
    declared = json.loads((SCHEMAS / f"{schema}.json").read_text())
    validator = Draft7Validator({**declared, "$ref": f"#/definitions/{definition}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("language", Language)
def test_the_dashboard_is_as_grafana_has_it(language: Language) -> None:
    assert errors(dashboard(language), "dashboard", "Dashboard") == []
    for each in dashboard(language)["panels"]:
        kind = each["type"].replace("-", "")
        if kind == "row":
            continue
        assert errors(each, "dashboard", "Panel") == []
        assert errors(each["options"], kind, "Options") == []
        custom = each["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            assert errors(custom, kind, "FieldConfig") == []


def test_the_schema_notices_what_is_wrong() -> None:
    document = dashboard()
    document["panels"][1]["gridPos"]["w"] = "wide"
    assert errors(document, "dashboard", "Dashboard")


def test_the_alert_rules_are_as_grafana_has_them() -> None:
    document = written("provisioning/alerting/vitrina.json")
    (group,) = document["groups"]
    assert (document["apiVersion"], group["folder"]) == (1, ALERT_FOLDER)
    for rule in group["rules"]:
        of_file = {"dashboardUid": rule.pop("dashboardUid"), "panelId": rule.pop("panelId")}
        # What the API wants in each rule, the file has in the group.
        rule |= {"folderUID": "any", "orgID": group["orgId"], "ruleGroup": group["name"]}
        assert errors(rule, "alerting", "Rule") == []
        assert of_file["dashboardUid"] == dashboard_uid(GENERATED, Language.en)
        assert of_file["panelId"] in {each["id"] for each in drawn().values()}


def test_no_dollar_is_taken_for_a_variable_of_the_environment() -> None:
    """Grafana expands `$…` in what it provisions, but not in models and annotations."""
    for rule in rules().values():
        for query in rule["data"]:
            del query["model"]
        assert "$$" not in str(rule.pop("annotations"))
        assert "$" not in str(rule)


# Two imports


@dataclass(frozen=True)
class Published:
    """The folder of a ClickHouse that has them."""

    folder: Path
    figures: Figures


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("grafana") / "clickhouse"
    # A process has one ClickHouse at a time, so it is closed before the tests open it.
    with embedded_clickhouse(folder) as dsn, clickhouse(dsn) as window:
        fill(window, Shop(imports=(WEEK_BEFORE, AS_OF), products=400, sales_a_day=20))
        database = duckdb.connect()
        for name, rows in contents(window).items():
            database.register(name, rows)
    with closing(database):
        yield Published(folder, Figures(database, TODAY))


@pytest.fixture
def shown(published: Published) -> Iterator[ClickHouse]:
    with embedded_clickhouse(published.folder) as dsn, clickhouse(dsn) as store:
        yield store


_DAY = Column("import_date", Date(), "")
_COUNT = Integer(64)
FATES = ("rows_in", "clean", "rejected", "set_aside", "collapsed", "superseded", "repaired")
_AMOUNT = Column("total_sales_amount", Numeric(22, 2), "")
LEDGER = {
    "batch": (
        _DAY,
        _AMOUNT,
        *(Column(name, _COUNT, "") for name in FATES),
    ),
    "control_totals": (
        _DAY,
        Column("engine", Label(), ""),
        Column("table_name", Label(), ""),
        Column("total_sales", _COUNT, ""),
        Column("total_quantity", _COUNT, "", nullable=True),
        _AMOUNT,
        Column("total_returns", _COUNT, ""),
        Column("total_returns_amount", _AMOUNT.type, ""),
    ),
    "rejects_by_reason": (_DAY, Column("reason", Label(), ""), Column("rejected_rows", _COUNT, "")),
}


def contents(store: ClickHouse, contract: Contract = SALES) -> dict[str, pa.Table]:
    """The tables of ClickHouse with their exact types."""
    tables = {mart.name: (_DAY, *mart.columns) for mart in marts(contract)} | LEDGER
    found = {}
    for name, columns in tables.items():
        listed = ", ".join(column.name for column in columns)
        names, rows = answer(store, f"SELECT {listed} FROM {name}")
        found[name] = pa.Table.from_pylist(
            [dict(zip(names, row, strict=True)) for row in rows], arrow_schema(columns)
        )
    return found


def view(choice: Choice, options: Sequence[str] = SALES.regions) -> View:
    """The dashboard on which a reader has chosen this."""
    regions = list(choice.regions) or [ALL]
    products = [str(product) for product in choice.products] or [ALL]
    return View(
        {
            "import_date": Chosen(choice.import_date.isoformat()),
            "region": Chosen(regions, options),
            "product": Chosen(products),
        },
        choice.first_day,
        choice.last_day,
    )


CHOICES = {
    "everything": Choice(AS_OF),
    "one region": Choice(AS_OF, ("North",)),
    "regions and products": Choice(AS_OF, ("East", "South"), (1, 2, 3, 57, 391)),
    "a product": Choice(AS_OF, (), (57,)),
    "a few days": Choice(AS_OF, (), (), date(2026, 10, 30), date(2026, 11, 12)),
    "the first import": Choice(WEEK_BEFORE, ("West", "South"), (), date(2026, 1, 31)),
    "nothing there": Choice(AS_OF, ("Nowhere",), (0,), date(1999, 1, 1), date(1999, 1, 2)),
}


def asked(store: ClickHouse, sql: str) -> Answer:
    """What ClickHouse answers, as if it were the day after tomorrow of the newest import."""
    return answer(store, at_the_moment(sql))


def compare(store: ClickHouse, figures: Figures, choice: Choice) -> None:
    for panel in PANELS:
        for target in drawn()[panel.id]["targets"]:
            if (panel.id, target["refId"]) == ("rejects_by_reason", "B"):
                continue  # It gives the panel a second column, and has no figures.
            columns, rows = asked(store, rendered(target["rawSql"], view(choice)))
            # chDB's driver names no column of no rows.
            assert columns == (panel.columns if rows else ()), panel.id
            assert rows == figures.of(panel.id, choice), panel.id


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_every_panel_shows_what_duckdb_computes(
    shown: ClickHouse, published: Published, choice: Choice
) -> None:
    compare(shown, published.figures, choice)


def on_the_edge(store: ClickHouse) -> None:
    """An import where classes, ranks, leads and roundings are decided by a hair."""
    amounts = {1: "79.98", 2: "0.02", 3: "7.50", 4: "7.50", 5: "2.50", 6: "2.50"}
    products = [
        {"product_id": number, "total_sales": 8, "total_sales_amount": Decimal(amount)}
        for number, amount in amounts.items()
    ]
    # Half a cent a sale in the West, nothing at all in the South.
    elsewhere = [
        {"region": "West", "total_sales": 2, "total_sales_amount": Decimal("0.01")},
        {"region": "South", "total_sales": 2, "total_sales_amount": Decimal(0)},
        {"region": "East", "product_id": 7, "total_sales_amount": Decimal("99.99")},
    ]
    by_region: dict[str, dict[str, Any]] = {
        "West": {"moving_average_7_days": Decimal(5)},
        "East": {"moving_average_7_days": Decimal(5), "total_sales_amount": Decimal("30.51")},
        "South": {"total_sales": 0, "total_sales_amount": Decimal(0)},
        "North": {"moving_average_7_days": Decimal(0)},
    }
    days = [
        {"sale_date": AS_OF - timedelta(days=ago), "region": region, **more}
        for ago in range(1, 20)
        for region, more in by_region.items()
    ]
    for mart, rows in ((BY_REGION_PRODUCT, products + elsewhere), (BY_DAY, days)):
        store.stage(mart, AS_OF, AT, mart_table(mart, *rows))
        store.replace_import(mart, AS_OF)
    # The ClickHouse of these totals is wrong, the units of a day nobody counts.
    totals = [
        ControlTotals("spark", "sale", 2, 5, Decimal("30.50")),
        ControlTotals("postgresql", "sale", 2, 5, Decimal("30.50")),
        ControlTotals("postgresql", "sales_by_day", 2, None, Decimal("30.50")),
        ControlTotals("clickhouse", "sales_by_day", 3, None, Decimal("30.50")),
        ControlTotals("clickhouse", "sales_by_region", 2, 6, Decimal("30.50")),
        ControlTotals("clickhouse", "sales_by_product", 2, 5, Decimal("30.51")),
    ]
    store.record_batch(TWO_SALES, AT, totals, {"region_unknown": 1, "sale_id_missing": 2})


def test_what_is_decided_by_a_hair_is_decided_alike(tmp_path: Path) -> None:
    with clickhouse_with_tables(tmp_path / "clickhouse") as store:
        on_the_edge(store)
        with closing(duckdb.connect()) as database:
            for name, rows in contents(store).items():
                database.register(name, rows)
            for regions in ((), ("North",), ("West",), ("South",), ("East", "West")):
                compare(store, Figures(database, TODAY), Choice(AS_OF, regions))


def test_the_choices_show_something(published: Published) -> None:
    for name, choice in CHOICES.items():
        if name != "nothing there":
            empty = {panel for panel in PANEL_IDS if not published.figures.of(panel, choice)}
            # Before the first import there is none, and a few products may all rise.
            moves = choice.products or choice.import_date == WEEK_BEFORE
            assert empty <= ({"rising_products", "falling_products"} if moves else set()), name


def test_columns_are_of_types_that_grafana_draws(shown: ClickHouse) -> None:
    """The plugin has a converter for each; what it has none for arrives as text."""
    drawable = {
        "money": r"Decimal\(",
        "share": r"Decimal\(",
        "count": r"U?Int\d+",
        "rank": r"U?Int\d+",
        "quantity": r"U?Int\d+",
        "id": r"U?Int\d+",
        "days": r"U?Int\d+",
        "flag": r"U?Int8",
        "date": r"Date",
        "day": r"Date",
        "month": r"Date",
        "weekday": r"UInt8",
        "text": r"(LowCardinality\()?String",
    }
    for panel in PANELS:
        sql = rendered(drawn()[panel.id]["targets"][0]["rawSql"], view(CHOICES["everything"]))
        _, types = answer(shown, f"DESCRIBE ({sql})")
        for name, type_ in (row[:2] for row in types):
            bare = re.sub(r"^Nullable\((.*)\)$", r"\1", type_)
            assert re.match(drawable[PANEL_COLUMNS[name].unit], bare), (panel.id, name, type_)


def test_variables_offer_what_the_import_has(shown: ClickHouse, published: Published) -> None:
    variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
    offered = {
        name: [
            str(row[0])
            for row in shown.query(
                rendered(each["query"]["rawSql"], view(CHOICES["the first import"]))
            )[1]
        ]
        for name, each in variables.items()
    }
    first = Choice(WEEK_BEFORE)
    assert offered["import_date"] == [NEWEST, AS_OF.isoformat(), WEEK_BEFORE.isoformat()]
    assert offered["region"] == sorted(SALES.regions)
    assert offered["product"] == [str(row[1]) for row in published.figures.ranked(first)]
    assert variables["import_date"]["current"]["value"] == NEWEST
    assert not variables["import_date"].get("multi")
    for name in ("region", "product"):
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["current"]["value"] == [ALL]
    # A list is cut near a thousand: any other product can be typed.
    assert [name for name, each in variables.items() if each["allowCustomValue"]] == ["product"]


def test_the_newest_import_is_followed_unless_one_is_chosen(
    shown: ClickHouse, published: Published
) -> None:
    """A bookmark keeps the value of the variable: that must not be a date."""
    everything = view(CHOICES["everything"])
    for value, import_date in ((NEWEST, AS_OF), (WEEK_BEFORE.isoformat(), WEEK_BEFORE)):
        chosen = View(
            {**everything.variables, "import_date": Chosen(value)},
            everything.first_day,
            everything.last_day,
        )
        for panel in ("total_sales_amount", "sales_by_region", "amount_by_day"):
            _, rows = asked(shown, rendered(drawn()[panel]["targets"][0]["rawSql"], chosen))
            assert rows == published.figures.of(panel, Choice(import_date))


def test_the_year_before_is_that_of_the_newest_import_that_holds_it(tmp_path: Path) -> None:
    """Each import has amounts of its own: 1.00 a day in the newest, 2.00 in the one before.

    The second begins on the first of the 7 days that are asked for, the fourth on that of 28.
    """
    with embedded_clickhouse(tmp_path / "clickhouse") as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        for amount, earlier in enumerate((0, 6, 14, 27, 35), 1):
            day = AS_OF - timedelta(days=earlier)
            rows = [
                {"sale_date": day - timedelta(days=ago), "total_sales_amount": Decimal(amount)}
                for ago in range(1, 366)
            ]
            store.stage(BY_DAY, day, AT, mart_table(BY_DAY, *rows))
            store.replace_import(BY_DAY, day)
        sql = drawn()["last_days"]["targets"][0]["rawSql"]
        answers = {
            earlier: asked(store, rendered(sql, view(Choice(AS_OF - timedelta(days=earlier)))))[1]
            for earlier in (0, 27, 35)
        }
    assert [(row[0], row[1], row[2], row[4]) for row in answers[0]] == [
        (7, 7, 7, 2 * 7),
        (28, 28, 28, 4 * 28),
    ]
    assert [row[4] for row in answers[27]] == [5 * 7, None]
    assert [row[4:] for row in answers[35]] == [(None, None)] * 2


@pytest.mark.parametrize(("days", "before"), [(13, None), (14, 7)])
def test_the_days_before_are_compared_with_if_the_import_holds_all_of_them(
    tmp_path: Path, days: int, before: int | None
) -> None:
    with embedded_clickhouse(tmp_path / "clickhouse") as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        rows = [
            {"sale_date": AS_OF - timedelta(days=ago), "total_sales_amount": Decimal(1)}
            for ago in range(1, days + 1)
        ]
        store.stage(BY_DAY, AS_OF, AT, mart_table(BY_DAY, *rows))
        store.replace_import(BY_DAY, AS_OF)
        weeks, regions = (
            asked(store, rendered(drawn()[name]["targets"][0]["rawSql"], view(Choice(AS_OF))))[1]
            for name in ("last_days", "region_change")
        )
    assert weeks[0][:3] == (7, 7, before)
    assert [row[1:] for row in regions] == ([] if before is None else [(7, 7, 0, 0)])


def test_of_products_that_moved_alike_the_smaller_number_comes_first(tmp_path: Path) -> None:
    with embedded_clickhouse(tmp_path / "clickhouse") as dsn, clickhouse(dsn) as store:
        store.create_tables(SALES)
        for day, products in ((WEEK_BEFORE, (9, 5, 8)), (AS_OF, (4, 2, 3))):
            rows = [
                {"product_id": each, "total_sales_amount": Decimal("1.50")} for each in products
            ]
            store.stage(BY_REGION_PRODUCT, day, AT, mart_table(BY_REGION_PRODUCT, *rows))
            store.replace_import(BY_REGION_PRODUCT, day)
            store.record_batch(replace(TWO_SALES, as_of=day), AT, [], {})
        rising, falling = (
            asked(store, rendered(drawn()[name]["targets"][0]["rawSql"], view(Choice(AS_OF))))[1]
            for name in ("rising_products", "falling_products")
        )
    money = Decimal("1.50")
    assert rising == [(each, money, 0, money) for each in (2, 3, 4)]
    assert falling == [(each, 0, money, -money) for each in (5, 8, 9)]


# Before the first import


@pytest.fixture(scope="module")
def before_the_first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    """What each panel's first query answers when nothing was imported yet."""
    folder = tmp_path_factory.mktemp("empty") / "clickhouse"
    with clickhouse_with_tables(folder) as store:
        view_, errors = at_first_sight(
            store, dashboard()["templating"]["list"], date(2025, 10, 22), TODAY
        )
        assert errors == {}
        return {
            name: asked(store, rendered(each["targets"][0]["rawSql"], view_))[1]
            for name, each in drawn().items()
        }


def test_before_the_first_import_a_panel_has_no_figure(
    before_the_first: dict[str, list[Row]],
) -> None:
    for name, rows in before_the_first.items():
        assert all(cell is None for row in rows for cell in row), name


@pytest.mark.parametrize("language", Language)
def test_a_panel_without_figures_says_why(language: Language) -> None:
    for panel in PANELS:
        shown = drawn(language)[panel.id]
        said = shown["fieldConfig"]["defaults"]["noValue"]
        if panel.kind in (Kind.stat, Kind.gauge) and panel.value == "average_sale_amount":
            assert said == text("grafana.no_sales", language)
        else:
            assert said.startswith(text("grafana.no_import", language))
        if panel.thresholds and panel.kind is Kind.stat:
            (mapped,) = [
                step["options"]["result"]
                for each in shown["fieldConfig"]["overrides"]
                for found in each["properties"]
                if found["id"] == "mappings"
                for step in found["value"]
                if step["type"] == "special" and step["options"]["match"] == "null"
            ]
            levels = [
                step["color"]
                for each in shown["fieldConfig"]["overrides"]
                for found in each["properties"]
                if found["id"] == "thresholds"
                for step in found["value"]["steps"]
            ]
            assert mapped["text"] == said
            assert mapped["color"] not in levels


def test_panels_over_days_follow_the_time_range() -> None:
    for panel in PANELS:
        sql = drawn()[panel.id]["targets"][0]["rawSql"]
        # The last days are those of the import, whatever range is looked at.
        over_days = "sales_by_day" in sql and panel.id not in ("last_days", "region_change")
        assert ("$__dateFilter(sale_date)" in sql) == over_days


def test_before_the_first_import_no_query_is_an_error(tmp_path: Path) -> None:
    empty = View({"import_date": Chosen(""), "region": Chosen([ALL]), "product": Chosen([ALL])})
    with clickhouse_with_tables(tmp_path / "clickhouse") as store:
        for panel in PANELS:
            _, rows = asked(store, rendered(drawn()[panel.id]["targets"][0]["rawSql"], empty))
            # A figure is nothing, or none of anything.
            assert {each for row in rows for each in row} <= {None, 0}, panel.id
        for variable in dashboard()["templating"]["list"]:
            offered = [
                row[0] for row in store.query(rendered(variable["query"]["rawSql"], empty))[1]
            ]
            assert offered == ([NEWEST] if variable["name"] == "import_date" else [])


# Values with a quote in them


@pytest.fixture
def quoted(tmp_path: Path) -> Iterator[ClickHouse]:
    """An import whose regions have names that would break out of a careless quotation."""
    with clickhouse_with_tables(tmp_path / "clickhouse") as store:
        for mart in (BY_REGION_PRODUCT, BY_REGION, BY_DAY):
            rows = [{"region": name, "moving_average_7_days": Decimal(1)} for name in QUOTED]
            store.stage(mart, AS_OF, AT, mart_table(mart, *rows))
            store.replace_import(mart, AS_OF)
        yield store


def test_a_region_is_found_whatever_its_name_has_in_it(quoted: ClickHouse) -> None:
    for chosen in (*((name,) for name in QUOTED), QUOTED[:2], QUOTED[1:]):
        choice = view(Choice(AS_OF, chosen, (3,)), QUOTED)
        for panel in ("sales_by_region", "day_region"):
            _, rows = quoted.query(rendered(drawn()[panel]["targets"][0]["rawSql"], choice))
            assert {name for row in rows for name in row if name in QUOTED} == set(chosen)
    offered = dashboard()["templating"]["list"][1]["query"]["rawSql"]
    _, rows = quoted.query(rendered(offered, view(Choice(AS_OF))))
    assert {row[0] for row in rows} == set(QUOTED)


def test_a_choice_cannot_smuggle_a_condition_in(quoted: ClickHouse) -> None:
    smuggled = Choice(AS_OF, ("') OR true OR region IN ('",))
    sql = drawn()["sales_by_region"]["targets"][0]["rawSql"]
    assert quoted.query(rendered(sql, view(smuggled)))[1] == []


# Its user


def profile() -> tuple[dict[str, str], ElementTree.Element]:
    """The settings of the user's profile, and the user."""
    root = ElementTree.parse(DEPLOY / "clickhouse" / "grafana.xml").getroot()  # noqa: S314
    found = root.find("profiles/grafana")
    user = root.find("users/grafana")
    assert found is not None
    assert user is not None
    settings = {each.tag: each.text or "" for each in found if each.tag != "constraints"}
    allowed = root.findall("profiles/grafana/constraints/*/changeable_in_readonly/..")
    assert [each.tag for each in allowed] == ["max_execution_time"]
    return settings, user


@pytest.fixture
def reader(published: Published) -> Iterator[Any]:
    """ClickHouse as the profile's settings leave it."""
    settings, _ = profile()
    with (
        embedded_clickhouse(published.folder) as dsn,
        closing(clickhouse_connect.get_client(dsn=dsn, tz_mode="aware")) as client,
    ):
        client.database = "vitrina"
        known = {row[0] for row in client.query("SELECT name FROM system.settings").result_rows}
        assert set(settings) <= known
        for name, each in settings.items():
            if name != "readonly":
                client.set_client_setting(name, each)
        client.set_client_setting("readonly", settings["readonly"])
        yield client


def test_every_panel_and_alert_keeps_within_the_limits(reader: Any) -> None:
    queries = [target["rawSql"] for each in drawn().values() for target in each["targets"]]
    queries += [rule["data"][0]["model"]["rawSql"] for rule in rules().values()]
    for sql in queries:
        found = reader.query(rendered(sql, view(CHOICES["everything"]))).result_rows
        assert found or sql == WEEK_BEFORE_THE_ONLY_IMPORT


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("INSERT INTO batch SELECT * FROM batch", "READONLY"),
        ("DROP TABLE batch", "READONLY"),
        ("SELECT number FROM numbers(100001)", "TOO_MANY_ROWS"),
        ("SELECT count() FROM numbers(100000001)", "TOO_MANY_ROWS"),
        ("SELECT groupArray(number) FROM numbers(1e8)", "MEMORY_LIMIT_EXCEEDED"),
        ("SELECT 1 SETTINGS max_result_rows = 0", "READONLY"),
    ],
)
def test_the_user_can_neither_write_nor_ask_for_too_much(
    reader: Any, sql: str, refused: str
) -> None:
    with pytest.raises(DatabaseError, match=refused):
        reader.query(sql)


def test_the_users_password_is_in_no_file() -> None:
    _, user = profile()
    password = user.find("password_sha256_hex")
    assert password is not None
    assert password.attrib == {"incl": "CLICKHOUSE_GRAFANA_PASSWORD"}
    assert not password.text
    assert [each.text for each in user.findall("grants/query")] == [
        "GRANT SELECT ON vitrina.*",
        "GRANT SELECT ON store_*.*",
    ]
    (source,) = provisioned("datasources/vitrina.yaml")["datasources"]
    file = "/run/secrets/CLICKHOUSE_GRAFANA_PASSWORD"
    assert source["secureJsonData"] == {"password": f"$__file{{{file}}}"}
    assert source["jsonData"]["username"] == user.tag


def test_the_plugin_may_set_the_time_that_it_asks_for() -> None:
    """Its driver asks for the time left and five seconds more."""
    root = ElementTree.parse(DEPLOY / "clickhouse" / "grafana.xml").getroot()  # noqa: S314
    longest = int(root.findtext("profiles/grafana/constraints/max_execution_time/max") or 0)
    (source,) = provisioned("datasources/vitrina.yaml")["datasources"]
    for name in ("queryTimeout", "dialTimeout"):
        assert int(source["jsonData"][name]) + 5 <= longest


def test_nobody_gets_in_without_a_password() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(DEPLOY / "grafana.ini")
    assert not settings.getboolean("auth.anonymous", "enabled")
    assert not settings.getboolean("users", "allow_sign_up")
    assert not settings.getboolean("public_dashboards", "enabled")
    file = "/run/secrets/GRAFANA_ADMIN_PASSWORD"
    assert settings["security"]["admin_password"] == f"$__file{{{file}}}"


def test_a_link_in_an_alert_arrives_logged_in_and_nothing_is_fetched_at_a_start() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(DEPLOY / "grafana.ini")
    assert settings["security"]["cookie_samesite"] == "lax"
    assert settings.getboolean("plugins", "preinstall_disabled")
    assert "preinstall_sync" not in settings["plugins"]


def test_after_the_login_one_sees_the_sales() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(DEPLOY / "grafana.ini")
    assert settings["users"]["home_page"] == f"/d/{dashboard_uid(GENERATED, Language.en)}"
