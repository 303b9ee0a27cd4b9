"""A local disk: its failures as ours, whether Python met them, Arrow or Spark."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from vitrina.errors import StoreError, StoreUnavailable, VitrinaError

_RIGHTS = "let this user read and write there, or set {} to another folder"
_IN_THE_WAY = "move what is in the way, or set {} to another folder"
_ANOTHER = "set {} to another folder"
_SPACE = "free some space and run the step again"
_AGAIN = "run the step again"

REFUSALS = {
    errno.EACCES: _RIGHTS,
    errno.EEXIST: _IN_THE_WAY,
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EINVAL: _ANOTHER,
    errno.EISDIR: _IN_THE_WAY,
    errno.ELOOP: _ANOTHER,
    errno.EMLINK: _ANOTHER,
    errno.ENAMETOOLONG: _ANOTHER,
    errno.ENODEV: _ANOTHER,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.ENOTSUP: _ANOTHER,
    errno.ENXIO: _ANOTHER,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.EXDEV: _ANOTHER,
}
"""What another try does not change, and what does. Each key is a code of the system.

`{}` stands for the variable that names the folder.
"""

PASSING = {
    errno.EAGAIN: _AGAIN,
    errno.EBUSY: _AGAIN,
    errno.EDEADLK: _AGAIN,
    errno.EDQUOT: _SPACE,
    errno.EINTR: _AGAIN,
    errno.EIO: "look at the disk, and run the step again",
    errno.EMFILE: "raise the limit on open files (ulimit -n) and run the step again",
    errno.ENFILE: _AGAIN,
    errno.ENOENT: _AGAIN,
    errno.ENOLCK: _AGAIN,
    errno.ENOMEM: "free some memory and run the step again",
    errno.ENOSPC: _SPACE,
    errno.ESTALE: _AGAIN,
    errno.ETXTBSY: _AGAIN,
}
"""What may be otherwise at the next try. Other codes are not those of a disk."""

# Of Rust's libraries, and so of Sail.
_CODE = re.compile(r"\(os error (\d+)\)")
# In words, as Java has them, and Arrow where it checks before the system does.
_WORDS = {os.strerror(code).casefold(): code for code in REFUSALS | PASSING}
# Java's for a folder that cannot be made: what is in the way, or a right that is missing.
_WORDS["mkdirs failed to create"] = errno.EACCES

# How Python begins where none of the folders for temporary files can be written.
_TEMPORARY = "No usable temporary directory"


@contextmanager
def disk_failures(
    folder: str, what: str = "lake", setting: str = "VITRINA_LAKE", remedy: str | None = None
) -> Iterator[None]:
    """Turn failures of the disk that holds a folder into ours, in one line.

    `what` is kept there, because `setting` says so; or `remedy` is what to do where the folder
    cannot be used.

    Raises:
        StoreError: the folder cannot be used as it is.
        StoreUnavailable: the disk is full or failing, or the machine is busy.
    """
    try:
        yield
    except VitrinaError:
        raise
    except Exception as error:
        code = _code(error)
        if _TEMPORARY in str(error):
            raise StoreError(
                f"{_said(error)}; set TMPDIR to a folder that can be written"
            ) from error
        if code in REFUSALS:
            remedy = remedy or REFUSALS[code].format(setting)
            raise StoreError(f"{what} {folder}: {_said(error)}; {remedy}") from error
        if code in PASSING:
            raise StoreUnavailable(f"{what} {folder}: {_said(error)}; {PASSING[code]}") from error
        raise


def _code(error: Exception) -> int | None:
    """What the system called the failure; None if it is not the disk's."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not isinstance(error, OSError) and not type(error).__module__.startswith("pyspark."):
        return None
    text = str(error)
    if found := _CODE.search(text):
        return int(found[1])
    for words, code in _WORDS.items():
        if words in text.casefold():
            return code
    return None


def _said(error: Exception) -> str:
    """What went wrong, in one line, and with which file if Python says so."""
    text: object = error
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return next(iter(str(text).splitlines()), "") or type(error).__name__
