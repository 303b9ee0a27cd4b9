"""A proxy before a store, that answers late, or no more."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_CHUNK = 1 << 16


class Proxy:
    """Passes bytes on, `delay` seconds late on the way there; none once it is `silent`.

    With `forget`, only those connections that are open then get nothing more.
    """

    def __init__(self, connect: Callable[[], socket.socket], delay: float) -> None:
        self.silent = False
        self._connect, self._delay = connect, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = [self._listener]
        self._forgotten: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def forget(self) -> None:
        self._forgotten.update(self._open)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(1)
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                server = self._connect()
                self._open.append(server)
                for source, sink, delay in ((client, server, self._delay), (server, client, 0.0)):
                    threading.Thread(
                        target=self._pass_on, args=(source, sink, delay), daemon=True
                    ).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, delay: float) -> None:
        with suppress(OSError):
            while read := source.recv(_CHUNK):
                time.sleep(delay)
                if not self.silent and sink not in self._forgotten:
                    sink.sendall(read)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(connect: Callable[[], socket.socket], delay: float = 0) -> Iterator[Proxy]:
    """A proxy before what `connect` connects with, until the block ends."""
    opened = Proxy(connect, delay)
    try:
        yield opened
    finally:
        opened.close()
