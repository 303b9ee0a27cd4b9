"""A run of the DAG: which batch it is, and who is told when it fails or is late.

Airflow calls `tell_failed` in the DAG processor and `tell_late` in the triggerer. Each posts to
`VITRINA_ALERT_WEBHOOK` and mails to `VITRINA_ALERT_EMAIL`, as far as they are set there. Not in
the task: a callback of its own is lost with its process, when the system runs out of memory.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from airflow.sdk import get_current_context

from vitrina.observability.delivery import PATIENCE, deliver, line_of
from vitrina.settings import load_settings

MOSCOW = "Europe/Moscow"

_ERROR = "error"
_NO_ERROR = "The task gave no reason: it was killed, ran out of memory or of time; its log may tell"
_EVENTS = {"failed": "failed", "late": "is late"}

# The task has ended by then, and a mail server may take its time to greet.
_MAIL_PATIENCE = 10.0


def batch_date(as_of: str | None, logical_date: datetime | None, run_after: datetime) -> str:
    """A run's batch: its parameter `as_of`, else its logical date, else when it was queued.

    A date in Moscow. A run that an asset triggered has no logical date.
    """
    if as_of is not None:
        return as_of
    return (logical_date or run_after).astimezone(ZoneInfo(MOSCOW)).date().isoformat()


def keep_error(error: Exception) -> None:
    """Leave a task's error to `tell_failed`, which is handed none. In a task."""
    get_current_context()["ti"].xcom_push(_ERROR, line_of(error))


@dataclass(frozen=True)
class Alert:
    """What has happened to a run, and what to do; the JSON that is posted has these keys."""

    event: Literal["failed", "late"]
    dag: str
    run: str
    batch: str | None
    task: str | None
    error: str
    remedy: str
    log: str | None

    @property
    def subject(self) -> str:
        what = self.dag if self.task is None else f"{self.dag}.{self.task}"
        return f"Vitrina: {what} {_EVENTS[self.event]}, batch {self.batch or 'unknown'}"

    @property
    def text(self) -> str:
        lines = [self.subject, self.error, self.remedy, f"Run: {self.run}"]
        return "\n".join([*lines, f"Log: {self.log}"] if self.log else lines)


def tell_failed(context: Mapping[str, Any]) -> None:
    """A run has failed: a task did, and no retry is left or none would help; or time is up."""
    task = context.get("ti")
    if context["reason"] != "task_failure":
        error = f"Airflow stopped the run: {context['reason'].replace('_', ' ')}"
    else:
        error = _error_of(task)
    _tell(
        Alert(
            event="failed",
            dag=context["dag"].dag_id,
            run=context["run_id"],
            batch=_batch_of(context),
            task=task and task.task_id,
            error=error,
            remedy="Remove the cause, then clear the task in Airflow: it and those after it run "
            "again, and nothing is doubled.",
            log=task and task.log_url,
        )
    )


async def tell_late(context: Mapping[str, Any]) -> None:
    """A run has not ended by its deadline. It goes on."""
    run = context["dag_run"]
    logical_date, run_after = run["logical_date"], run["run_after"]
    alert = Alert(
        event="late",
        dag=run["dag_id"],
        run=run["dag_run_id"],
        batch=batch_date(
            (run["conf"] or {}).get("as_of"),
            datetime.fromisoformat(logical_date) if logical_date else None,
            datetime.fromisoformat(run_after),
        ),
        task=None,
        error=f"The run has not ended by {context['deadline']['deadline_time']}; it goes on",
        remedy="Look in Airflow at which task runs or waits, and in its log.",
        log=None,
    )
    # The triggerer has one loop for everything.
    await asyncio.to_thread(_tell, alert)


def _error_of(task: Any) -> str:
    """What the task left by `keep_error`."""
    try:
        left = task.xcom_pull(task_ids=task.task_id, key=_ERROR)
    except Exception:  # noqa: BLE001 - better an alert without a reason than none
        # Under `dags test` there is nobody to ask.
        return "The log of the task tells why"
    return str(left or _NO_ERROR)


def _batch_of(context: Mapping[str, Any]) -> str | None:
    """The batch, unless Airflow tells too little of the run."""
    run = context.get("dag_run")
    if run is None:
        return None
    return batch_date(context["params"].get("as_of"), run.logical_date, run.run_after)


def _tell(alert: Alert) -> None:
    settings = load_settings()
    if settings.alert_webhook is not None:
        url = str(settings.alert_webhook.get_secret_value())
        deliver("alert by webhook", lambda: _post(url, alert))
    if settings.alert_email is not None:
        to = settings.alert_email
        deliver("alert by e-mail", lambda: _mail(to, alert), _MAIL_PATIENCE)


def _post(url: str, alert: Alert) -> None:
    # `text` is what chats show of a message that is posted to them.
    body = json.dumps({"text": alert.text, **asdict(alert)}, ensure_ascii=False).encode()
    # The settings let http and https through alone.
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except HTTPError as refusal:
        # It is an answer too, and open.
        refusal.close()
        raise


def _mail(to: str, alert: Alert) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook() as server:
        server.send_email_smtp(
            to=to,
            subject=alert.subject,
            html_content=escape(alert.text).replace("\n", "<br>\n"),
        )
