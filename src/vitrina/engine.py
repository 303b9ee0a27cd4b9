"""A Spark session: of the embedded engine (Sail, in this process) or of a Spark cluster."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vitrina.errors import SettingsError, StoreUnavailable
from vitrina.settings import Settings, configure_embedded_engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DEFAULT_PORT = 15002
_REACH_SECONDS = 10

# Imports of engines stay inside the functions: a forked child that inherits a started
# engine hangs, and a command that needs none should not wait for one.


@contextmanager
def spark_session(settings: Settings) -> Iterator["SparkSession"]:
    """A session whose results depend neither on the machine's time zone nor on its settings.

    Raises:
        StoreUnavailable: nothing answers at `VITRINA_SPARK_REMOTE`.
        SettingsError: the Spark there is older than its client here.
    """
    if settings.spark_remote is not None:
        import pyspark

        _reach(settings.spark_remote)
        with _session(settings.spark_remote) as session:
            require_version(session.version, pyspark.__version__, _shown(settings.spark_remote))
            yield session
        return
    configure_embedded_engine(settings)
    from pysail.spark import SparkConnectServer

    # The name keeps the server alive: collected, it would leave the client retrying for ever.
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        with _session(f"sc://{host}:{port}") as session:
            yield session
    finally:
        server.stop()


def _reach(remote: str) -> None:
    """Find out whether anybody listens, since the client itself would ask for ten minutes."""
    address = urlsplit(remote)
    try:
        port = address.port or _DEFAULT_PORT
        socket.create_connection((address.hostname or "", port), _REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"Spark does not answer at {_shown(remote)}: {error}") from error


def require_version(server: str, client: str, remote: str) -> None:
    """Refuse a Spark older than its client, which may be asked for what it does not know.

    A newer one will do, and its Python may be any: no step has functions that run there. A
    deployment of ours holds it to more: `require_python_of_workers`.

    Raises:
        SettingsError: it is older, by its major or minor version.
    """
    if _minor(server) < _minor(client):
        raise SettingsError(
            f"VITRINA_SPARK_REMOTE: Spark at {remote} is {server}, older than its client here, "
            f"{client}; point to a newer one, or install the client of its version"
        )


def require_python_of_workers(session: "SparkSession", remote: str) -> None:
    """Have every core of the cluster run a function of this process's Python.

    Raises:
        SettingsError: a worker has no Python, or one of another minor version.
    """
    from pyspark.errors import PySparkException

    try:
        # As many tasks as there are cores, unless told otherwise; a lambda goes there by value.
        session.range(10_000).mapInArrow(lambda batches: batches, "id long").count()
    except PySparkException as error:
        here = "{}.{}".format(*sys.version_info)
        lines = str(error).strip().splitlines()
        reason = next((line for line in lines if "PYTHON_VERSION_MISMATCH" in line), lines[0])
        raise SettingsError(
            f"VITRINA_SPARK_REMOTE: workers of Spark at {_shown(remote)} do not run functions of "
            f"the Python here, {here}: {reason.rpartition('Error: ')[2].rstrip('.')}; build both "
            f"images from one Python, or set PYSPARK_PYTHON there to a Python {here}"
        ) from error


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _shown(remote: str) -> str:
    """The address without its parameters, one of which may be a token."""
    address = urlsplit(remote)
    return f"{address.scheme}://{address.netloc}"


@contextmanager
def _session(remote: str) -> Iterator["SparkSession"]:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.builder.remote(remote).create()
    except PySparkException as error:
        raise StoreUnavailable(f"Spark does not answer at {_shown(remote)}: {error}") from error
    try:
        try:
            session.conf.set("spark.sql.session.timeZone", "UTC")
            session.conf.set("spark.sql.ansi.enabled", "true")
        except PySparkException as error:
            raise StoreUnavailable(f"Spark at {_shown(remote)} refuses: {error}") from error
        yield session
    finally:
        # Before its server: the other way round the client retries for ten minutes.
        session.stop()
