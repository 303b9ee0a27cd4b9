"""The embedded ClickHouse: the engine of the `chdb-core` wheel, in this process while it is used.

One process at a time can have its data open. A lock beside the folder of the data says whether one
has, and which: others wait for it.
"""

import errno
import fcntl
import importlib.util
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode

from vitrina.errors import NotInstalled, SettingsError, StoreUnavailable
from vitrina.settings import temporary_files_in
from vitrina.stores.disk import disk_failures

_log = logging.getLogger(__name__)

_TEMPORARY = "vitrina-clickhouse-"

_SETTINGS = {
    # The engine shares the machine: unless told otherwise it takes 0.9 of the memory.
    "ch_max_memory_usage": 2**30,
    "ch_max_threads": 2,
    # At its third use an expression would be compiled for some 30 ms, and marts have few rows.
    "ch_compile_expressions": 0,
    "ch_compile_aggregate_expressions": 0,
    "ch_compile_sort_description": 0,
}


@contextmanager
def embedded_clickhouse(folder: Path, *, patience: float = 60) -> Iterator[str]:
    """The address of the embedded ClickHouse whose data are in `folder`.

    One process at a time can open it: others wait for `patience` seconds, and the log says
    for whom. Hold it no longer than needed.

    Raises:
        StoreUnavailable: another process has not let go of it in time.
        StoreError: the folder cannot be made or written.
        SettingsError: the engine cannot use its name; `NotInstalled`: there is no engine.
    """
    # Looked for, not imported: a forked child that inherits a started engine hangs.
    if importlib.util.find_spec("chdb") is None:
        raise NotInstalled(
            "the embedded ClickHouse",
            "embedded",
            "set VITRINA_CLICKHOUSE_DSN to the address of a server",
        )
    folder = folder.resolve()
    if "?" in str(folder):
        raise SettingsError(
            f"{folder} has a ? in it, where chDB would end the name; set VITRINA_HOME to another"
        )
    with disk_failures(str(folder), "ClickHouse", "VITRINA_HOME"):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        lock = lock_of(folder).open("a+")
    with lock:
        _wait_for(lock, folder, patience)
        try:
            with _temporary_folder(folder):
                yield "chdb://?" + urlencode({"path": str(folder), **_SETTINGS})
        finally:
            # Closing would not do where a forked child has inherited the file.
            fcntl.flock(lock, fcntl.LOCK_UN)


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[None]:
    """A folder for the temporary files of the engine and its driver.

    A file beside the data names it, so that what a killed process left is removed by the next.
    """
    named = folder.with_name(f"{folder.name}.tmp")
    with disk_failures(str(folder), "ClickHouse", "VITRINA_HOME"):
        if named.exists():
            _remove(Path(named.read_text("utf-8")))
        made = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
        named.write_text(str(made), "utf-8")
    try:
        with temporary_files_in(made):
            yield
    finally:
        _remove(made)
        named.unlink(missing_ok=True)


def _remove(temporary: Path) -> None:
    # Whatever else the file may name stays.
    if temporary.name.startswith(_TEMPORARY):
        shutil.rmtree(temporary, ignore_errors=True)


def lock_of(folder: Path) -> Path:
    """The file that is locked, and written to, by whoever has the folder open."""
    return folder.with_name(f"{folder.name}.lock")


def _wait_for(lock: TextIO, folder: Path, patience: float) -> None:
    """Lock the file and leave this process's id in it for those who wait."""
    deadline, told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            held = f"{folder} is open in process {lock.read().strip() or 'unknown'}"
            if time.monotonic() >= deadline:
                raise StoreUnavailable(
                    f"ClickHouse in {held} and only one process can have it; "
                    f"waited {patience:g} s, try again when that one has ended"
                ) from error
            if not told:
                _log.warning("ClickHouse in %s; waiting for it", held)
                told = True
            time.sleep(0.1)
        else:
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            return
