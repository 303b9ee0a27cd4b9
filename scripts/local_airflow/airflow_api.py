"""Airflow's REST API, as far as `make up` and its test speak to it."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

# Whatever proxy there is, it does not lead to this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class AirflowApi:
    """The API of one server, for one user."""

    url: str
    token: str

    @classmethod
    def of(cls, url: str, user: str, passwords: Path) -> Self:
        """Log in with the password that the file has for the user.

        Raises:
            OSError: nobody answers, or the password is refused.
        """
        password = json.loads(passwords.read_text(encoding="utf-8"))[user]
        answer = _ask("POST", f"{url}/auth/token", {"username": user, "password": password})
        return cls(url, answer["access_token"])

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the API answers; None if there is nothing of that name."""
        try:
            return _ask(method, f"{self.url}/api/v2/{path}", body, self.token)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def unpause(self, dag: str) -> bool:
        """Unpause a DAG; False as long as its file has not been read."""
        body = {"is_paused": False}
        return self.ask("PATCH", f"dags/{dag}?update_mask=is_paused", body) is not None

    def import_errors(self) -> list[str]:
        """What went wrong in DAG files, one traceback a file."""
        errors = self.ask("GET", "importErrors")["import_errors"]
        return [error["stack_trace"] for error in errors]

    def running(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG that are under way, or count as such."""
        answer = self.ask("GET", f"dags/{dag}/dagRuns?state=running&limit=100")
        return [] if answer is None else list(answer["dag_runs"])

    def fail(self, run: dict[str, Any]) -> None:
        """Mark a run, and its tasks that run, as failed."""
        name = quote(run["dag_run_id"], safe="")
        path = f"dags/{run['dag_id']}/dagRuns/{name}?update_mask=state"
        self.ask("PATCH", path, {"state": "failed"})


def health(url: str) -> dict[str, str | None]:
    """The state of each part, as far as the server knows; empty as long as nobody answers."""
    try:
        answer = _ask("GET", f"{url}/api/v2/monitor/health")
    except OSError:
        return {}
    return {name: part["status"] for name, part in answer.items()}


def _ask(method: str, url: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
    request = urllib.request.Request(  # noqa: S310
        url, method=method, data=None if body is None else json.dumps(body).encode()
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with _OPENER.open(request, timeout=30) as answer:
        return json.load(answer)
