"""PostgreSQL over TCP, with the databases, roles and passwords of compose.yaml.

The programs come from the same wheel as the embedded server. This module does what the image's
entrypoint does on an empty volume.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from psycopg import pq

from tests.homes import place_data, remove_data
from tests.servers.processes import START_SECONDS, stop
from tests.topology.compose import DEPLOY, declared
from vitrina.stores.postgres import embedded


@dataclass(frozen=True)
class PostgresServer:
    """A running server; its superuser, `postgres`, needs no password on the socket."""

    address: str
    port: int
    socket: Path
    programs: Path

    def dsn(self, role: str, password: str, database: str = "vitrina") -> str:
        return f"postgresql://{role}:{password}@{self.address}:{self.port}/{database}"

    @property
    def superuser(self) -> str:
        return f"postgresql://postgres@/vitrina?host={self.socket}&port={self.port}"

    def make_roles(self, passwords: Mapping[str, str]) -> None:
        """Run the script that the image runs on a fresh server, with the files that it reads."""
        with tempfile.TemporaryDirectory() as folder:
            for name, password in passwords.items():
                (Path(folder) / name).write_text(password, "utf-8")
            self.run(DEPLOY / "postgres/10-roles.sh", environment={"SECRETS": folder})

    def run(
        self,
        *command: str | Path,
        given: bytes = b"",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> bytes:
        """Run a program as it would run in the server's container; return its output."""
        return subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "PGHOST": str(self.socket),
                "PGPORT": str(self.port),
                **environment,
            },
            check=True,
        ).stdout


@contextmanager
def postgres_server(
    folder: Path,
    address: str,
    passwords: Mapping[str, str],
    options: Sequence[str] = (),
    *,
    port: int = 5432,
) -> Iterator[PostgresServer]:
    """A new server with its data below `folder`, removed when the block ends."""
    place_data(folder)
    home = embedded._server(folder)  # noqa: SLF001
    home.make_home()
    programs = embedded._binaries(home)  # noqa: SLF001
    initdb = declared()["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    data, password = home.home / "data", home.home / "password"
    # A socket's path has room for 107 bytes; a test's folder may be longer.
    socket = Path(tempfile.mkdtemp(prefix="vitrina-test-", dir="/tmp"))
    try:
        data.mkdir(mode=0o700)
        home.give(data)
        home.give(socket)
        password.touch(mode=0o600)
        password.write_text(passwords["POSTGRES_PASSWORD"], encoding="utf-8")
        home.give(password)
        home.run(
            *(programs / "initdb", "--username=postgres", f"--pwfile={password}", "--no-sync"),
            *("--auth-local=trust", "--auth-host=scram-sha-256", *initdb, data),
        )
        settings = (
            f"--listen_addresses={address}",
            f"--port={port}",
            f"--unix_socket_directories={socket}",
            "--fsync=off",
        )
        with (folder / "postgres.log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options, *settings],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                user=home.account and home.account.pw_uid,
                group=home.account and home.account.pw_gid,
                extra_groups=home.account and [],
                start_new_session=True,
            )
        try:
            running = PostgresServer(address, port, socket, programs)
            _wait(server, running)
            running.make_roles(passwords)
            yield running
        finally:
            stop(server, signal.SIGINT)
    finally:
        remove_data(folder)
        shutil.rmtree(socket)


def _wait(process: "subprocess.Popen[bytes]", server: PostgresServer) -> None:
    dsn = f"postgresql://postgres@/postgres?host={server.socket}&port={server.port}"
    deadline = time.monotonic() + START_SECONDS
    while pq.PGconn.ping(dsn.encode()) != pq.Ping.OK:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("PostgreSQL did not start; its log is postgres.log")
        time.sleep(0.05)
