"""The embedded ClickHouse: the engine of the `chdb-core` wheel, in this process while it is used.

One process at a time can have its data open. A lock beside the folder of the data says whether one
has, and which: others wait for it.
"""

import fcntl
import importlib.util
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode

from vitrina.errors import NotInstalled, SettingsError, StoreUnavailable

_log = logging.getLogger(__name__)

# The embedded engine shares the machine: unless told otherwise it takes 0.9 of the memory.
_SETTINGS = {"ch_max_memory_usage": 2**30, "ch_max_threads": 2}


@contextmanager
def embedded_clickhouse(folder: Path, *, patience: float = 60) -> Iterator[str]:
    """The address of the embedded ClickHouse whose data are in `folder`.

    One process at a time can open it: others wait for `patience` seconds, and the log says
    for whom. Hold it no longer than needed.

    Raises:
        StoreUnavailable: another process has not let go of it in time.
        SettingsError: the engine cannot use the folder; `NotInstalled`: there is no engine.
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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_of(folder).open("a+")
    except OSError as error:
        raise SettingsError(f"ClickHouse cannot use {folder}: {error}") from error
    with lock:
        _wait_for(lock, folder, patience)
        try:
            yield "chdb://?" + urlencode({"path": str(folder), **_SETTINGS})
        finally:
            # Closing would not do where a forked child has inherited the file.
            fcntl.flock(lock, fcntl.LOCK_UN)


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
