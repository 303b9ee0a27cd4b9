"""A lake on a local disk that is full, shut or in the way: one clear line, and what to do."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.rows import AS_OF, feed
from vitrina.errors import StoreError, StoreUnavailable
from vitrina.stores.disk import PASSING, REFUSALS, disk_failures
from vitrina.stores.lake import Lake

ROOT = Path(__file__).parents[1]

# Codes of sockets, pipes, terminals, processes, devices: no disk answers with them.
OF_OTHERS = """
    E2BIG EADDRINUSE EADDRNOTAVAIL EADV EAFNOSUPPORT EALREADY EBADE EBADF EBADFD EBADMSG EBADR
    EBADRQC EBADSLT EBFONT ECANCELED ECHILD ECHRNG ECOMM ECONNABORTED ECONNREFUSED ECONNRESET
    EDESTADDRREQ EDOM EDOTDOT EFAULT EHOSTDOWN EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EISCONN
    EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD
    ELIBEXEC ELIBMAX ELIBSCN ELNRNG EMEDIUMTYPE EMSGSIZE EMULTIHOP ENAVAIL ENETDOWN ENETRESET
    ENETUNREACH ENOANO ENOBUFS ENOCSI ENODATA ENOEXEC ENOKEY ENOLINK ENOMEDIUM ENOMSG ENONET
    ENOPKG ENOPROTOOPT ENOSR ENOSTR ENOSYS ENOTBLK ENOTCAPABLE ENOTCONN ENOTNAM ENOTRECOVERABLE
    ENOTSOCK ENOTTY ENOTUNIQ EOVERFLOW EOWNERDEAD EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT
    EPROTOTYPE EQFULL ERANGE EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL ESHUTDOWN
    ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT ESTRPIPE ETIME ETIMEDOUT ETOOMANYREFS EUCLEAN EUNATCH
    EUSERS EXFULL EAUTH EBADARCH EBADEXEC EBADMACHO EBADRPC EDEVERR EFTYPE ELOCKUNMAPPED
    ENEEDAUTH ENOATTR ENOPOLICY ENOTACTIVE EOPNOTSUPP EPROCLIM EPROCUNAVAIL EPROGMISMATCH
    EPROGUNAVAIL EPWROFF ERPCMISMATCH ESHLIBVERS
