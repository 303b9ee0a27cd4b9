"""S3: moto's server, with one bucket."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from spark_server import free_port

BUCKET = "sales"
# Nobody checks these keys, until a test tells the server to.
KEYS = {
    "AWS_ACCESS_KEY_ID": "a-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def send(method: str, url: str, text: str = "") -> None:
    """Tell the server something."""
    request = Request(url, text.encode(), {"Content-Type": "text/plain"}, method=method)  # noqa: S310
    urlopen(request, timeout=10).close()  # noqa: S310


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server with the bucket `sales`."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                send("PUT", f"{address}/{BUCKET}")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()
