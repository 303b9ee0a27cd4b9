"""The archive: the files that batches were read from, by SHA-256, kept after the store's own go.

    <lake>/stores/<name>/archive/3f9c…        the bytes as they came
    <lake>/stores/<name>/archive/3f9c….json   its names, its size, when it was first seen, its days
    <lake>/stores/<name>/archive/3f9c….withdrawn    since when no further batch is read from it

A file is there once its document is; that is written when the file has been read without a
refusal. Whatever is written has its final name only when it is whole, so two runs at once do
each other no harm: they write the same bytes. That a file is withdrawn stands apart, so that no run
that is under way can write over it.

The order of the files is that of their first sight, of files seen together that of their names;
a file that is sent again keeps its place. It is worked out from the documents, not counted up,
so that two runs at once cannot give one place to two files.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

from pyarrow import fs
from pydantic import AwareDatetime, Field

from vitrina.documents import Unreadable, Whole, parse, read
from vitrina.errors import CorruptFile
from vitrina.exports.files import Found
from vitrina.store import Batch, Store
from vitrina.stores.lake import (
    Measured,
    lake_failures,
    on_s3,
    open_folder,
    remove_abandoned_in,
    write_whole,
)
from vitrina.whole import part_in

_READ_SIZE = 4 << 20
_AT_ONCE = 8
SHORT = 12
"""Digits of a SHA-256 that people are shown."""

_WITHDRAWN = ".withdrawn"

Days = tuple[date, date] | None
"""The first and the last day of the rows of a file; None: no row has one."""


@dataclass(frozen=True)
class Kept:
    """A file of the archive."""

    sha256: str
    size: Whole
    first_seen: AwareDatetime
    """In UTC."""
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """What the store called it, in the order of first sight."""
    days: dict[str, Days] = field(default_factory=dict)
    """By `fingerprint`: what the days are depends on how the file is read."""
    withdrawn: AwareDatetime | None = None
    """Since when no further batch is read from it."""

    @property
    def name(self) -> str:
        """What the store called it last."""
        return self.names[-1]

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Sorts files in their order."""
        return self.first_seen, self.names[0], self.sha256

    def called(self, names: Sequence[str]) -> "Kept":
        """The file, now that the store has it under these names."""
        if set(names) & set(self.names[-1:]):
            return self
        return replace(self, names=(*self.names, names[0]))


def fingerprint(store: Store) -> str:
    """Tells whether the days that are remembered of a file are still those that reading it gives.

    Not if anything changed in what the store file says, or in Vitrina.
    """
    assert store.source is not None  # noqa: S101 - it is of stores with files only
    said = (
        store.source.model_dump_json(),
        repr(store.contract),
        store.time_zone,
        version("vitrina"),
    )
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def bearing(
    kept: Iterable[Kept], batch: Batch, present: Iterable[str] = ()
) -> tuple[list[Kept], list[Kept]]:
    """The files that a batch is read from, and the rest, each in their order.

    The rest lies outside the window and came before every file that reaches into it, so that none
    of its rows can be a newer version of a sale there. `present` are the SHA-256 of files that
    the store has sent and not taken back: all their rows are accounted for, wherever they lie.
    """
    key = fingerprint(batch.store)
    ordered = sorted(kept, key=lambda each: each.place)
    reaches = [_reaches(each, batch, key) for each in ordered]
    first = reaches.index(True) if True in reaches else len(ordered)
    read = {each.sha256 for each in ordered[first:]} | {*present}
    return (
        [each for each in ordered if each.sha256 in read],
        [each for each in ordered if each.sha256 not in read],
    )


def _reaches(kept: Kept, batch: Batch, key: str) -> bool:
    """Whether a file may have rows within the window."""
    if key not in kept.days:
        return True
    days = kept.days[key]
    return days is not None and days[0] < batch.as_of and days[1] >= batch.first_day


