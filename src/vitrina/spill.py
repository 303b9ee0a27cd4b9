"""The folder that the embedded engine spills into when a batch does not fit into its memory."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrina.errors import SettingsError


@contextmanager
def spill_folder(home: Path) -> Iterator[Path]:
    """The folder, until the block ends. What killed processes left in it is removed.

    All processes of a home share it, and a lock beside it, which the kernel lets go when its
    holder dies: whoever finds it free is alone, and whatever is in the folder is nobody's.

    Raises:
        SettingsError: the folder cannot be made.
    """
    folder = home / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name("tmp.lock").open("a")
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be made: {error.strerror}; set VITRINA_HOME to a folder that can "
            "be written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            for left in folder.iterdir():
                shutil.rmtree(left, ignore_errors=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder
