"""Temporary files of the tests: in memory, where there is room.

The tests make and remove some hundred thousand small files, most of them of databases. On ext4 that
takes a fifth of their time, or more: for each new file, it passes over all that were removed in the
last minutes.
"""

import os
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_MEMORY = Path("/dev/shm")
_GIB = 2**30


def available_bytes() -> int:
    """The memory that this machine can still give to programs."""
    available: int = psutil.virtual_memory().available
    return available


def folder_in_memory() -> Path | None:
    """A new folder for temporary files in memory; none where memory is short or closed."""
    if not _has_room():
        return None
    folder = Path(tempfile.mkdtemp(prefix="vitrina-tests-", dir=_MEMORY))
    # Root's PostgreSQL runs as another user, who has a folder in this one.
    folder.chmod(0o711)
    return folder


def _has_room() -> bool:
    """Whether the files, 0.6 GiB at most, find room beside the tests, which take 5 GiB."""
    try:
        memory = os.statvfs(_MEMORY)
    except OSError:
        return False
    return (
        os.access(_MEMORY, os.W_OK)
        # Tests run scripts that they have written. Containers often forbid that here.
        and not memory.f_flag & os.ST_NOEXEC
        and memory.f_bavail * memory.f_frsize >= 2 * _GIB
        and available_bytes() >= 6 * _GIB
    )