"""


def failed(error: BaseException) -> BaseException:
    """What becomes of an error."""
    try:
        with disk_failures("/lake"):
            raise error
    except BaseException as found:  # noqa: BLE001 - whatever it is
        return found


def test_folders_for_temporary_files_that_cannot_be_written_have_a_remedy_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    with (
        pytest.raises(
            StoreError,
            match=r"^No usable .* \['/nowhere'\]; set TMPDIR to a folder that can be writ",
        ),
        disk_failures("/lake"),
    ):
        tempfile.gettempdir()


# Every code and class


def test_every_code_of_the_system_is_decided() -> None:
    assert not REFUSALS.keys() & PASSING.keys()
    of_others = {getattr(errno, name) for name in OF_OTHERS.split() if hasattr(errno, name)}
    of_others -= {errno.ENOTSUP}
    assert not of_others & (REFUSALS.keys() | PASSING.keys())
    assert of_others | REFUSALS.keys() | PASSING.keys() == errno.errorcode.keys()


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_a_code_becomes_what_was_decided(code: int) -> None:
    # As Arrow raises it.
    said = f"Cannot open '/lake/a'. Detail: [errno {code}] {os.strerror(code)}"
    error = OSError(code, said)
    found = failed(error)
    if code in REFUSALS:
        assert type(found) is StoreError
        remedy = REFUSALS[code].format("VITRINA_LAKE")
        assert str(found) == f"lake /lake: {said}; {remedy}"
    elif code in PASSING:
        assert type(found) is StoreUnavailable
        assert str(found) == f"lake /lake: {said}; {PASSING[code]}"
    else:
        assert found is error


def tree(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for each in root.__subclasses__():
        yield from tree(each)


# None: no disk's, so it stays as it is.
KINDS: dict[type[BaseException], type[StoreError] | None] = {
    BlockingIOError: StoreUnavailable,
    BrokenPipeError: None,
    ChildProcessError: None,
    ConnectionAbortedError: None,
    ConnectionRefusedError: None,
    ConnectionResetError: None,
    FileExistsError: StoreError,
    FileNotFoundError: StoreUnavailable,
    InterruptedError: StoreUnavailable,
    IsADirectoryError: StoreError,
    NotADirectoryError: StoreError,
    PermissionError: StoreError,
    ProcessLookupError: None,
    TimeoutError: None,
}


def test_every_kind_of_error_of_the_system_is_decided() -> None:
    of_codes = {type(OSError(code, "")) for code in errno.errorcode} - {OSError}
    assert of_codes == KINDS.keys()
    for code in errno.errorcode:
        kind = type(OSError(code, ""))
        expected = KINDS.get(kind) if code in REFUSALS.keys() | PASSING.keys() else None
        found = failed(OSError(code, "what it said"))
        if kind is not OSError:
            assert type(found) is (expected or kind), errno.errorcode[code]


OF_ARROW: dict[type[BaseException], type[StoreError] | None] = {
    # What is in a file, or a call of ours, is wrong.
    pa.ArrowException: None,
    pa.ArrowCancelled: None,
    pa.ArrowCapacityError: None,
    pa.ArrowIndexError: None,
    pa.ArrowInvalid: None,
    pa.ArrowKeyError: None,
    pa.ArrowNotImplementedError: None,
    pa.ArrowSerializationError: None,
    pa.ArrowTypeError: None,
    pa.ArrowMemoryError: StoreUnavailable,
}


def test_every_error_of_arrow_is_decided() -> None:
    known = {*tree(pa.ArrowException)}
    assert {each for each in known if each.__module__ == "pyarrow.lib"} == OF_ARROW.keys()
    assert pa.ArrowIOError is OSError
    for kind, expected in OF_ARROW.items():
        assert type(failed(kind("what it said"))) is (expected or kind)


def test_an_error_without_a_code_is_read(tmp_path: Path) -> None:
    (tmp_path / str(AS_OF) / "generate" / "step.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"lake .*step\.json' is a directory; move what is in"):
        Lake(str(tmp_path), AS_OF).result("generate")
    for text in ("Corrupt snappy compressed data.", "Unexpected end of stream"):
        error = OSError(text)
        assert failed(error) is error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Generic LocalFileSystem error: No space left on device (os error 28)", StoreUnavailable),
        ("IO error for operation on /lake/a: Not a directory (os error 20)", StoreError),
        ("java.io.IOException: No space left on device", StoreUnavailable),
        ("java.io.FileNotFoundException: /lake/a (Permission denied)", StoreError),
        ("java.io.IOException: Mkdirs failed to create file:/lake/a (exists=false)", StoreError),
        ("[DIVIDE_BY_ZERO] Division by zero.", None),
        ("something (os error 111)", None),
    ],
)
def test_what_spark_says_of_a_disk_is_read(text: str, expected: type[StoreError] | None) -> None:
    from pyspark.errors import PySparkException

    error = PySparkException(text)
    found = failed(error)
    assert type(found) is (expected or PySparkException)
    if expected:
        assert text in str(found)
    other = RuntimeError(text)
    assert failed(other) is other


# Real disks


ROWS = 20_000


def leave(spark: SparkSession, lake: Lake, format_: str = "parquet") -> None:
    with lake.step("generate") as left:
        # No two alike, so that they do not compress.
        rows = feed(
            spark,
            *({"sale_id": str(n), "customer_id": str(n * 2654435761 % 2**31)} for n in range(ROWS)),
        )
        lake.write(left, "feed", rows, "csv" if format_ == "csv" else "parquet")
        left.counts = {"rows": ROWS}


def attempts(spark: SparkSession, lake: Lake) -> dict[str, Callable[[], object]]:
    def document() -> None:
        with lake.step("generate") as left:
            left.counts = {"rows": "many " * 100_000}

    return {
        "document": document,
        "csv": lambda: leave(spark, lake, "csv"),
        "parquet": lambda: leave(spark, lake),
    }


@pytest.mark.parametrize("what", ["parquet", "csv", "document"])
def test_a_file_in_a_folders_place_is_named(spark: SparkSession, tmp_path: Path, what: str) -> None:
    (tmp_path / "lake").touch()
    lake = Lake(str(tmp_path / "lake"), AS_OF)
    with pytest.raises(StoreError, match=r"lake .*Not a directory.*; move what is in") as raised:
        attempts(spark, lake)[what]()
    assert not raised.value.transient
    assert "\n" not in str(raised.value)
    with pytest.raises(StoreError, match="Not a directory"):
        lake.result("generate")


# As an ordinary user, on a lake whose folders were shut, or with a limit on the size of a file.
# Everything is done once before, so that it has been imported.
SCRIPT = """
import os, resource, sys
from pathlib import Path
from tests.rows import AS_OF
from tests.test_disk import attempts
from vitrina.engine import spark_session
from vitrina.errors import StoreError
from vitrina.settings import Settings
from vitrina.stores.lake import Lake

