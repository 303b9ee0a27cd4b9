"""Which files a store's source names, and what becomes of each: read, or passed over and listed.

A file is read only while it is whole: one that has changed in the last half second is looked at
again after that time, and passed over if it has changed since.
"""

import fnmatch
import io
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pyarrow import fs

from vitrina.errors import ExportError
from vitrina.exports.source import Format, Source
from vitrina.stores.s3 import open_bucket, s3_failures

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
"""The format of a file by the end of its name."""

PACKINGS = (".gz", ".zst", ".zip")
"""How a file may be packed, by the end of its name."""

QUIET_SECONDS = 0.5
"""A local file that was changed less than so long ago is looked at twice."""

HIDDEN = "hidden"
LOCK = "a lock of a program that has the file open"
PARTIAL = "a download that has not ended"
BEING_WRITTEN = "still being written"
EMPTY = "empty"
UNKNOWN = "not a kind of file that is read"

_PARTIAL = (".crdownload", ".download", ".filepart", ".part", ".partial", ".temp", ".tmp")
_LOCKS = ("~$", ".~lock.")
_WILD = re.compile(r"[*?\[]")
_SHOWN = 10
_READ_SIZE = 4 << 20


@dataclass(frozen=True)
class Found:
    """A file to read. `name` is the same on every machine that has the store's folder."""

    name: str
    path: str
    size: int
    modified: float
    """Seconds since 1970."""
    bucket: fs.FileSystem | None = None
    """Where it is, unless on a local disk."""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes, in any order.

        Raises:
            ExportError: it is not there any more, or may not be read.
            StoreError: S3 refuses it; `StoreUnavailable`: S3 does not answer.
        """
        try:
            raw = (
                io.FileIO(self.path)
                if self.bucket is None
                else _Object(self.name, self.bucket, self.path)
            )
        except OSError as error:
            raise ExportError(f"{self.name} cannot be read: {error.strerror or error}") from error
        with io.BufferedReader(raw, _READ_SIZE) as stream:
            yield stream

    def has_changed(self) -> bool:
        """Whether it is another file by now, or none. An object of S3 is whole or not there."""
        if self.bucket is not None:
            return False
        try:
            now = Path(self.path).stat()
        except OSError:
            return True
        return (now.st_size, now.st_mtime) != (self.size, self.modified)


@dataclass(frozen=True)
class PassedOver:
    """A file that is not read, and why."""

    name: str
    size: int
    why: str


@dataclass(frozen=True)
class Listing:
    """What a source's `files` lead to, in the order of the names."""

    files: tuple[Found, ...]
    passed_over: tuple[PassedOver, ...]
    nothing: tuple[str, ...]
    """For each entry of `files` that leads to nothing: where it looked, and what is there."""


def find(source: Source) -> Listing:
    """List the files that a source names, and look at each.

    Raises:
        ExportError: a file is named whose format nothing tells, or a folder may not be read.
        StoreError: S3 refuses; `StoreUnavailable`: it does not answer.
    """
    files: dict[str, Found] = {}
    passed_over: dict[str, PassedOver] = {}
    nothing = []
    for entry in source.files:
        matched = list(_matched(entry, source.folder))
        if not matched:
            nothing.append(_nothing(entry, source.folder))
        for found, below, is_chosen in matched:
            if why := _why_not(found, below, is_chosen, source.format):
                passed_over[found.name] = PassedOver(found.name, found.size, why)
            else:
                files[found.name] = found
    quiet, changing = _look_again(files.values())
    passed_over |= {each.name: each for each in changing}
    return Listing(
        tuple(sorted(quiet, key=lambda found: found.name)),
        # What one entry passes over, another may name.
        tuple(passed_over[name] for name in sorted({*passed_over} - {each.name for each in quiet})),
        tuple(nothing),
    )


def unpacked_name(name: str) -> tuple[str, tuple[str, ...]]:
    """A file's name without the ends that say how it is packed, and those, the outermost first."""
    packings = []
    while (end := PurePosixPath(name).suffix.lower()) in PACKINGS:
        name = name[: -len(end)]
        packings.append(end)
    return name, tuple(packings)


def format_of(name: str, declared: Format | None) -> Format | None:
    """A file's format; None where neither the store file nor the name tells.

    A zip without another end in its name may hold anything: the names in it tell.
    """
    return declared or FORMATS.get(PurePosixPath(unpacked_name(name)[0]).suffix.lower())


def unfit_name(name: str) -> str | None:
    """Why a file of this name is not one that was sent: hidden, a lock, a partial download."""
    last = name.rpartition("/")[2]
    if last.startswith(_LOCKS):
        return LOCK
    if last.lower().endswith(_PARTIAL):
        return PARTIAL
    return HIDDEN if last.startswith(".") else None


def _why_not(found: Found, below: str, is_chosen: bool, declared: Format | None) -> str | None:
    """Why a file is passed over. `below` is the part of its name that the source leaves open."""
    parts = below.split("/")
    why = unfit_name(below or found.name)
    # A hidden file that is named in full is meant.
    if why and (below or why != HIDDEN):
        return why
    if any(part.startswith(".") for part in parts[:-1]):
        return HIDDEN
    known = format_of(found.name, declared) or unpacked_name(found.name)[1][-1:] == (".zip",)
    if not known or (not is_chosen and found.name.endswith(".toml")):
        if is_chosen:
            raise ExportError(
                f"{found.name}: the name does not tell its format; end it with one of "
                f"{' '.join(FORMATS)} (and {', '.join(PACKINGS)} if it is packed), "
                "or set source.format"
            )
        return UNKNOWN
    return EMPTY if found.size == 0 else None


