"""ClickHouse's HTTP interface, served from chDB, so that a client over HTTP runs unchanged.

    python -m tests.servers.clickhouse ADDRESS PORT FOLDER [CERTIFICATE]

With a certificate, in one file with its key, it speaks TLS.

The one user is `loader`, with the password CLICKHOUSE_LOADER_PASSWORD and, in the engine, exactly
the grants of `deploy/clickhouse/loader.xml`. Statements, values bound to parameters, settings of
a request, inserts in any format, compressed or chunked, errors with code, status and header, and
one statement at a time of an id are as a server has them. Left out: sessions, progress, compressed
answers, streaming.
"""

import base64
import gzip
import hmac
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.servers.processes import START_SECONDS, stop
from tests.topology.compose import DEPLOY

# Of the request, not of the statement.
_TRANSPORT = {
    "database",
    "default_format",
    "enable_http_compression",
    "client_protocol_version",
    "query",
    "query_id",
    "session_id",
    "wait_end_of_query",
}
_STATUS = {"ACCESS_DENIED": 403, "AUTHENTICATION_FAILED": 403, "UNKNOWN_TABLE": 404}
_INSERT = re.compile(rb"(?is)\s*INSERT\s+INTO\b.*?\bFORMAT\s+\w+[ \t]*(?:\n|$)")
_BEFORE_DATA = re.compile(r"(?i)(?=\b(?:SETTINGS|FORMAT)\s)")
_FORMAT = re.compile(r"(?i)\bFORMAT\s+(\w+)\s*;?\s*$")
_USERS = """<clickhouse>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default><password/><networks><ip>::/0</ip></networks>
<profile>default</profile><quota>default</quota>{grants}</default></users>
</clickhouse>"""
_CONFIG = "<clickhouse><users_config>{0}</users_config><user_directories><users_xml><path>{0}</path></users_xml></user_directories></clickhouse>"  # noqa: E501


