"""Temporary files of the tests: in memory, where there is room.

The tests make and remove some hundred thousand small files, most of them of databases. On ext4 that
takes a fifth of their time, or more: for each new file, it passes over all that were removed in the
last minutes.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_MEMORY = Path("/dev/shm")
_GIB = 2**30
# The files take up to 0.6 GiB.
_FREE_BYTES = 2 * _GIB


def available_bytes() -> int:
    """The memory that this machine can still give to programs."""
    available: int = psutil.virtual_memory().available
    return available


def folder_in_memory() -> Path | None:
    """A new folder for temporary files in memory; none where memory is short or closed."""
    # The tests themselves take 5 GiB.
    if not _has_room() or available_bytes() < 6 * _GIB:
        return None
    folder = Path(tempfile.mkdtemp(prefix="vitrina-tests-", dir=_MEMORY))
    # Root's PostgreSQL runs as another user, who has a folder in this one.
    folder.chmod(0o711)
    if _runs_programs(folder):
        return folder
    shutil.rmtree(folder)
    return None


def _has_room() -> bool:
    try:
        return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _FREE_BYTES
    except OSError:
        return False


def _runs_programs(folder: Path) -> bool:
    """Whether a script in the folder can be run: in containers it often cannot."""
    script = folder / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    try:
        subprocess.run([script], check=True)
    except OSError:
        return False
    finally:
        script.unlink()
    return True
