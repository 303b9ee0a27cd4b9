"""`make run`: a batch that fails, with its alerts, and then one that ends with a summary."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from run_dag import conf

from tests.airflow_databases import AirflowDatabase
from tests.commands import call
from tests.homes import home_folder
from tests.postgres_data import PostgresData
from tests.servers.receivers import Received, http_receiver, smtp_receiver
from tests.watching import files_with, process_list
from vitrina.contract import SALES
from vitrina.marts import marts

ROOT = Path(__file__).parents[1]
MARTS = [mart.name for mart in marts(SALES)]
AS_OF = "2026-11-24"
ROWS = "2000"
# Made up; nobody else's process has it.
PASSWORD = "hunter2-of-make-run"  # noqa: S105
SUBJECT = f"Vitrina: sales.validate_data failed, batch {AS_OF}"


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory,
    airflow_database: AirflowDatabase,
    postgres_data: PostgresData,
) -> Iterator[Path]:
    with home_folder(tmp_path_factory.mktemp("make run")) as home:
        postgres_data.copy_to(home / "postgres")
        airflow_database.copy_to(home)
        yield home


def make_run(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make run` runs after the set-up."""
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "local_airflow" / "run_dag.py"],
        # `make run` works too where late runs are to be reported.
        env=os.environ
        | {"VITRINA_HOME": str(home), "COLUMNS": "100", "VITRINA_ALERT_LATE_AFTER": "3"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Failed:
    """A run of the DAG over a feed that is too bad to load."""

    said: str
    posted: Received
    mailed: Received
    listed: list[str]
    """The command lines that had the password in them."""


@pytest.fixture(scope="module")
def failed(home: Path) -> Iterator[Failed]:
    with http_receiver() as hook, smtp_receiver() as mail, process_list([PASSWORD]) as listed:
        ended = make_run(
            home,
            VITRINA_MAX_REJECTED_SHARE="0.0001",
            ROWS=ROWS,
            AS_OF=AS_OF,
            VITRINA_ALERT_LATE_AFTER="",
            VITRINA_ALERT_WEBHOOK=f"{hook.url}/hooks/{PASSWORD}",
            # The batch does not come so far.
            VITRINA_CLICKHOUSE_DSN=f"clickhouse://loader:{PASSWORD}@127.0.0.1:1/shop",
            VITRINA_ALERT_EMAIL="sales@example.com, ops@example.com",
            AIRFLOW_CONN_SMTP_DEFAULT=f"smtp://127.0.0.1:{mail.port}"
            "?disable_ssl=true&disable_tls=true&from_email=vitrina%40example.com",
        )
        assert ended.returncode != 0
        yield Failed(ended.stdout + ended.stderr, hook, mail, listed)


@pytest.fixture(scope="module")
def good(failed: Failed, home: Path) -> str:
    """What `make run` says of a batch that succeeds, where the one before has failed."""
    ended = make_run(home, ROWS=ROWS, AS_OF=AS_OF)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


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
    assert hook.headers[0]["path"] == f"/hooks/{PASSWORD}"
    assert_as_documented(alert, said)
    [raw] = mail.bodies
    message = message_from_string(raw, policy=policy.default)
    assert message["Subject"] == SUBJECT
    assert message["From"] == "vitrina@example.com"
    assert message["To"] == "sales@example.com, ops@example.com"
    body = message.get_body()
    assert body is not None
    assert "clear the task in Airflow" in body.get_content()


def test_a_run_that_fails_shows_no_password_in_its_output_its_files_or_a_process_list(
    failed: Failed, home: Path
) -> None:
    assert PASSWORD not in failed.said
    assert failed.listed == []
    assert files_with([PASSWORD], home) == []


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


def test_the_whole_dag_ends_with_a_summary_and_a_page(good: str, home: Path) -> None:
    for part in (f"Batch {AS_OF}", "Rejects by reason", f"Reconciliation of {AS_OF}"):
        assert part in good
    page = Path(good.splitlines()[-1])
    assert page == home / "dashboard.html"
    assert f"{AS_OF}" in page.read_text()
    assert "NO" not in good[good.index("Reconciliation") :].split()


def test_the_same_batch_again_has_the_same_figures(good: str, home: Path) -> None:
    """By the command, after the DAG: both leave a batch to each other."""
    environment = {"VITRINA_HOME": str(home), "COLUMNS": "100"}
    again = call(home, "run", "--rows", ROWS, "--as-of", AS_OF, environment=environment)
    assert again.code == 0, again.err
    shown = [
        [line for line in out[out.index("Reconciliation") :].splitlines() if line[:4] == "sale"]
        for out in (good, again.out)
    ]
    assert len(shown[0]) == 2 + 2 * len(MARTS)
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("ROWS", "many"), ("ROWS", "0"), ("ROWS", "1000000001")),
        *(("SEED", "-1"), ("AS_OF", "24.11")),
    ],
)
def test_a_batch_that_cannot_be_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match=rf"^{variable}={value}: .*$"):
        conf()


def test_what_does_not_go_with_a_store_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path))
    with pytest.raises(SystemExit, match=r"^VITRINA_STORE=.*: it must be one store's file.*$"):
        conf()
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "store.toml"))
    monkeypatch.setenv("ROWS", "5")
    with pytest.raises(SystemExit, match=r"^ROWS=5: .*VITRINA_STORE is set$"):
        conf()