@contextmanager
def clickhouse_server(
    folder: Path, address: str, password: str, port: int = 8123, certificate: Path | None = None
) -> Iterator[str]:
    """The server as a process of its own; gives the address of its database for the loader."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "clickhouse.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", __name__, address, str(port), folder),
                *([certificate] if certificate else []),
            ],
            cwd=DEPLOY.parent,
            env=os.environ | {"CLICKHOUSE_LOADER_PASSWORD": password},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(server, address, port)
            scheme = "clickhouses" if certificate else "clickhouse"
            yield f"{scheme}://loader:{password}@{address}:{port}/vitrina"
        finally:
            stop(server)


def _wait(server: "subprocess.Popen[bytes]", address: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((address, port), 5).close()
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("ClickHouse did not start; see clickhouse.log") from error
            time.sleep(0.05)
        else:
            return


class _Refusal(Exception):
    """An error in the words of ClickHouse: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`."""


class _Engine:
    """chDB with one user, who may do what the loader may."""

    def __init__(self, folder: Path) -> None:
        users, config = folder / "users.xml", folder / "config.xml"
        grants = ET.parse(DEPLOY / "clickhouse/loader.xml").find("users/loader/grants")  # noqa: S314
        assert grants is not None
        users.write_text(_USERS.format(grants=ET.tostring(grants, "unicode")), "utf-8")
        config.write_text(_CONFIG.format(users), "utf-8")
        self._address = f"{folder / 'data'}?config-file={config}"
        # While one handle is open, the engine runs.
        self._handle = self._open()
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._files = folder

    def _open(self) -> Any:
        import chdb

        return chdb.connect(self._address)

    @contextmanager
    def running(self, query_id: str) -> Iterator[None]:
        """For as long as a statement is under way, refuse another one with its id.

        Raises:
            _Refusal: there is one.
        """
        with self._lock:
            if query_id in self._running:
                raise _Refusal(
                    f"Code: 216. DB::Exception: Query with id = {query_id} is already running. "
                    "(QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING)"
                )
            self._running.add(query_id)
        try:
            yield
        finally:
            self._running.remove(query_id)

    def answer(
        self,
        statement: str,
        data: bytes,
        database: str | None,
        settings: dict[str, str],
        values: dict[str, str],
        format_: str,
    ) -> bytes:
        """Run a statement in a session of its own.

        Raises:
            _Refusal: ClickHouse refused it.
        """
        session = self._open()
        try:
            if database is not None:
                session.query(f"USE `{database}`")
            # readonly forbids the others.
            for name in sorted(settings, key=lambda name: (name == "readonly", name)):
                assert re.fullmatch(r"\w+", name)
                value = settings[name].replace("\\", "\\\\").replace("'", "\\'")
                session.query(f"SET {name} = '{value}'")
            if data:
                with tempfile.NamedTemporaryFile(dir=self._files) as file:
                    file.write(data)
                    file.flush()
                    source = f"FROM INFILE '{file.name}' COMPRESSION 'none' "
                    statement = _BEFORE_DATA.sub(source, statement, count=1)
                    session.query(statement)
                return b""
            result: bytes = session.query(statement, format_, params=values).bytes()
        except Exception as error:  # whatever chDB calls it, the text is ClickHouse's
            raise _Refusal(str(error)) from error
        else:
            return result
        finally:
            session.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: _Engine
    password: str

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._send(200, b"Ok.\n", {})
        else:
            self._serve(b"", {"readonly": "2"})

    def do_POST(self) -> None:
        self._serve(self._body(), {})

    def _serve(self, body: bytes, settings: dict[str, str]) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        settings |= {
            name: value
            for name, value in given.items()
            if name not in _TRANSPORT and not name.startswith("param_")
        }
        values = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
        # The statement is in the address, in the body, or in both, one after the other.
        statement, data = given.get("query", ""), body
        if not statement:
            head = _INSERT.match(body)
            end = head.end() if head else len(body)
            statement, data = body[:end].decode(), body[end:]
        if not _INSERT.match(statement.encode()):
            statement, data = statement + data.decode(), b""
        explicit = _FORMAT.search(statement)
        format_ = explicit[1] if explicit else given.get("default_format", "TabSeparated")
        query_id = given.get("query_id") or str(uuid.uuid4())
        try:
            self._authenticate()
            with self.engine.running(query_id):
                answer = self.engine.answer(
                    statement, data, given.get("database"), settings, values, format_
                )
        except _Refusal as refusal:
            self._refuse(str(refusal))
        else:
            self._send(
                200,
                answer,
                {
                    "X-ClickHouse-Format": format_,
                    "X-ClickHouse-Query-Id": query_id,
                    "X-ClickHouse-Summary": json.dumps({"read_rows": "0", "written_rows": "0"}),
                    "X-ClickHouse-Timezone": "UTC",
                },
            )

    def _authenticate(self) -> None:
        user = self.headers.get("X-ClickHouse-User", "default")
        password = self.headers.get("X-ClickHouse-Key", "")
        kind, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            user, _, password = base64.b64decode(credentials).decode().partition(":")
        if user != "loader" or not hmac.compare_digest(password, self.password):
            raise _Refusal(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, "
                "or there is no user with such name. (AUTHENTICATION_FAILED)"
            )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(chunks)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.headers.get("Content-Encoding", "identity"):
            case "identity":
                return body
            case "gzip":
                return gzip.decompress(body)
            case "zstd":
                import zstandard

                return zstandard.ZstdDecompressor().decompressobj().decompress(body)
            case "lz4":
                import lz4.frame

                return bytes(lz4.frame.decompress(body))
            case other:
                raise NotImplementedError(other)

    def _refuse(self, text: str) -> None:
        text = " ".join(text.split())
        code = re.search(r"Code: (\d+)", text)
        name = re.search(r"\((\w+)\)$", text)
        self._send(
            _STATUS.get(name[1] if name else "", 500),
            f"{text} (version 26.9.2.1 (official build))\n".encode(),
            {"X-ClickHouse-Exception-Code": code[1] if code else "1001"},
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    address, port, folder, *certificate = sys.argv[1:]
    _Handler.engine = _Engine(Path(folder))
    _Handler.password = os.environ["CLICKHOUSE_LOADER_PASSWORD"]
    server = ThreadingHTTPServer((address, int(port)), _Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
