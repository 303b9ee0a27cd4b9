#!/usr/bin/env python3
"""make_secrets.py COMMAND: the secrets of the deployment, a file each in the volume `secrets`.

    make             make each secret that is absent, and let its group alone read it
    logins           print the addresses, users and passwords of both pages
    show [NAME]      print one secret, or all of them as lines that `take` takes
    renew NAME ...   make secrets anew; a fernet key goes before the one that is there
    put NAME         take one from standard input
    take             take the secrets of an `.env` of version 0.1.0, or those that `show` has
                     printed, from standard input, and print what else the file sets

The variable GROUP_OF_<NAME> names each secret and its group's number: compose.yaml lists them.
"""

import base64
import contextlib
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("SECRETS", "/run/secrets"))
# PostgreSQL's data, whose roles have their passwords in it.
POSTGRES = Path(os.environ.get("POSTGRES_DATA", "/run/postgres"))
GROUPS = {
    name.removeprefix("GROUP_OF_"): int(group)
    for name, group in os.environ.items()
    if name.startswith("GROUP_OF_")
}
FERNET = "AIRFLOW_FERNET_KEY"
# Made of others: what ClickHouse includes in its list of users, each password by its hash, since
# it takes a password that is absent for an empty one, and refuses a hash that is.
CLICKHOUSE = "CLICKHOUSE_XML"
CLICKHOUSE_PASSWORDS = ("CLICKHOUSE_LOADER_PASSWORD", "CLICKHOUSE_GRAFANA_PASSWORD")
MADE = sorted(GROUPS.keys() - {CLICKHOUSE})
# They need no quoting in an address, a shell, a file of SQL or of XML.
PLAIN = re.compile(r"[\w=,.~-]+", re.ASCII)


def fresh(name: str) -> str:
    """A new secret: 192 bits in hexadecimal digits, or what Fernet takes, 256 in base64."""
    if name == FERNET:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(24)


def read(name: str) -> str:
    try:
        return (FOLDER / name).read_text("utf-8")
    except FileNotFoundError:
        sys.exit(f"There is no secret {name} yet: docker compose up makes it.")


def write(name: str, value: str) -> None:
    """Put a secret in place, whole or not at all, readable by its group alone.

    Where another user than root runs this, as no deployment does, the group stays that user's.
    """
    part = FOLDER / f".{name}"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440), "w") as file:
        file.write(value)
    if os.geteuid() == 0:
        os.chown(part, -1, GROUPS[name])
    part.rename(FOLDER / name)


def present() -> list[str]:
    return [name for name in MADE if (FOLDER / name).exists()]


def finish() -> None:
    """Make what follows from the secrets, and set everybody's rights."""
    items = "".join(
        f"<{name}>{hashlib.sha256(read(name).encode()).hexdigest()}</{name}>"
        for name in CLICKHOUSE_PASSWORDS
    )
    wanted = {name: read(name) for name in MADE}
    wanted[CLICKHOUSE] = f"<clickhouse>{items}</clickhouse>\n"
    for name, value in wanted.items():
        write(name, value)


def make() -> None:
    """Make what is absent.

    Where all are absent and PostgreSQL's data is there, the roles have passwords that new secrets
    would not be.
    """
    if not present() and any(POSTGRES.glob("[0-9]*")):
        sys.exit(
            "PostgreSQL's data is there and its passwords are not. Take them from the .env of "
            "version 0.1.0, or from your copy:\n"
            "    docker compose run --rm -T secrets take < deploy/.env >> .env\n"
            "docs/operations.md says more."
        )
    for name in sorted(set(MADE) - set(present())):
        write(name, fresh(name))
    finish()


def checked(name: str, value: str) -> str:
    if name not in MADE:
        sys.exit(f"{name} is not a secret; there are {', '.join(MADE)}.")
    if not PLAIN.fullmatch(value):
        sys.exit(f"{name}: letters of ASCII, digits and _ - = , . ~ are allowed, one at least.")
    return value


def take() -> None:
    """Take the secrets of an `.env`, and give its other lines back for the new one."""
    if present():
        sys.exit("There are secrets already, and the data in the volumes know them.")
    found, others = {}, []
    for line in sys.stdin.read().splitlines():
        name, is_set, value = line.partition("=")
        if is_set and name.strip() in MADE:
            found[name.strip()] = checked(name.strip(), value.strip().strip("'\""))
        elif line.strip() and not line.startswith("#"):
            # The file has moved one folder up.
            others.append(re.sub(r"(?<=[=:])outward\.yaml", "deploy/outward.yaml", line))
    if not found:
        sys.exit("There is no secret in what was given.")
    for name, value in found.items():
        write(name, value)
    make()
    for line in others:
        print(line)
    print(f"Took {len(found)} secrets.", file=sys.stderr)


def renew(names: list[str]) -> None:
    for name in names:
        value = checked(name, fresh(name))
        # Airflow encrypts with the first key, and reads what each of them has encrypted.
        write(name, f"{value},{read(name)}" if name == FERNET else value)
    finish()


def logins() -> None:
    for page, port, password in (
        ("Airflow", os.environ["AIRFLOW_PORT"], read("AIRFLOW_ADMIN_PASSWORD")),
        ("Grafana", os.environ["GRAFANA_PORT"], read("GRAFANA_ADMIN_PASSWORD")),
    ):
        print(f"{page}  http://127.0.0.1:{port}  user admin  password {password}")


def main() -> None:
    match sys.argv[1:]:
        case ["make"]:
            make()
        case ["logins"]:
            logins()
        case ["show"]:
            print("\n".join(f"{name}={read(name)}" for name in MADE))
        case ["show", name] if name in MADE:
            print(read(name))
        case ["renew", name, *names]:
            renew([name, *names])
        case ["put", name]:
            write(name, checked(name, sys.stdin.read().strip()))
            finish()
        case ["take"]:
            take()
        case _:
            sys.exit(f"{(__doc__ or '').strip()}\n\nThe secrets: {', '.join(MADE)}")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
