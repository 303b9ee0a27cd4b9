"""A run of the DAG: which batch it is, and who is told when it fails or is late.

Airflow calls `tell_failed` in the DAG processor and `tell_late` in the triggerer. Each posts to
`VITRINA_ALERT_WEBHOOK` and mails to `VITRINA_ALERT_EMAIL`, if they are set there. Neither is a
callback of the task, which would be lost with the task's process when memory runs out.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from airflow.sdk import get_current_context

from vitrina.contract import TIME_ZONE
from vitrina.observability.delivery import PATIENCE, deliver, line_of
from vitrina.settings import load_alert_settings

log = logging.getLogger(__name__)

_ERROR = "error"
_NO_ERROR = "The task gave no reason: it was killed, or ran out of memory or time; its log may tell"
_EVENTS = {"failed": "failed", "late": "is late"}

# No task waits for it, and a mail server may take long to greet.
_MAIL_PATIENCE = 10.0


def batch_date(
    as_of: str | None,
    logical_date: datetime | None,
    run_after: datetime,
    time_zone: str = TIME_ZONE,
) -> str:
    """A run's batch: its parameter `as_of`, else its logical date, else when it was queued.

    A date where the store is. A run that an asset triggered has no logical date.
    """
    if as_of is not None:
        return as_of
    return (logical_date or run_after).astimezone(ZoneInfo(time_zone)).date().isoformat()


def keep_error(error: Exception) -> None:
    """Keep a task's error for `tell_failed`, which Airflow hands none. Called in a task.

    It raises nothing: the task is to fail with its own error, which decides whether it is
    tried again.
    """
    try:
        get_current_context()["ti"].xcom_push(_ERROR, line_of(error))
    except Exception as failure:  # noqa: BLE001 - whatever Airflow raises
        log.warning(
            "the error cannot be kept for the alert: %s: %s", type(failure).__name__, failure
        )


@dataclass(frozen=True)
class Notice:
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


def tell_failed(context: Mapping[str, Any], time_zone: str = TIME_ZONE) -> None:
    """Tell that a run has failed: a task did for good, or Airflow stopped the run."""
    task = context.get("ti")
    if context["reason"] != "task_failure":
        error = f"Airflow stopped the run: {context['reason'].replace('_', ' ')}"
    else:
        error = _error_of(task)
    _tell(
        Notice(
            event="failed",
            dag=context["dag"].dag_id,
            run=context["run_id"],
            batch=_batch_of(context, time_zone),
            task=task and task.task_id,
            error=error,
            remedy="Remove the cause, then clear the task in Airflow: it and those after it run "
            "again, and nothing is doubled.",
            log=task and task.log_url,
        )
    )


async def tell_late(context: Mapping[str, Any], time_zone: str = TIME_ZONE) -> None:
    """Tell that a run has not ended by its deadline. It goes on."""
    run = context["dag_run"]
    logical_date, run_after = run["logical_date"], run["run_after"]
    notice = Notice(
        event="late",
        dag=run["dag_id"],
        run=run["dag_run_id"],
        batch=batch_date(
            (run["conf"] or {}).get("as_of"),
            datetime.fromisoformat(logical_date) if logical_date else None,
            datetime.fromisoformat(run_after),
            time_zone,
        ),
        task=None,
        error=f"The run has not ended by {context['deadline']['deadline_time']}; it goes on",
        remedy="Look in Airflow at which task runs or waits, and in its log.",
        log=None,
    )
    # The triggerer has one loop for everything.
    await asyncio.to_thread(_tell, notice)


def _error_of(task: Any) -> str:
    """What the task left by `keep_error`."""
    try:
        left = task.xcom_pull(task_ids=task.task_id, key=_ERROR)
    except Exception:  # noqa: BLE001 - better an alert without a reason than none
        # Under `dags test` there is no server to ask.
        return "The log of the task tells why"
    return str(left or _NO_ERROR)


def _batch_of(context: Mapping[str, Any], time_zone: str) -> str | None:
    """The batch, unless Airflow tells too little of the run."""
    run = context.get("dag_run")
    if run is None:
        return None
    return batch_date(context["params"].get("as_of"), run.logical_date, run.run_after, time_zone)


def _tell(notice: Notice) -> None:
    # Not all settings: one that is misspelt is what the alert is about.
    settings = load_alert_settings()
    if settings.alert_webhook is not None:
        url = str(settings.alert_webhook.get_secret_value())
        deliver("alert by webhook", lambda: _post(url, notice))
    if settings.alert_email is not None:
        to = settings.alert_email
        deliver("alert by e-mail", lambda: _mail(to, notice), _MAIL_PATIENCE)


def _post(url: str, notice: Notice) -> None:
    # `text` is what chats show of a message that is posted to them.
    body = json.dumps({"text": notice.text, **asdict(notice)}, ensure_ascii=False).encode()
    # The settings let http and https through alone.
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except HTTPError as refusal:
        # It is an answer too, and open.
        refusal.close()
        raise


def _mail(to: str, notice: Notice) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook() as server:
        server.send_email_smtp(
            to=to,
            subject=notice.subject,
            html_content=escape(notice.text).replace("\n", "<br>\n"),
        )
