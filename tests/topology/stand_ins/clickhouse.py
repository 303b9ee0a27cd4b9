"""In place of ClickHouse, where its image cannot be had: the server of the tests, over chDB.

It takes the loader's grants from where the image has its list of users, and holds the password
against the hash in the file that the list includes. `python clickhouse.py client --query …` stands
for ClickHouse's client.
"""

import hashlib
import os
import sys
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

USERS = Path("/etc/clickhouse-server/users.d")


def included(user: str) -> str:
    """The hash of a user's password, by way of the file that its list includes."""
    root = ET.parse(USERS / f"{user}.xml").getroot()  # noqa: S314
    password = root.find(f"users/{user}/password_sha256_hex")
    assert password is not None
    values = ET.parse(root.findtext("include_from") or "").getroot()  # noqa: S314
    found = values.findtext(password.get("incl") or "")
    assert found
    return found


def client() -> None:
    """`--user U --password P --query Q`, with data from standard input for an INSERT."""
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    query = options["--query"]
    data = sys.stdin.buffer.read() if query.startswith("INSERT") else b""
    request = urllib.request.Request(
        f"http://127.0.0.1:8123/?{urlencode({'query': query})}",
        data,
        {"X-ClickHouse-User": options["--user"], "X-ClickHouse-Key": options["--password"]},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            sys.stdout.buffer.write(answer.read())
    except HTTPError as error:
        sys.exit(error.read().decode())


def main() -> None:
    if sys.argv[1:2] == ["client"]:
        client()
        return
    assert included("grafana")
    assert (USERS.parent / "config.d/vitrina.xml").is_file()
    password = Path("/run/secrets/CLICKHOUSE_LOADER_PASSWORD").read_text("utf-8")
    assert hashlib.sha256(password.encode()).hexdigest() == included("loader")
    os.environ["CLICKHOUSE_LOADER_PASSWORD"] = password
    server = ["-m", "tests.servers.clickhouse", "0.0.0.0", "8123", "/var/lib/clickhouse"]  # noqa: S104
    os.execv(sys.executable, [sys.executable, *server])  # noqa: S606


if __name__ == "__main__":
    main()
