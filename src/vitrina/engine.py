"""A Spark session: of the embedded engine (Sail, in this process) or of a Spark cluster."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vitrina.errors import (
    EngineError,
    NotInstalled,
    SettingsError,
    StoreUnavailable,
    VitrinaError,
)
from vitrina.settings import Settings, configure_embedded_engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DEFAULT_PORT = 15002
_REACH_SECONDS = 10

# Engines are imported inside the functions: a forked child that inherits a started engine
# hangs, and a command that needs none should not wait for one.

# gRPC's status when a server has stopped or is stopping.
_GONE = ("UNAVAILABLE", "CANCELLED", "ABORTED", "DEADLINE_EXCEEDED")
# How the error begins that a restarted server gives to a session it does not know.
_UNKNOWN_SESSION = "INVALID_HANDLE"


@contextmanager
def spark_session(settings: Settings) -> Iterator["SparkSession"]:
    """A session whose results depend neither on the machine's time zone nor on its settings.

    Raises:
        StoreUnavailable: nothing answers at `VITRINA_SPARK_REMOTE`.
        SettingsError: the Spark there is older than its client here, or no Spark is named and
            the embedded engine is not installed.
    """
    if settings.spark_remote is not None:
        import pyspark

        _reach(settings.spark_remote)
        with _session(settings.spark_remote) as session:
            require_version(session.version, pyspark.__version__, _shown(settings.spark_remote))
            yield session
        return
    configure_embedded_engine(settings)
    try:
        from pysail.spark import SparkConnectServer
    except ImportError as error:
        raise NotInstalled(
            "the embedded engine", "embedded", "set VITRINA_SPARK_REMOTE to use a Spark cluster"
        ) from error

    # The variable keeps the server alive. If it were collected, the client would retry for ever.
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        with _session(f"sc://{host}:{port}") as session:
            yield session
    finally:
        server.stop()


@contextmanager
def spark_failures(settings: Settings, again: str) -> Iterator[None]:
    """Turn what Spark raises into our errors, in one line that ends with `again`, what to do.

    An error that the client raises by itself, without asking Spark (`PySparkTypeError` and its
    like), is a bug of ours: it passes unchanged and keeps its traceback. Whatever comes from
    Spark is translated, even a plan that it cannot analyze, since a file that has gone or may
    not be read looks the same.

    Raises:
        StoreUnavailable: Spark has gone, was restarted or is going down.
        EngineError: Spark could not compute or write what it was asked for.
    """
    try:
        yield
    except VitrinaError:
        raise
    except Exception as error:
        # If PySpark is not loaded, the error is not from Spark. Loading it takes a second.
        if "pyspark" not in sys.modules or not _is_sparks(error):
            raise
        name = _name(settings)
        if reason := _gone(error):
            raise StoreUnavailable(f"{name} no longer answers ({reason}); {again}") from error
        lines = str(error).strip().splitlines() or [""]
        text = f"{type(error).__name__}: {lines[0]}".rstrip(".: ")
        raise EngineError(f"{name} failed: {text}; {again}") from error


def _is_sparks(error: Exception) -> bool:
    """Whether the error comes from Spark, rather than from a wrong call of its client."""
    import grpc
    from pyspark import errors

    # `PySparkRuntimeError` is not among them: the client raises it when a session has failed.
    mistakes = (
        errors.PickleException,
        errors.PySparkAssertionError,
        errors.PySparkAttributeError,
        errors.PySparkImportError,
        errors.PySparkIndexError,
        errors.PySparkKeyError,
        errors.PySparkNotImplementedError,
        errors.PySparkPicklingError,
        errors.PySparkTypeError,
        errors.PySparkValueError,
        errors.SessionNotSameException,
    )
    return isinstance(error, errors.PySparkException | grpc.RpcError) and not isinstance(
        error, mistakes
    )


def _gone(error: Exception) -> str | None:
    """Why Spark does not answer; None if it does."""
    from pyspark.errors import PySparkException
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    if isinstance(error, PySparkException):
        condition = error.getCondition() or ""
        if condition.startswith(_UNKNOWN_SESSION):
            return condition
        if not isinstance(error, SparkConnectGrpcException):
            return None
        status = error.getGrpcStatusCode()
    else:
        # What gRPC raises is the call itself, which knows its status.
        status = error.code()  # type: ignore[attr-defined]
    return status.name if status.name in _GONE else None


def _name(settings: Settings) -> str:
    if settings.spark_remote is None:
        return "the embedded engine"
    return f"Spark at {_shown(settings.spark_remote)}"


def _reach(remote: str) -> None:
    """Find out whether anything listens, since the client itself would try for ten minutes."""
    address = urlsplit(remote)
    try:
        port = address.port or _DEFAULT_PORT
        socket.create_connection((address.hostname or "", port), _REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"Spark does not answer at {_shown(remote)}: {error}") from error


def require_version(server: str, client: str, remote: str) -> None:
    """Refuse a Spark older than its client, which may ask it for what it does not know.

    A newer one will do, whatever its Python: no step has functions that run there.

    Raises:
        SettingsError: it is older, by its major or minor version.
    """
    if _minor(server) < _minor(client):
        raise SettingsError(
            f"VITRINA_SPARK_REMOTE: Spark at {remote} is {server}, older than its client here, "
            f"{client}; point to a newer one, or install the client of its version"
        )


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
        # It stops before its server; otherwise the client would retry for ten minutes.
        session.stop()
