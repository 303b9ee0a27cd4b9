"""Files that are written where the user says: whole or not at all, and in no other file's place."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from vitrina.errors import SettingsError
from vitrina.whole import part_in, remove_abandoned

_HEAD = 1 << 16

Ours = Callable[[bytes], bool]
"""Whether a file that begins so is an earlier one of the same kind, which may be replaced."""


@contextmanager
def output(
    file: Path, option: str, *, ours: Ours | None = None, encoding: str = "utf-8"
) -> Iterator[TextIO]:
    """A stream whose text is the file once the block has ended; until then nothing is there.

    It is written beside the file and renamed, so that whoever opens the file sees the old one or
    the new one. Line ends are written as they are. Without `ours`, no file is replaced.

    Raises:
        SettingsError: a device, a folder or another file stands there, or the file cannot be
            written; the text says what to give `option` instead.
    """
    try:
        # Where a link points to is replaced, not the link.
        target = Path(os.path.realpath(file))
        _refuse_others(target, file, option, ours)
        remove_abandoned(target.parent)
        with part_in(target.parent) as part:
            stream = TextIOWrapper(part.stream, encoding, newline="")
            yield stream
            stream.flush()
            if ours is None and target.exists():
                raise _in_the_way(file, option)
            part.become(target)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror or error}") from error


def _refuse_others(target: Path, file: Path, option: str, ours: Ours | None) -> None:
    if target.is_dir():
        raise SettingsError(f"{file} is a folder; give {option} the name of a file in it")
    if not target.exists():
        return
    if not target.is_file():
        raise SettingsError(f"{file} is a device, not a file; give {option} another name")
    if ours is None:
        raise _in_the_way(file, option)
    with target.open("rb") as stream:
        begins = stream.read(_HEAD)
    if begins and not ours(begins):
        raise SettingsError(
            f"{file} is there already and was not written by this command, so it stays as it is; "
            f"give {option} another name, or move the file away"
        )


def _in_the_way(file: Path, option: str) -> SettingsError:
    return SettingsError(f"{file} is there already and stays as it is; give {option} another name")
