"""Airflow's REST API, as far as `make up` and the tests use it."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

# The server is on this machine or its network: no proxy leads there.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class AirflowApi:
    """The API of one server, for a user who has logged in."""

    url: str
    token: str

    @classmethod
    def log_in(cls, url: str, user: str, password: str) -> Self:
        """Log in.

        Raises:
            OSError: the server does not answer, or refuses the password.
        """
        answer = _ask("POST", f"{url}/auth/token", {"username": user, "password": password})
        return cls(url, answer["access_token"])

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API and return its answer, or None if nothing has that name.

        Raises:
            OSError: the server does not answer, or refuses the call.
        """
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
        """The errors in DAG files, one traceback for each file."""
        errors = self.ask("GET", "importErrors")["import_errors"]
        return [error["stack_trace"] for error in errors]

    def running(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG that Airflow counts as running."""
        answer = self.ask("GET", f"dags/{dag}/dagRuns?state=running&limit=100")
        return [] if answer is None else list(answer["dag_runs"])

    def fail(self, run: dict[str, Any]) -> None:
        """Mark a run and its running tasks as failed."""
        name = quote(run["dag_run_id"], safe="")
        path = f"dags/{run['dag_id']}/dagRuns/{name}?update_mask=state"
        self.ask("PATCH", path, {"state": "failed"})


def health(url: str) -> dict[str, str | None]:
    """The state of each part as the server knows it; empty while the server does not answer."""
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