class Archive:
    """The archive of one store; `batches` is where the lake has the store's batches."""

    def __init__(self, batches: str) -> None:
        """Look where it is.

        Raises:
            SettingsError: there is no such place.
            StoreError: it may not be used; `StoreUnavailable`: it does not answer.
        """
        self.root = f"{batches}/archive"
        self._fs, self._path = open_folder(self.root)
        self._is_whole: set[str] = set()

    def all(self) -> dict[str, Kept]:
        """Every file of the archive, by its SHA-256.

        Raises:
            CorruptFile: a document cannot be read.
        """
        with lake_failures(self.root), ThreadPoolExecutor(_AT_ONCE) as pool:
            selector = fs.FileSelector(self._path, allow_not_found=True)
            there = {info.base_name: info.path for info in self._fs.get_file_info(selector)}
            paths = [
                path
                for name, path in there.items()
                # A run that was killed may have left a hidden one, of no whole document.
                if name.endswith(".json") and not name.startswith(".")
            ]
            found = {kept.sha256: kept for kept in pool.map(self._document, paths)}
            for sha256, kept in found.items():
                if f"{sha256}{_WITHDRAWN}" in there:
                    found[sha256] = replace(kept, withdrawn=self._since(sha256))
            return found

    def take(self, files: Sequence[Found], sizes: Iterable[int]) -> dict[str, list[Found]]:
        """Keep the bytes of files, and tell which are equal: those of each SHA-256.

        `sizes` are those of the files that the archive has; one of another size is new. A file
        that has changed while it was read is left out. None is in the archive before `remember`.

        Raises:
            ExportError: a file is not there any more, or may not be read.
        """
        known = {*sizes}
        with lake_failures(self.root), ThreadPoolExecutor(2) as pool:
            remove_abandoned_in(self._fs, self._path)
            hashes = [*pool.map(lambda found: self._take(found, found.size in known), files)]
        taken: dict[str, list[Found]] = {}
        for found, sha256 in zip(files, hashes, strict=True):
            if sha256 is not None:
                taken.setdefault(sha256, []).append(found)
        return taken

    def remember(self, files: Iterable[Kept]) -> None:
        """Write the files' documents: from now on they are in the archive."""
        with lake_failures(self.root), ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._write_document, files):
                pass

    def withdraw(self, sha256: str, now: datetime) -> None:
        """Read no further batch from a file; it stays where it is."""
        with lake_failures(self.root):
            path = f"{self._path}/{sha256}{_WITHDRAWN}"
            write_whole(self._fs, path, f"{now.isoformat(timespec='seconds')}\n".encode())

    def withdrawn(self, sha256: str) -> datetime | None:
        """Since when a file is withdrawn; None if it is not.

        Raises:
            CorruptFile: that cannot be read.
        """
        with lake_failures(self.root):
            return self._since(sha256) if self._exists(f"{sha256}{_WITHDRAWN}") else None

    def restore(self, sha256: str) -> None:
        """Let batches be read from a file that was withdrawn."""
        with lake_failures(self.root):
            self._fs.delete_file(f"{self._path}/{sha256}{_WITHDRAWN}")

    def forget(self, sha256: str) -> None:
        """Delete the bytes of a file that is not in the archive."""
        with lake_failures(self.root):
            if self._exists(sha256):
                self._fs.delete_file(f"{self._path}/{sha256}")

    def measured(self, sha256: str) -> str | None:
        """The SHA-256 that the bytes kept under one have now; None where there are none."""
        with lake_failures(self.root):
            return self._measure(sha256) if self._exists(sha256) else None

    def delete(self, sha256: str) -> None:
        """Take a file out of the archive: its document first, without which it is nobody's."""
        with lake_failures(self.root):
            self._fs.delete_file(f"{self._path}/{sha256}.json")
            if self._exists(sha256):
                self._fs.delete_file(f"{self._path}/{sha256}")

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """A file's bytes, in any order.

        Raises:
            CorruptFile: they are not those that were kept.
        """
        with lake_failures(self.root):
            try:
                if sha256 not in self._is_whole and self._measure(sha256) != sha256:
                    raise CorruptFile(
                        f"{self.root}/{sha256} is not the file that was kept; put the export back "
                        "into the store's folder, or do without it: "
                        f"vitrina archive --withdraw {sha256[:SHORT]}"
                    )
            except FileNotFoundError as error:
                raise CorruptFile(
                    f"{self.root}/{sha256} is missing; put the export back into the store's "
                    f"folder, or do without it: vitrina archive --withdraw {sha256[:SHORT]}"
                ) from error
            self._is_whole.add(sha256)
            # Arrow's own file reads no lines.
            with self._fs.open_input_file(f"{self._path}/{sha256}") as stream:
                yield cast("BinaryIO", io.BufferedReader(stream, _READ_SIZE))

    def _take(self, found: Found, may_be_known: bool) -> str | None:
        """The SHA-256 of a file whose bytes are kept now; None if it has changed meanwhile."""
        if may_be_known or on_s3(self.root):
            with found.open() as stream:
                sha256 = _sha256(stream)
            if found.has_changed():
                return None
            if self._exists(sha256) and self._measure(sha256) == sha256:
                self._is_whole.add(sha256)
                return sha256
        else:
            sha256 = None
        # A key of S3 cannot be given later, and is there only when all its bytes are.
        if sha256 and on_s3(self.root):
            copied = self._upload(found, sha256)
        else:
            copied = self._copy(found, sha256)
        if copied is not None:
            self._is_whole.add(copied)
        return copied

    def _copy(self, found: Found, expected: str | None) -> str | None:
        """The SHA-256 of a file's bytes, copied; None if they are not those that are expected."""
        self._fs.create_dir(self._path, recursive=True)
        with part_in(Path(self._path)) as part:
            copied = _copied(found, part.stream)
            if copied != (expected or copied) or found.has_changed():
                return None
            part.become(Path(self._path) / copied)
        return copied

    def _upload(self, found: Found, expected: str) -> str | None:
        key, whole = f"{self._path}/{expected}", False
        try:
            with self._fs.open_output_stream(key) as stream:
                copied = _copied(found, stream)
            whole = copied == expected and not found.has_changed()
        finally:
            if not whole and self._exists(expected):
                self._fs.delete_file(key)
        return expected if whole else None

    def _exists(self, name: str) -> bool:
        info = self._fs.get_file_info(f"{self._path}/{name}")
        return bool(info.type == fs.FileType.File)

    def _measure(self, sha256: str) -> str:
        """The SHA-256 that the bytes kept under one have."""
        with self._fs.open_input_stream(f"{self._path}/{sha256}") as stream:
            return _sha256(stream)

    def _document(self, path: str) -> Kept:
        with self._fs.open_input_stream(path) as stream:
            text = stream.read()
        name = path.rpartition("/")[2]
        try:
            kept = read(Kept, parse(text))
            if f"{kept.sha256}.json" != name:
                raise Unreadable("sha256: it is of another file")
        except Unreadable as error:
            raise CorruptFile(
                f"{self.root}/{name} cannot be read: {error}; delete it, and put the export back "
                "into the store's folder"
            ) from error
        return kept

    def _write_document(self, kept: Kept) -> None:
        said: dict[str, Any] = {
            "sha256": kept.sha256,
            "size": kept.size,
            "first_seen": kept.first_seen.isoformat(timespec="microseconds"),
            "names": kept.names,
            "days": {
                key: [day.isoformat() for day in days] if days else None
                for key, days in kept.days.items()
            },
        }
        text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        write_whole(self._fs, f"{self._path}/{kept.sha256}.json", text.encode())

    def _since(self, sha256: str) -> datetime:
        name = f"{sha256}{_WITHDRAWN}"
        with self._fs.open_input_stream(f"{self._path}/{name}") as stream:
            text = stream.read().decode(errors="replace").strip()
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise CorruptFile(
                f"{self.root}/{name} has no moment in it; delete it, and withdraw the file again"
            ) from error


def _copied(found: Found, stream: Any) -> str:
    """The SHA-256 of a file's bytes, which the stream is given."""
    measured = Measured(stream)
    with found.open() as source:
        while block := source.read(_READ_SIZE):
            measured.write(block)
    return measured.sha256


def _sha256(stream: Any) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_READ_SIZE):
        digest.update(block)
    return digest.hexdigest()