folder, condition = Path(sys.argv[1]), sys.argv[2]
lake = Lake(str(folder / "lake"), AS_OF)
with spark_session(Settings(home=folder / "home", spark_remote=None)) as spark:
    todo = attempts(spark, lake)
    for attempt in todo.values():
        attempt()
    todo["result"] = lambda: lake.result("generate")
    todo["dataset"] = lambda: lake.dataset("generate", "feed")
    todo["forget"] = lambda: lake.forget(["generate"])
    if condition == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
    else:
        for path in (folder / "lake").rglob("*"):
            path.chmod(0o555 if condition == "read-only" else 0)
        if os.geteuid() == 0:
            os.seteuid(65534)
    said = []
    for name, attempt in todo.items():
        try:
            attempt()
            said.append(f"{name}: done")
        except StoreError as error:
            said.append(f"{name}: {type(error).__name__}: {error}")
    if condition == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print("\\n".join(said), flush=True)
    os._exit(0)
"""


def as_an_ordinary_user(folder: Path, condition: str) -> dict[str, str]:
    # In a file: given to Python as an argument, PySpark takes it for a doctest.
    script = folder / "script.py"
    script.write_text(SCRIPT, "utf-8")
    done = subprocess.run(
        [sys.executable, script, folder, condition],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.fixture
def reachable(tmp_path: Path) -> Iterator[Path]:
    """A folder that another user can come to."""
    for path in (tmp_path, *tmp_path.parents):
        if path == Path(tempfile.gettempdir()):
            break
        path.chmod(0o755)
    yield tmp_path
    for path in (tmp_path / "lake").rglob("*"):
        path.chmod(0o755)


def test_a_lake_that_may_not_be_written_is_named(reachable: Path) -> None:
    said = as_an_ordinary_user(reachable, "read-only")
    assert said.pop("result") == "done"
    assert said.keys() == {"parquet", "csv", "document", "dataset", "forget"}
    for name in ("parquet", "csv", "document", "forget"):
        assert said[name].startswith(f"StoreError: lake {reachable}/lake/{AS_OF}: "), said[name]
        assert "Permission denied" in said[name]
        assert "let this user read and write there, or set VITRINA_LAKE" in said[name]


def test_a_lake_that_may_not_be_read_is_named(reachable: Path) -> None:
    said = as_an_ordinary_user(reachable, "shut")
    for name in ("parquet", "csv", "document", "result", "dataset", "forget"):
        assert said[name].startswith(f"StoreError: lake {reachable}/lake/{AS_OF}: "), said[name]
        assert "Permission denied" in said[name]


def test_a_limit_on_files_is_named(reachable: Path) -> None:
    said = as_an_ordinary_user(reachable, "limited")
    for name in ("parquet", "document"):
        assert "File too large" in said[name]
        assert said[name].endswith("raise the limit on the size of a file (ulimit -f)")
    assert said["result"] == "done"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of 64 KiB; None where nobody may mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        # Apache Spark may still hold a file there that it could not write.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("what", ["parquet", "csv", "document"])
def test_a_full_disk_is_named_and_worth_another_try(
    spark: SparkSession, tiny_disk: Path | None, what: str
) -> None:
    if tiny_disk is None:
        # The same codes, from the system's own full device.
        with pytest.raises(StoreUnavailable, match="No space left"), disk_failures("/dev/full"):
            Path("/dev/full").write_bytes(b"1")
        return
    lake = Lake(str(tiny_disk / "lake"), AS_OF)
    with pytest.raises(StoreUnavailable, match="free some space and run the step again") as raised:
        attempts(spark, lake)[what]()
    assert raised.value.transient
    assert str(raised.value).startswith(f"lake {lake.root}: ")
    assert lake.read_document("generate", "step.json") is None
