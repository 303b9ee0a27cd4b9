"""Alerts of the DAG, as they arrive: by webhook and by e-mail, from a run that fails."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.homes import home_folder
from tests.servers.receivers import Received, http_receiver, silence, smtp_receiver
from vitrina.observability.alerts import tell_failed, tell_late

ROOT = Path(__file__).parents[1]
AS_OF = "2026-11-24"
SUBJECT = f"Vitrina: sales.validate_data failed, batch {AS_OF}"
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


@dataclass(frozen=True)
class Failed:
    """A run of the DAG over a feed that is too bad to load."""

    said: str
    posted: Received
    mailed: Received


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failed]:
    with (
        home_folder(tmp_path_factory.mktemp("failing")) as home,
        http_receiver() as hook,
        smtp_receiver() as mail,
    ):
        ended = subprocess.run(
            [sys.executable, ROOT / "scripts" / "local_airflow" / "run_dag.py"],
            env=os.environ
            | {
                "VITRINA_HOME": str(home),
                "VITRINA_MAX_REJECTED_SHARE": "0.0001",
                "ROWS": "2000",
                "AS_OF": AS_OF,
                "VITRINA_ALERT_WEBHOOK": f"{hook.url}/hooks/hunter2",
                "VITRINA_ALERT_EMAIL": "sales@example.com, ops@example.com",
                "AIRFLOW_CONN_SMTP_DEFAULT": f"smtp://127.0.0.1:{mail.port}"
                "?disable_ssl=true&disable_tls=true&from_email=vitrina%40example.com",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode != 0
        yield Failed(ended.stdout + ended.stderr, hook, mail)


def test_a_batch_that_is_too_bad_fails_at_once_and_says_why(failed: Failed) -> None:
    assert "VITRINA_MAX_REJECTED_SHARE allows" in failed.said
    assert "UP_FOR_RETRY" not in failed.said.upper()
    assert f"load {AS_OF}" not in failed.said


def test_a_run_that_fails_posts_and_mails_once_what_to_do(failed: Failed) -> None:
    said, hook, mail = failed.said, failed.posted, failed.mailed
    [alert] = hook.bodies
    assert (alert["event"], alert["dag"], alert["task"]) == ("failed", "sales", "validate_data")
    assert alert["batch"] == AS_OF
    assert "clear the task" in alert["remedy"]
    for part in (SUBJECT, alert["error"], alert["remedy"], alert["run"], alert["log"]):
        assert part in alert["text"]
    assert hook.headers[0]["path"] == "/hooks/hunter2"
    assert "hunter2" not in said
    assert_as_documented(alert, said)
    [raw] = mail.bodies
    message = message_from_string(raw, policy=policy.default)
    assert message["Subject"] == SUBJECT
    assert message["From"] == "vitrina@example.com"
    assert message["To"] == "sales@example.com, ops@example.com"
    body = message.get_body()
    assert body is not None
    assert "clear the task in Airflow" in body.get_content()


def assert_as_documented(alert: dict[str, Any], said: str) -> None:
    """The page shows such an alert. Figures differ, and an … stands for what is left out."""
    page = (ROOT / "docs" / "observability.md").read_text()
    shown = json.loads(page.split("```json\n")[1].split("```")[0])
    assert list(shown) == list(alert)
    assert shown["text"].splitlines()[0] == alert["text"].splitlines()[0]
    for key in ("event", "dag", "batch", "task", "remedy"):
        assert re.fullmatch(".*".join(map(re.escape, shown[key].split("…"))), alert[key])
    # `dags test` hands no error to the alert; it is on the screen.
    words = re.split(r"[\d.,]*\d|…", shown["error"])
    assert re.search(".+".join(map(re.escape, words)), said), shown["error"]


def test_a_run_has_a_deadline_only_where_it_is_asked_for(tmp_path: Path) -> None:
    deadlines = []
    for hours in ("", "5"):
        subprocess.run(
            [sys.executable, ROOT / "tests" / "dag_facts.py", tmp_path / "facts.json"],
            env=os.environ
            | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
            | {"VITRINA_ALERT_LATE_AFTER": hours},
            check=True,
            capture_output=True,
        )
        facts = json.loads((tmp_path / "facts.json").read_text())
        assert facts["same when parsed again"]
        deadlines.append(facts["dag"]["deadline"])
    without, [alert] = deadlines
    assert without is None
    assert "DagRunQueuedAtDeadline" in str(alert)
    assert "vitrina.observability.alerts.tell_late" in str(alert)
    assert "18000.0" in str(alert)


def test_a_late_run_is_told_with_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        for conf in ({}, None, {"as_of": "2025-01-31"}):
            asyncio.run(tell_late({**LATE, "dag_run": {**LATE["dag_run"], "conf": conf}}))
    assert [alert["event"] for alert in hook.bodies] == ["late"] * 3
    # By its logical date, which is the next day in Moscow, unless a parameter names it.
    assert [alert["batch"] for alert in hook.bodies] == ["2026-11-24", "2026-11-24", "2025-01-31"]
    assert "has not ended by 2026-11-24 12:45:00+00:00" in hook.bodies[0]["text"]


def test_a_run_that_airflow_stopped_is_told_however_little_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        dag = SimpleNamespace(dag_id="sales")
        tell_failed({"dag": dag, "run_id": RUN, "reason": "timed_out"})
        tell_failed({"dag": dag, "run_id": RUN, "reason": "task_failure"})
    stopped, unknown = hook.bodies
    assert stopped["error"] == "Airflow stopped the run: timed out"
    assert (unknown["task"], unknown["batch"], unknown["log"]) == (None, None, None)
    assert "log" in unknown["error"]


def test_receivers_that_are_gone_refuse_or_say_nothing_are_warnings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with http_receiver(status=404) as refuses, silence() as mute:
        for url in (refuses.url, f"http://127.0.0.1:{mute}", "http://127.0.0.1:1"):
            monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", f"{url}/hooks/hunter2")
            started = time.monotonic()
            asyncio.run(tell_late(LATE))
            assert time.monotonic() - started < 6
    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(said) == 3
    assert all(each.startswith("alert by webhook: ") for each in said)
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("misspelt", ["VITRINA_HOUSE", "VITRINA_MAX_REJECTED_SHARE"])
def test_a_failure_is_told_whatever_is_wrong_in_the_settings(
    monkeypatch: pytest.MonkeyPatch, misspelt: str
) -> None:
    monkeypatch.setenv(misspelt, "nothing of use")
    # An address that cannot be used keeps no other from being told.
    monkeypatch.setenv("VITRINA_ALERT_EMAIL", "nobody")
    with http_receiver() as hook:
        monkeypatch.setenv("VITRINA_ALERT_WEBHOOK", hook.url)
        tell_failed(
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
