"""Which Spark a client accepts, and what becomes of whatever Spark raises."""

import inspect
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from pyspark import errors
from pyspark.errors.exceptions import connect
from pyspark.sql import SparkSession

from tests.commands import VITRINA
from vitrina import engine
from vitrina.engine import require_version, spark_failures, spark_session
from vitrina.errors import EngineError, FeedError, SettingsError, StoreUnavailable
from vitrina.settings import Settings
from vitrina.spill import spill_folder

REMOTE = "sc://spark:15002"
AGAIN = "run: vitrina clean --as-of 2026-11-24"
# Whatever `VITRINA_SPARK_REMOTE` names.
EMBEDDED = Settings(spark_remote=None)
# What the client raises by itself when it is called wrongly.
MISTAKES = {
    "PickleException",
    "PySparkAssertionError",
    "PySparkAttributeError",
    "PySparkImportError",
    "PySparkIndexError",
    "PySparkKeyError",
    "PySparkNotImplementedError",
    "PySparkPicklingError",
    "PySparkTypeError",
    "PySparkValueError",
    "SessionNotSameException",
}
# What comes from Spark.
FAILURES = {
    "AnalysisException",
    "ArithmeticException",
    "ArrayIndexOutOfBoundsException",
    "DateTimeException",
    "IllegalArgumentException",
    "NumberFormatException",
    "ParseException",
    "PySparkException",
    "PySparkRuntimeError",
    "PythonException",
    "QueryExecutionException",
    "SparkNoSuchElementException",
    "SparkRuntimeException",
    "SparkUpgradeException",
    "StreamingPythonRunnerInitializationException",
    "StreamingQueryException",
    "TempTableAlreadyExistsException",
    "UnknownException",
    "UnsupportedOperationException",
    # Of a Spark Connect server alone.
    "InvalidPlanInput",
    "SparkConnectException",
    "SparkConnectGrpcException",
    "SparkException",
}


def kinds() -> dict[str, list[type[Exception]]]:
    """The exceptions that PySpark makes known, and those of Spark Connect, by their names."""
    found: dict[str, list[type[Exception]]] = {}
    for module, names in ((errors, errors.__all__), (connect, dir(connect))):
        for name in names:
            kind = getattr(module, name)
            if (
                inspect.isclass(kind)
                and issubclass(kind, errors.PySparkException)
                # There the base classes go by other names.
                and kind.__name__ == name
            ):
                found.setdefault(name, []).append(kind)
    return found


KINDS = kinds()


def become(settings: Settings, error: Exception) -> Exception:
    with pytest.raises(Exception) as raised, spark_failures(settings, AGAIN):  # noqa: PT011
        raise error
    return raised.value


@pytest.mark.parametrize("server", ["4.1.9", "3.5.7"])
def test_a_spark_older_than_its_client_is_refused_with_both_versions(server: str) -> None:
    with pytest.raises(SettingsError, match=f"{REMOTE} is {server}, older .* 4.2.0"):
        require_version(server, "4.2.0", REMOTE)


@pytest.mark.parametrize("server", ["4.2.0", "4.2.3", "4.3.0", "4.10.0", "5.0.0-SNAPSHOT"])
def test_a_spark_as_new_as_its_client_is_taken(server: str) -> None:
    require_version(server, "4.2.1.dev0", REMOTE)


def test_each_error_of_pyspark_is_known() -> None:
    assert set(KINDS) == MISTAKES | FAILURES


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_a_wrong_call_of_the_client_is_a_bug_and_keeps_its_traceback(name: str) -> None:
    for kind in KINDS[name]:
        mistake = kind("wrong")
        assert become(EMBEDDED, mistake) is mistake


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_what_spark_raises_is_one_line_with_what_to_do(name: str) -> None:
    for kind in KINDS[name]:
        failure = become(EMBEDDED, kind("cannot read /lake/x\n  at line 7"))
        assert type(failure) is EngineError
        assert not failure.transient
        assert str(failure) == f"the embedded engine failed: {name}: cannot read /lake/x; {AGAIN}"


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED", "ABORTED", "DEADLINE_EXCEEDED"])
def test_a_spark_that_has_gone_is_worth_another_try(status: str) -> None:
    class Call(grpc.RpcError):  # type: ignore[misc]
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode[status]

    settings = Settings(spark_remote=f"{REMOTE}/;token=secret")
    by_client = connect.SparkConnectGrpcException("?", grpc_status_code=grpc.StatusCode[status])
    for error in (by_client, Call()):
        failure = become(settings, error)
        assert type(failure) is StoreUnavailable
        assert failure.transient
        assert str(failure) == f"Spark at {REMOTE} no longer answers ({status}); {AGAIN}"


