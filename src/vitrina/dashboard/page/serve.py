"""The page over HTTP, for this machine alone, made anew when a batch lands.

Answers come from memory, so a store that is busy with a batch delays nobody. An open page asks
for `/version` and reloads itself when that has changed.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vitrina.dashboard.page.html import render
from vitrina.dashboard.page.snapshot import Snapshot, read_snapshot
from vitrina.dashboard.texts import Language
from vitrina.errors import SettingsError, VitrinaError
from vitrina.settings import Settings
from vitrina.store import Store
from vitrina.stores.opening import last_opened, open_clickhouse

ADDRESS = "127.0.0.1"

_log = logging.getLogger(__name__)


class DashboardServer(ThreadingHTTPServer):
    """Serves the page that it holds; `refresh` replaces it."""

    daemon_threads = True

    def __init__(self, settings: Settings, store: Store, language: Language, port: int) -> None:
        self._settings = settings
        self._store = store
        self._language = language
        self._seen: int | None = None
        self._snapshot = self._read()
        self._show(self._snapshot)
        super().__init__((ADDRESS, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def refresh(self) -> bool:
        """Show an import that has landed since the last look; whether there was one.

        Raises:
            VitrinaError: ClickHouse cannot be asked; the page stays as it is.
        """
        opened = last_opened(self._settings)
        if opened is not None and opened == self._seen:
            return False
        snapshot = self._read()
        if snapshot.imports == self._snapshot.imports:
            return False
        self._show(snapshot)
        return True

    def _read(self) -> Snapshot:
        with open_clickhouse(self._settings, self._store) as clickhouse:
            # Within: as soon as it is closed, others may open it.
            self._seen = last_opened(self._settings)
            return read_snapshot(clickhouse, self._store.contract)

    def _show(self, snapshot: Snapshot) -> None:
        version = " ".join(moment.isoformat() for _, moment in snapshot.imports)
        page = render(snapshot, self._store, self._language, version=version)
        self._snapshot = snapshot
        # In one go: a request sees both old values or both new ones.
        self.shown = page.encode(), version.encode()


@contextmanager
def serving(
    settings: Settings, store: Store, language: Language, port: int, *, every: float = 3
) -> Iterator[DashboardServer]:
    """Serve the page, and look for a new import every so many seconds.

    Raises:
        VitrinaError: there is nothing to show, or the port is taken.
    """
    try:
        server = DashboardServer(settings, store, language, port)
    except OSError as error:
        raise SettingsError(
            f"port {port} cannot be used: {error.strerror}; choose another with --port"
        ) from error
    stopped = threading.Event()
    watch = threading.Thread(target=_watch, args=(server.refresh, stopped, every), daemon=True)
    answer = threading.Thread(target=server.serve_forever, daemon=True)
    watch.start()
    answer.start()
    try:
        yield server
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        answer.join()
        # It may be waiting for a busy store, and nothing is lost by leaving it there.
        watch.join(timeout=2)


def _watch(refresh: Callable[[], bool], stopped: threading.Event, every: float) -> None:
    while not stopped.wait(every):
        try:
            if refresh():
                _log.info("a batch has landed; the page is new")
        except VitrinaError as error:
            _log.warning("the page stays as it is: %s", error)


class _Handler(BaseHTTPRequestHandler):
    server: DashboardServer

    def do_GET(self) -> None:
        page, version = self.server.shown
        # Another site's name may be made to lead here; its script could then read the page.
        if self.headers.get("Host", "").rpartition(":")[0] not in {ADDRESS, "localhost"}:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"not served by this name")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html", page)
        elif self.path == "/version":
            self._answer(HTTPStatus.OK, "text/plain", version)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"only / is here")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request: what matters is on the page."""
