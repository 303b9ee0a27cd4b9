"""The embedded PostgreSQL under a port of this machine, for clients that know no other address.

It listens on a socket in a folder alone, so a thread passes the bytes on.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit


@contextmanager
def tcp(address: str) -> Iterator[str]:
    """Host, port and database, for as long as the block lasts."""
    (host,) = parse_qs(urlsplit(address).query)["host"]
    database = urlsplit(address).path.lstrip("/")
    loop = asyncio.new_event_loop()

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while read := await source.read(2**16):
            target.write(read)
            await target.drain()
        target.close()

    async def accept(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.5432")
        await asyncio.gather(pass_on(source, server), pass_on(answers, target))

    listener = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", 0))
    port = listener.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{port}/{database}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
