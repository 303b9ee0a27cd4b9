"""What `compose.yaml` says, as Docker would read it, moved to addresses of the loopback."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILE = DEPLOY.parent / "compose.yaml"
# Where services find their secrets.
SECRETS = "/run/secrets"

# `${A}`, `${A:-default}`, `${A:?message}`, and `$$` for a dollar.
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\})")


def declared() -> dict[str, dict[str, Any]]:
    """The services as the file declares them."""
    file = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    services: dict[str, dict[str, Any]] = file["services"]
    return services


def make_secrets(
    folder: Path, *command: str, given: str = "", **places: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the service `secrets`, with its volume in a folder."""
    service = declared()["secrets"]
    (program,) = service["entrypoint"]
    groups = {key: value for key, value in service["environment"].items() if "GROUP_OF" in key}
    return subprocess.run(
        [sys.executable, DEPLOY / "airflow" / program, *(command or service["command"])],
        env=groups
        | {"AIRFLOW_PORT": "8080", "GRAFANA_PORT": "3000", "SECRETS": str(folder)}
        | places,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def read_secrets(folder: Path) -> dict[str, str]:
    """The secrets in a folder, without what is made of them."""
    files = [path for path in folder.iterdir() if path.name != "CLICKHOUSE_XML"]
    return {path.name: path.read_text("utf-8") for path in sorted(files)}


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace the variables in a value of the file.

    Raises:
        KeyError: a variable that the file requires is missing.
    """
    if isinstance(value, dict):
        return {key: interpolate(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def put_in(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        if name is None:
            return "$"
        if variables.get(name):
            return variables[name]
        if kind == ":-":
            return str(default)
        raise KeyError(f"{name}: {default or 'not set'}")

    return VARIABLE.sub(put_in, value)


def handed_on(service: dict[str, Any]) -> list[str]:
    """The variables that a service takes from the environment of `docker compose`."""
    return [name for name, value in service.get("environment", {}).items() if value is None]


@dataclass(frozen=True)
class Compose:
    """The services, each at its own address, so that all keep their ports.

    Linux has every address of 127.0.0.0/8; `network` is the first three numbers.
    """

    services: Mapping[str, dict[str, Any]]
    network: str = "127.0.0"

    @classmethod
    def read(cls, variables: Mapping[str, str], network: str = "127.0.0") -> Self:
        """Read the file with these variables; one that is handed on and not given is left out.

        Raises:
            KeyError: a variable that the file requires is missing.
        """
        services = interpolate(declared(), variables)
        for service in services.values():
            for name in handed_on(service):
                if name in variables:
                    service["environment"][name] = variables[name]
                else:
                    del service["environment"][name]
        return cls(services, network)

    def address(self, service: str) -> str:
        return f"{self.network}.{list(self.services).index(service) + 10}"

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service, with host names and 0.0.0.0 replaced by its addresses."""
        environment: dict[str, str] = self.services[service].get("environment", {})
        return {name: self._moved(service, text) for name, text in environment.items()}

    def _moved(self, service: str, text: str) -> str:
        for name in sorted(self.services, key=len, reverse=True):
            # A host stands at the beginning, after `//` or after `@`.
            host = rf"(^|(?<=//)|(?<=@)){re.escape(name)}(?=$|:\d|/)"
            text = re.sub(host, self.address(name), text)
        return text.replace("0.0.0.0", self.address(service))  # noqa: S104
