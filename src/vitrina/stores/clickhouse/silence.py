"""Waiting for a ClickHouse server, which is given up when it has fallen silent.

A connection behind a proxy that stops stays open, and nobody ever answers on it. But a server may
be at work for minutes without a word, either. So after a while another statement is sent under the
same id, on a second connection: a server that is at work on the first refuses it.
"""

import io
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPResponse
from socket import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from clickhouse_connect.driver.httpclient import HttpClient

# Seconds without a word until the server is asked; those it has to answer; and those until it is
# asked again, since its word may have been under way.
SILENCE = 10
ANSWER = 5
_GRACE = 2.0
# Seconds without a word from a server that answers and does not know the statement. It may have
# been another server behind the same address, and the one that is meant may be at work.
ELSEWHERE = 40.0

# A second statement with the id of one that is under way.
_IS_RUNNING = "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"


def attend(client: "HttpClient", again: Callable[[], "HttpClient"], patience: float) -> None:
    """From now on, give the client's server up when it is silent and not at work.

    `again` gives another client of the same server, which does not wait for long. `patience` is
    how many seconds to wait where another server than the one at work may have answered.
    """

    def is_at_work(query_id: str) -> bool | None:
        return _is_at_work(again, query_id)

    classes = client.http.pool_classes_by_scheme
    client.http.pool_classes_by_scheme = {
        scheme: _attentive(pool, is_at_work, patience) for scheme, pool in classes.items()
    }
    # Those that have been opened do not know of it.
    client.http.clear()


def _is_at_work(again: Callable[[], "HttpClient"], query_id: str) -> bool | None:
    """Whether a server is at work on a statement; False if none answers, None if it is unknown."""
    from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

    try:
        with closing(again()) as other:
            other.command("SELECT 1", settings={"query_id": query_id})
    except OperationalError:
        return False
    except DatabaseError as error:
        # Or it refuses any other statement.
        return True if error.name == _IS_RUNNING else None
    return None


def _attentive(pool: Any, is_at_work: Callable[[str], bool | None], patience: float) -> Any:
    """A kind of pool of connections, each of which waits as long as the server is at work."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        _query_id = ""

        def request(self, method: str, url: str, *rest: Any, **named: Any) -> None:
            [self._query_id] = parse_qs(urlsplit(url).query).get("query_id", [""])
            super().request(method, url, *rest, **named)

        def response_class(self, sock: socket, **named: Any) -> HTTPResponse:
            response = HTTPResponse(sock, **named)
            query_id = self._query_id
            waiting = _Waiting(response.fp, sock, lambda: is_at_work(query_id), patience)
            response.fp = io.BufferedReader(waiting)
            return response

    return type("Attentive", (pool,), {"ConnectionCls": Connection})


class _Waiting(io.RawIOBase):
    """What a server sends, for as long as it is at work."""

    def __init__(
        self,
        whole: io.BufferedReader,
        sock: socket,
        is_at_work: Callable[[], bool | None],
        patience: float,
    ) -> None:
        super().__init__()
        # It keeps the socket open, and closes it.
        self._whole, self._sock = whole, sock
        self._is_at_work, self._patience = is_at_work, patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from urllib3.exceptions import HTTPError

        began = time.monotonic()
        pause, is_doubted = float(SILENCE), False
        while True:
            self._sock.settimeout(pause)
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                is_at_work = self._is_at_work()
                if is_at_work:
                    began = time.monotonic()
                silent = time.monotonic() - began
                is_gone = is_at_work is False
                if (is_gone and is_doubted) or silent > self._patience:
                    # Of a kind that neither the driver nor its transport asks again for.
                    raise HTTPError from TimeoutError(
                        f"no answer for {silent:.0f} s; run the same command again, nothing is "
                        "doubled"
                    )
                pause, is_doubted = _GRACE if is_gone else SILENCE, is_gone

    def close(self) -> None:
        self._whole.close()
        super().close()