def _look_again(files: Iterable[Found]) -> tuple[list[Found], list[PassedOver]]:
    """The files that nobody is writing, and those that somebody is."""
    files = list(files)
    local = [found.modified for found in files if found.bucket is None]
    age = time.time() - max(local, default=0.0)
    if age < QUIET_SECONDS:
        # A clock ahead of this one may have dated the file.
        time.sleep(min(QUIET_SECONDS, QUIET_SECONDS - age))
    changing = [found for found in files if found.has_changed()]
    return (
        [found for found in files if found not in changing],
        [PassedOver(found.name, found.size, BEING_WRITTEN) for found in changing],
    )


def _matched(entry: str, folder: Path) -> Iterator[tuple[Found, str, bool]]:
    """The files that an entry leads to, with the part of the name that the entry leaves open.

    The last says whether the entry chooses among names; a folder takes whatever is in it.
    """
    place: _Disk | _Bucket = _Bucket(entry) if entry.startswith("s3://") else _Disk(entry, folder)
    if (found := place.file()) is not None:
        yield found, "", True
        return
    base, pattern = _base(place.path)
    if not _WILD.search(pattern):
        base, pattern = place.path, "**"
    takes_all = pattern == "**"
    parts = _composed(pattern).split("/")
    for found in place.below(base, is_deep=takes_all or len(parts) > 1):
        below = found.path.removeprefix(base).lstrip("/")
        if _fits(_composed(below).split("/"), parts):
            yield found, below, not takes_all


def _base(path: str) -> tuple[str, str]:
    """The folder above the first part with a wildcard, and the rest."""
    parts = path.split("/")
    first = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    return "/".join(parts[:first]) or ("/" if path.startswith("/") else "."), "/".join(
        parts[first:]
    )


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether `*` within one part each, and `**` for any number of parts, give this path."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_fits(path[start:], pattern[1:]) for start in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])


def _composed(text: str) -> str:
    """The text with each letter in one piece: a Mac writes some in two in a file's name."""
    return unicodedata.normalize("NFC", text)


def _nothing(entry: str, folder: Path) -> str:
    """Where an entry was looked for, and what is there instead."""
    place: _Disk | _Bucket = _Bucket(entry) if entry.startswith("s3://") else _Disk(entry, folder)
    base, _ = _base(place.path)
    there = sorted(found.path.rpartition("/")[2] for found in place.below(base, is_deep=False))
    if not there:
        return f"{entry} leads to no file: {place.shown(base)} has none"
    more = f" and {len(there) - _SHOWN:,} more" if len(there) > _SHOWN else ""
    return f"{entry} leads to no file: {place.shown(base)} has {', '.join(there[:_SHOWN])}{more}"


class _Disk:
    """A local disk; `path` is where an entry points."""

    def __init__(self, entry: str, folder: Path) -> None:
        self.path = str(folder / entry)
        self._folder = folder

    def file(self) -> Found | None:
        return self._found(self.path) if Path(self.path).is_file() else None

    def below(self, base: str, is_deep: bool) -> Iterator[Found]:
        """The files in a folder; with `is_deep` also those in the folders in it."""
        if not Path(base).is_dir():
            return

        def refuse(error: OSError) -> None:
            raise ExportError(f"{error.filename} cannot be read: {error.strerror}") from error

        for root, folders, names in os.walk(base, onerror=refuse):
            for name in names:
                path = f"{root.rstrip('/')}/{name}"
                # A name that leads nowhere is no file, and nor is a pipe, which never ends.
                if Path(path).is_file():
                    yield self._found(path)
            if not is_deep:
                folders.clear()

    def shown(self, path: str) -> str:
        return str(Path(path).absolute())

    def _found(self, path: str) -> Found:
        stat = Path(path).stat()
        folder = Path(self._folder).absolute()
        whole = Path(path).absolute()
        name = (
            Path(os.path.relpath(path, self._folder))
            if whole.is_relative_to(folder) or not Path(path).is_absolute()
            else whole
        )
        # The same letters may be written in two ways, and a name need not be text at all.
        shown = os.fsencode(name.as_posix()).decode("utf-8", "replace")
        return Found(_composed(shown), path, stat.st_size, stat.st_mtime)


class _Bucket:
    """A bucket of S3; `path` is where an entry points."""

    def __init__(self, entry: str) -> None:
        self._entry = entry
        self.path = entry.removeprefix("s3://").rstrip("/")
        # An address would have to be without spaces and wildcards; a path need not.
        self._fs, _ = open_bucket(f"s3://{self.path.partition('/')[0]}", "files")

    def file(self) -> Found | None:
        if _WILD.search(self.path):
            return None
        with s3_failures(self._entry, "files"):
            info = self._fs.get_file_info(self.path)
        return self._found(info) if info.type == fs.FileType.File else None

    def below(self, base: str, is_deep: bool) -> Iterator[Found]:
        selector = fs.FileSelector(base, recursive=is_deep, allow_not_found=True)
        with s3_failures(self._entry, "files"):
            for info in self._fs.get_file_info(selector):
                if info.type == fs.FileType.File:
                    yield self._found(info)

    def shown(self, path: str) -> str:
        return f"s3://{path}"

    def _found(self, info: fs.FileInfo) -> Found:
        modified = (info.mtime_ns or 0) / 1e9
        return Found(f"s3://{info.path}", info.path, info.size, modified, self._fs)


class _Object(io.RawIOBase):
    """An object of S3, whose failures are ours."""

    def __init__(self, name: str, bucket: fs.FileSystem, path: str) -> None:
        super().__init__()
        self._name = name
        with s3_failures(name, "file"):
            self._file = bucket.open_input_file(path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with s3_failures(self._name, "file"):
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
