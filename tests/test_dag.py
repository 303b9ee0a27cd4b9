"""The DAG as Airflow reads it."""

from pathlib import Path
from typing import Any

import pytest

from tests.dag_cases import case, find_facts
from tests.homes import home_folder
from vitrina.contract import SALES
from vitrina.generator.recipe import ROWS, SEED
from vitrina.marts import marts
from vitrina.pipeline import STEPS

TASKS = [step.task for step in STEPS]
MARTS = [mart.name for mart in marts(SALES)]


BERLIN = """
name = "berlin"
title = "Berlin shop"
time_zone = "Europe/Berlin"
days = 90
[source]
files = ["*.csv"]
[source.fields]
sale_id = { column = "id" }
product_id = { column = "product" }
quantity = { column = "pieces" }
sale_date = { column = "day" }
sale_amount = { column = "amount" }
region = { constant = "Berlin" }
"""


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's file that is not there."""
    return tmp_path_factory.mktemp("absent") / "absent.toml"


@pytest.fixture(scope="module")
def found(absent: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `dag_facts.py` finds, by the name of the case."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "a.toml").write_text(BERLIN)
    (folder / "b.toml").write_text(BERLIN.replace("berlin", "aachen"))
    (folder / "c.toml").write_text(BERLIN.replace("berlin", "cologne").replace("days", "dayz"))
    cases = {
        "plain": case(),
        "late": case(VITRINA_ALERT_LATE_AFTER="5"),
        "misspelt": case(VITRINA_HOUSE="x"),
        # A folder of two stores and a broken one, while a variable is misspelt.
        "stores": case(of_stores=True, VITRINA_STORE=str(folder), VITRINA_HOUSE="x"),
        "absent": case(of_stores=True, VITRINA_STORE=str(absent)),
    }
    with home_folder(tmp_path_factory.mktemp("airflow")) as home:
        return find_facts(home, cases)


@pytest.fixture(scope="module")
def facts(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return found["plain"]


@pytest.fixture(scope="module")
def stores(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return found["stores"]


def test_a_run_is_started_only_with_parameters_that_a_task_can_read(facts: dict[str, Any]) -> None:
    assert facts["taken"] == {
        "rows": ["1"],
        "seed": ["0", "1"],
        "as_of": ["None", "'2026-11-24'"],
    }


def test_it_runs_on_tuesdays_at_1245_in_moscow_one_at_a_time(facts: dict[str, Any]) -> None:
    dag = facts["dag"]
    assert dag["timetable"]["__type"].endswith("CronTriggerTimetable")
    when = dag["timetable"]["__var"]
    assert (when["expression"], when["timezone"]) == ("45 12 * * 2", "Europe/Moscow")
    assert dag["catchup"] is False
    assert dag["max_active_runs"] == 1


def test_the_tasks_keep_their_ids() -> None:
    # Airflow keeps the history of a task under its id.
    assert TASKS == [
        "generate_data",
        "validate_data",
        "clean_data",
        "load_to_postgresql",
        "run_analytics",
        "publish_to_clickhouse",
    ]


def test_the_tasks_follow_one_another(facts: dict[str, Any]) -> None:
    followers = [[after] for after in TASKS[1:]] + [[]]
    assert facts["after"] == dict(zip(TASKS, followers, strict=True))


def test_every_task_is_documented_retried_later_and_later_and_stopped_in_time(
    facts: dict[str, Any],
) -> None:
    assert facts["dag"]["doc_md"].strip()
    for task in TASKS:
        assert facts["docs"][task]
        assert facts["retries"][task] >= 2
        assert facts["backoff"][task]
        assert 0 < facts["timeouts"][task] <= facts["dag"]["dagrun_timeout"]


def test_tables_written_are_assets(facts: dict[str, Any]) -> None:
    outlets = facts["outlets"]
    assert outlets == {
        step.task: [f"{place.store}.{place.name}" for place in step.leaves if place.store != "lake"]
        for step in STEPS
    }
    assert outlets["load_to_postgresql"][0] == "postgresql.sale"
    assert outlets["run_analytics"] == [f"postgresql.{name}" for name in MARTS]
    assert outlets["publish_to_clickhouse"] == [
        f"clickhouse.{name}" for name in (*MARTS, "batch", "rejects_by_reason", "control_totals")
    ]


def test_parameters_have_descriptions_bounds_and_defaults(facts: dict[str, Any]) -> None:
    parameters = facts["parameters"]
    assert {name: each["default"] for name, each in parameters.items()} == {
        "rows": ROWS.default,
        "seed": SEED.default,
        "as_of": None,
    }
    assert all(each["description"] for each in parameters.values())
    for name, parameter in (("rows", ROWS), ("seed", SEED)):
        schema = parameters[name]["schema"]
        assert schema["type"] == "integer"
        assert (schema["minimum"], schema["maximum"]) == (parameter.minimum, parameter.maximum)
    assert (ROWS.minimum, SEED.minimum) == (1, 0)
    assert min(ROWS.maximum, SEED.maximum) > 1_000_000
    assert parameters["as_of"]["schema"]["format"] == "date"


def test_parsing_imports_neither_spark_nor_a_store(facts: dict[str, Any]) -> None:
    assert facts["heavy imports"] == []


def test_parsing_again_gives_the_same_dag(facts: dict[str, Any]) -> None:
    assert facts["same when parsed again"]


def test_the_batch_is_the_parameter_else_the_logical_date_else_when_it_was_queued(
    facts: dict[str, Any],
) -> None:
    assert facts["dates"] == {
        "by parameter": "2025-01-31",
        # 22:30 of the day before in London.
        "by logical date": "2026-11-24",
        "by an asset": "2026-12-01",
    }


def test_only_what_may_pass_is_tried_again(facts: dict[str, Any]) -> None:
    assert {name: kind for name, (kind, _) in facts["errors"].items()} == {
        "nothing generated": "AirflowFailException",
        "no PostgreSQL": "StoreUnavailable",
        "no place for the error": "AirflowFailException",
    }


def test_a_final_error_stays_final_where_airflow_cannot_keep_it_for_the_alert(
    facts: dict[str, Any],
) -> None:
    assert facts["errors"]["no place for the error"] == facts["errors"]["nothing generated"]
    assert "run: vitrina generate --as-of 2026-11-24" in facts["errors"]["nothing generated"][1]


def test_a_run_has_a_deadline_only_where_it_is_asked_for(
    found: dict[str, Any],
) -> None:
    assert found["plain"]["dag"]["deadline"] is None
    late = found["late"]
    assert late["same when parsed again"]
    [alert] = late["dag"]["deadline"]
    assert "DagRunQueuedAtDeadline" in str(alert)
    assert "vitrina.observability.alerts.tell_late" in str(alert)
    assert "18000.0" in str(alert)


def test_a_misspelt_variable_leaves_the_dag_and_fails_its_run_with_its_name(
    found: dict[str, Any],
) -> None:
    misspelt = found["misspelt"]
    assert list(misspelt["after"]) == TASKS
    kind, text = misspelt["errors"]["nothing generated"]
    assert kind == "AirflowFailException"
    assert text == "VITRINA_HOUSE is not a setting; did you mean VITRINA_HOME?"


def test_each_store_of_a_folder_has_a_dag_of_its_own(stores: dict[str, Any]) -> None:
    dags = stores["dags"]
    assert list(dags) == ["sales_aachen", "sales_berlin", "sales_cologne"]
    for dag in dags.values():
        assert dag["tasks"] == ["extract_data", *TASKS[1:]]
        assert dag["params"] == ["as_of"]
        assert (dag["timetable"]["expression"], dag["timetable"]["timezone"]) == (
            "45 12 * * 2",
            "Europe/Moscow",
        )
        assert dag["same when parsed again"]
    assert stores["heavy imports"] == []


def test_a_store_s_tables_are_assets_of_its_own(stores: dict[str, Any]) -> None:
    outlets = stores["dags"]["sales_berlin"]["outlets"]
    assert outlets[0] == "postgresql.store_berlin.sale"
    assert outlets[-1] == "clickhouse.store_berlin.control_totals"
    assert not {*outlets} & {*stores["dags"]["sales_aachen"]["outlets"]}


def test_a_store_s_batch_is_the_date_where_it_is(stores: dict[str, Any]) -> None:
    # Half an hour after midnight in Moscow it is the day before in Berlin.
    assert stores["dags"]["sales_berlin"]["a date"] == "2026-11-23"


def test_a_broken_store_takes_no_other_away_and_its_first_task_says_why(
    stores: dict[str, Any],
) -> None:
    kind, text = stores["dags"]["sales_cologne"]["failure"]
    assert kind == "AirflowFailException"
    assert "c.toml: dayz is not a key; did you mean days?" in text
    assert stores["dags"]["sales_berlin"]["failure"] is None


def test_a_store_that_is_not_there_is_told_by_the_first_task(
    found: dict[str, Any], absent: Path
) -> None:
    (dag,) = found["absent"]["dags"].items()
    assert dag[0] == "sales"
    assert dag[1]["failure"][1] == f"{absent} cannot be read: No such file or directory"
