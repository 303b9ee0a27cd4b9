"""What is told of runs that are late or that Airflow stopped, and by whom it is not taken."""

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.servers.receivers import http_receiver, silence

AS_OF = "2026-11-24"
RUN = "manual__2026-11-24T09:45:00+00:00"
# As Airflow's triggerer hands them over.
LATE: dict[str, Any] = {
    "dag_run": {
        "dag_id": "sales",
        "dag_run_id": RUN,
        "logical_date": "2026-11-23T22:30:00Z",
        "run_after": "2026-11-30T09:45:00Z",
        "conf": {},
    },
    "deadline": {"id": "1", "deadline_time": "2026-11-24 12:45:00+00:00"},
}


@pytest.fixture(scope="module")
def alerts() -> Any:
    """The module. Every worker loads every file of tests, and this one loads Airflow: 3 seconds."""
    from vitrina.observability import alerts

    return alerts


def test_a_late_run_is_told_with_its_batch(alerts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        for conf in ({}, None, {"as_of": "2025-01-31"}):
            asyncio.run(alerts.tell_late({**LATE, "dag_run": {**LATE["dag_run"], "conf": conf}}))
    assert [alert["event"] for alert in hook.bodies] == ["late"] * 3
    # By its logical date, which is the next day in Moscow, unless a parameter names it.
    assert [alert["batch"] for alert in hook.bodies] == ["2026-11-24", "2026-11-24", "2025-01-31"]
    assert "has not ended by 2026-11-24 12:45:00+00:00" in hook.bodies[0]["text"]


def test_a_run_that_airflow_stopped_is_told_however_little_is_known_of_it(
    alerts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        dag = SimpleNamespace(dag_id="sales")
        alerts.tell_failed({"dag": dag, "run_id": RUN, "reason": "timed_out"})
        alerts.tell_failed({"dag": dag, "run_id": RUN, "reason": "task_failure"})
    stopped, unknown = hook.bodies
    assert stopped["error"] == "Airflow stopped the run: timed out"
    assert (unknown["task"], unknown["batch"], unknown["log"]) == (None, None, None)
    assert "log" in unknown["error"]


def test_receivers_that_are_gone_refuse_or_say_nothing_are_warnings(
    alerts: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with http_receiver(status=404) as refuses, silence() as mute:
        for url in (refuses.url, f"http://127.0.0.1:{mute}", "http://127.0.0.1:1"):
            monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", f"{url}/hooks/hunter2")
            started = time.monotonic()
            asyncio.run(alerts.tell_late(LATE))
            assert time.monotonic() - started < 6
    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(said) == 3
    assert all(each.startswith("alert by webhook: ") for each in said)
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("misspelt", ["VITRINA_HOUSE", "VITRINA_MAX_REJECTED_SHARE"])
def test_a_failure_is_told_whatever_is_wrong_in_the_settings(
    alerts: Any, monkeypatch: pytest.MonkeyPatch, misspelt: str
) -> None:
    monkeypatch.setenv(misspelt, "nothing of use")
    # An address that cannot be used keeps no other from being told.
    monkeypatch.setenv("VITRINA_ALERT_EMAIL", "nobody")
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        alerts.tell_failed(
            {
                "reason": "task_failure",
                "ti": SimpleNamespace(
                    task_id="validate_data",
                    log_url="http://airflow/log",
                    xcom_pull=lambda **_: "VITRINA_HOUSE is not a setting",
                ),
                "dag": SimpleNamespace(dag_id="sales"),
                "run_id": RUN,
                "params": {"as_of": AS_OF},
            }
        )
    (told,) = hook.bodies
    assert told["event"] == "failed"
    assert told["error"] == "VITRINA_HOUSE is not a setting"
