"""Temporary files of the tests: in memory, where there is room.

The tests make and remove some hundred thousand small files, most of them of databases. On a disk
with ext4 that takes a fifth of all their time: for each new file it passes over every one that was
removed in the last five minutes.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_GIB = 2**30
# The files take up to half a GiB, and the tests themselves three.
_FREE_BYTES = 2 * _GIB
_AVAILABLE_BYTES = 6 * _GIB


def folder_in_memory() -> Path | None:
    """A new folder for temporary files in memory; none where memory is short or closed."""
    if not _has_room():
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
        if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _FREE_BYTES:
            return False
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return False
    kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return kib * 1024 >= _AVAILABLE_BYTES


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
