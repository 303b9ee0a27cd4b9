"""Files that are there whole or not at all: each is written under another name, and then renamed.

A process that is killed meanwhile leaves its part of a file. Whoever writes a part holds a lock on
it, which the kernel lets go when its holder dies: a part that nobody holds is nobody's, and whoever
writes to the folder next removes it.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BEGINS, _ENDS = ".vitrina-", ".part"


@dataclass(frozen=True)
class Part:
    """A file that is being written; `stream` takes its bytes."""

    stream: BinaryIO
    path: Path

    def become(self, target: Path) -> None:
        """Be the target from now on, in the place of what was there."""
        self.stream.flush()
        self.path.replace(target)


@contextmanager
def part_in(folder: Path) -> Iterator[Part]:
    """A new part in a folder; after the block it is gone, unless it has become a file."""
    part = _locked(folder)
    try:
        with part.stream:
            yield part
    finally:
        part.path.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the parts in a folder that killed processes have left."""
    for path in folder.glob(f"{_BEGINS}*{_ENDS}"):
        # Another process may have finished it, or is at work on it.
        with suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _locked(folder: Path) -> Part:
    while True:
        path = folder / f"{_BEGINS}{uuid.uuid4().hex}{_ENDS}"
        stream = path.open("xb")
        # Where files cannot be locked, no part is ever taken for an abandoned one.
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        # It may have been removed before it was locked.
        if os.fstat(stream.fileno()).st_nlink:
            return Part(stream, path)
        stream.close()
