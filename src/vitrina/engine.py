"""A Spark session: of the embedded engine (Sail, in this process) or of a Spark cluster."""

import resource
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from vitrina.errors import (
    EngineError,
    NotInstalled,
    SettingsError,
    StoreUnavailable,
    VitrinaError,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client import DefaultChannelBuilder

    from vitrina.settings import Settings

_DEFAULT_PORT = 15002
_REACH_SECONDS = 10

# How often the client asks again where nothing answers, by itself for ten minutes. Its pauses are
# 0.05, 0.2, 0.8, 3.2 and 12.8 s: a network may come back, an engine in this process does not.
_REMOTE_RETRIES = 5
_EMBEDDED_RETRIES = 2
# At the end, when there is nothing to lose.
_STOP_RETRIES = 1

# Open files: enough for the largest batch, and the fewest that a small one did with, with a margin.
_FILES = 1024
_FEWEST_FILES = 128

# Engines are imported inside the functions: a forked child that inherits a started engine
# hangs, and a command that needs none should not wait for one.

# gRPC's status when a server has stopped or is stopping.
_GONE = ("UNAVAILABLE", "CANCELLED", "ABORTED", "DEADLINE_EXCEEDED")
# How the error begins that a restarted server gives to a session it does not know.
_UNKNOWN_SESSION = "INVALID_HANDLE"


def import_ahead(*others: str) -> threading.Thread:
    """Import these modules, and what a session needs, in a thread, while something is waited for.

    It takes as long as PostgreSQL does to start. What cannot be imported fails again, and is told,
    when it is wanted. Nobody else may import PySpark before the thread has ended: its modules
    import one another in circles, and two threads in one circle block each other.
    """
    from vitrina.settings import configure_grpc

    configure_grpc()
    thread = threading.Thread(target=_import, args=(*others, "pyspark.sql.connect.session"))
    thread.start()
    return thread


@contextmanager
def spark_session(settings: "Settings") -> Iterator["SparkSession"]:
    """A session whose results depend neither on the machine's time zone nor on its settings.

    Raises:
        StoreUnavailable: nothing answers at `VITRINA_SPARK_REMOTE`.
        SettingsError: that cannot be read, or the Spark there is older than its client here; or no
            Spark is named and the embedded engine is not installed; or the process may open too
            few files.
    """
    from vitrina.settings import configure_embedded_engine, configure_grpc
    from vitrina.spill import spill_folder

    _allow_files()
    configure_grpc()
    if settings.spark_remote is not None:
        import pyspark

        channel = _channel(settings.spark_remote)
        _reach(settings.spark_remote)
        with _session(channel, _REMOTE_RETRIES) as session:
            require_version(session.version, pyspark.__version__, _shown(settings.spark_remote))
            yield session
        return
    with spill_folder(settings.folder) as spill:
        configure_embedded_engine(settings, spill)
        with _embedded() as session:
            yield session


@contextmanager
def _embedded() -> Iterator["SparkSession"]:
    try:
        from pysail.spark import SparkConnectServer
    except ImportError as error:
        raise NotInstalled(
            "the embedded engine", "embedded", "set VITRINA_SPARK_REMOTE to use a Spark cluster"
        ) from error

    from pyspark.sql.connect.client import DefaultChannelBuilder

    # The variable keeps the server alive. If it were collected, the client would wait in vain.
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        # No proxy leads to this process, whatever the variables for proxies say.
        direct = DefaultChannelBuilder(f"sc://{host}:{port}", [("grpc.enable_http_proxy", 0)])
        with _session(direct, _EMBEDDED_RETRIES) as session:
            _take_back_ctrl_c()
            # Else the client looks up who calls it at each column, which no error of ours shows.
            session.conf.set("spark.python.sql.dataFrameDebugging.enabled", "false")
            yield session
    finally:
        server.stop()


@contextmanager
def spark_failures(settings: "Settings", again: str) -> Iterator[None]:
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


def _name(settings: "Settings") -> str:
    if settings.spark_remote is None:
        return "the embedded engine"
    return f"Spark at {_shown(settings.spark_remote)}"


def _channel(remote: str) -> "DefaultChannelBuilder":
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        return DefaultChannelBuilder(remote)
    except ValueError:
        # What it says may show the token.
        raise SettingsError(
            "VITRINA_SPARK_REMOTE cannot be read; it is like sc://host:15002, or with parameters "
            "sc://host:15002/;token=…, special characters as %3B"
        ) from None


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
    """The address without its parameters, one of which may be a token, and without a user."""
    address = urlsplit(remote)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def _import(*modules: str) -> None:
    for module in modules:
        # It fails where the command ends before it, too. Whoever needs the module is told why.
        with suppress(Exception):
            import_module(module)


def _allow_files() -> None:
    """Raise the limit on open files as far as may be needed, since gRPC ends a process at it.

    Raises:
        SettingsError: it is too low, and this user may not raise it.
    """
    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY < limit < _FILES:
        allowed = _FILES if highest == resource.RLIM_INFINITY else min(highest, _FILES)
        if allowed < _FEWEST_FILES:
            raise SettingsError(
                f"this process may open no more than {allowed} files, and needs {_FEWEST_FILES}; "
                f"run: ulimit -n {_FILES}"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, highest))


def _take_back_ctrl_c() -> None:
    """Leave SIGINT to Python alone: Sail's server takes it as well, and stops before its session.

    It takes it once in a process, and has done so when it has answered. Only the main thread can
    take it back; the session of another thread loses its server at Ctrl-C.
    """
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
        if handler is not None:  # one of another library's
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _session(channel: "DefaultChannelBuilder", retries: int) -> Iterator["SparkSession"]:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as Connected

    remote = f"sc://{channel.endpoint}"
    # That it has given up is in the error as well.
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]")
    try:
        session = Connected.builder.channelBuilder(channel).create()
    except PySparkException as error:
        raise StoreUnavailable(f"Spark does not answer at {remote}: {error}") from error
    try:
        session.client.set_retry_policies([DefaultPolicy(max_retries=retries)])
        try:
            session.conf.set("spark.sql.session.timeZone", "UTC")
            session.conf.set("spark.sql.ansi.enabled", "true")
        except PySparkException as error:
            raise StoreUnavailable(f"Spark at {remote} refuses: {error}") from error
        yield cast("SparkSession", session)
    finally:
        # It stops before its server, which waits for what it still does for the session.
        session.client.set_retry_policies([DefaultPolicy(max_retries=_STOP_RETRIES)])
        session.stop()