def test_a_spark_that_was_restarted_is_worth_another_try() -> None:
    error = connect.SparkConnectGrpcException(
        "no session", errorClass="INVALID_HANDLE.SESSION_NOT_FOUND", messageParameters={}
    )
    failure = become(EMBEDDED, error)
    assert type(failure) is StoreUnavailable
    assert "(INVALID_HANDLE.SESSION_NOT_FOUND)" in str(failure)


@pytest.mark.parametrize("error", [FeedError("too bad"), KeyError("sale_id")])
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert become(EMBEDDED, error) is error


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("SELECT 1 / 0", "ArithmeticException: .*ivi"),
        ("SELECT nothing", "AnalysisException: .*nothing"),
    ],
)
def test_a_job_that_fails_is_our_error(spark: SparkSession, query: str, complaint: str) -> None:
    with (
        pytest.raises(EngineError, match=f"failed: {complaint}.*; {AGAIN}"),
        spark_failures(EMBEDDED, AGAIN),
    ):
        spark.sql(query).collect()


def test_a_folder_that_cannot_be_made_for_spilling_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(home=tmp_path / "file", spark_remote=None)
    with (
        pytest.raises(SettingsError, match=r"file/tmp cannot be made: .*; set VITRINA_HOME"),
        spark_session(settings),
    ):
        pass


def test_what_killed_processes_spilled_is_removed_unless_others_may_use_it(tmp_path: Path) -> None:
    with spill_folder(tmp_path) as folder:
        (folder / "datafusion-1").mkdir()
        (folder / "datafusion-1" / "spilled").touch()
        with spill_folder(tmp_path):
            assert [path.name for path in folder.iterdir()] == ["datafusion-1"]
    with spill_folder(tmp_path):
        assert list(folder.iterdir()) == []


# Reached, and left


def test_the_embedded_engine_is_reached_past_proxies_and_without_a_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", "of another Spark")
    with spark_session(Settings(home=tmp_path, spark_remote=None)) as session:
        assert session.range(3).count() == 3


def test_a_spark_that_dies_fails_the_step_and_is_left_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pysail.spark import SparkConnectServer

    monkeypatch.setattr(engine, "_REMOTE_RETRIES", 1)
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    settings = Settings(spark_remote=f"sc://{host}:{port}")
    monkeypatch.setattr(engine, "require_version", lambda *_: None)
    with spark_session(settings) as session:
        server.stop()
        began = time.monotonic()
        with (
            pytest.raises(StoreUnavailable, match=r"no longer answers \(UNAVAILABLE\); run:"),
            spark_failures(settings, AGAIN),
        ):
            session.range(3).count()
    assert time.monotonic() - began < 10


def test_grpc_keeps_out_of_forked_children(spark: SparkSession) -> None:
    assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "false"


def test_too_few_open_files_are_refused_before_grpc_aborts(home: Path) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'ulimit -n 100 && exec "$0" generate --rows 1000', str(VITRINA)],
        env=os.environ | {"VITRINA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: this process may open no more than 100 files, and needs 128; run: ulimit -n 1024\n"
    )


AHEAD = """
import sys
import threading

from vitrina.engine import import_ahead

sys.modules.update(dict.fromkeys(sys.argv[1:]))
import_ahead("vitrina.stores.postgres.store")
for thread in set(threading.enumerate()) - {threading.main_thread()}:
    thread.join()
print(*[name in sys.modules for name in ("psycopg", "pyspark.sql.connect.session")])
"""


@pytest.mark.parametrize(
    ("missing", "are_there"), [([], ["True", "True"]), (["pandas"], ["True", "False"])]
)
def test_what_a_session_needs_is_imported_ahead_or_quietly_not(
    missing: list[str], are_there: list[str], tmp_path: Path
) -> None:
    # In a file: given to Python as an argument, PySpark takes it for a doctest.
    script = tmp_path / "ahead.py"
    script.write_text(AHEAD)
    command = [sys.executable, str(script), *missing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout.split(), done.stderr) == (are_there, "")
