"""Unpacking: a file as it came in, the files in it out, each as a stream of bytes.

gzip and zstd hold one file, in one or several members; a zip may hold several, and each is read
as a file of its own, `a.zip/b.csv`. What is packed is never whole in memory; a format that is
read in any order is unpacked to a temporary file on disk.
"""

import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from vitrina.errors import ExportError
from vitrina.exports.files import UNKNOWN, PassedOver, format_of, unfit_name, unpacked_name
from vitrina.exports.source import Format

_CODECS = {".gz": "gzip", ".zst": "zstd"}
_SEEKING: tuple[Format, ...] = ("parquet", "xlsx")
_READ_SIZE = 1 << 20

# How what is packed begins, whatever its name says. A workbook is a zip as well.
_BEGINS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": ".zip"}


@dataclass(frozen=True)
class Unpacked:
    """One file to read, with its format."""

    name: str
    format: Format
    open: Callable[[], AbstractContextManager[BinaryIO]]
    """Gives its bytes, in any order where the format needs that. Its reads raise ExportError
    where what is packed is damaged."""


@dataclass(frozen=True)
class Members:
    """What was found in a file."""

    files: tuple[Unpacked, ...]
    passed_over: tuple[PassedOver, ...]


def members(
    name: str,
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    declared: Format | None = None,
) -> Members:
    """List what a file holds: itself, or what is in the zip.

    Raises:
        ExportError: it is packed otherwise than its name says, is no whole zip, or holds nothing
            that is read.
    """
    with opened() as stream:
        begins = stream.read(4)
        _, packings = unpacked_name(name)
        _check(name, begins, packings, format_of(name, declared))
        if packings[:1] != (".zip",):
            return Members((_single(name, opened, declared),), ())
        with _damage(name), zipfile.ZipFile(stream) as packed:
            infos = [info for info in packed.infolist() if not info.is_dir()]
    files, passed_over = [], []
    for info in sorted(infos, key=lambda info: info.filename):
        member = f"{name}/{info.filename}"
        if why := _why_not(info, declared):
            passed_over.append(PassedOver(member, info.file_size, why))
        elif info.flag_bits & 1:
            raise ExportError(f"{member} is encrypted; send it without a password")
        else:
            files.append(_single(member, _member(name, opened, info), declared))
    if not files:
        held = ", ".join(info.filename for info in infos[:10]) or "nothing"
        raise ExportError(f"{name} holds no file that is read; it holds {held}")
    return Members(tuple(files), tuple(passed_over))


def _check(name: str, begins: bytes, packings: tuple[str, ...], format_: Format | None) -> None:
    """Refuse a file whose first bytes and name say different things."""
    found = next((end for start, end in _BEGINS.items() if begins.startswith(start)), None)
    # An empty zip begins otherwise, and one that runs by itself with anything.
    named = packings[0] if packings else None
    if named == found or (found == ".zip" and format_ == "xlsx") or named == ".zip":
        return
    if named is not None:
        raise ExportError(f"{name} is not what {named} stands for: it begins with {begins!r}")
    raise ExportError(f"{name} is packed; name it {name}{found}, or unpack it")


def _why_not(info: zipfile.ZipInfo, declared: Format | None) -> str | None:
    """Why a member of a zip is passed over."""
    if info.filename.startswith("__MACOSX/"):
        return "an attribute that a Mac adds"
    inner, packings = unpacked_name(info.filename)
    if why := unfit_name(info.filename):
        return why
    return None if format_of(inner, declared) and ".zip" not in packings else UNKNOWN


def _single(
    name: str,
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    declared: Format | None,
) -> Unpacked:
    """A file that holds one, through however many layers."""
    packings = unpacked_name(name)[1]
    if ".zip" in packings:
        raise ExportError(f"{name} has a zip in another packing; unpack it once")
    format_ = format_of(name, declared)
    if format_ is None:
        raise ExportError(
            f"{name}: the name does not tell its format; set source.format in the store file"
        )
    in_zip = ".zip/" in name
    codecs = [_CODECS[packing] for packing in packings]

    @contextmanager
    def unpacked() -> Iterator[BinaryIO]:
        with opened() as packed:
            stream = packed
            for codec in codecs:
                stream = _checked(name, pa.CompressedInputStream(stream, codec))
            if format_ not in _SEEKING or not (codecs or in_zip):
                yield stream
                return
            with tempfile.TemporaryFile() as whole:
                shutil.copyfileobj(stream, whole, _READ_SIZE)
                whole.seek(0)
                yield cast("BinaryIO", whole)

    return Unpacked(name, format_, unpacked)


def _member(
    name: str, opened: Callable[[], AbstractContextManager[BinaryIO]], info: zipfile.ZipInfo
) -> Callable[[], AbstractContextManager[BinaryIO]]:
    """How to open a member of a zip."""

    @contextmanager
    def member() -> Iterator[BinaryIO]:
        with ExitStack() as open_files:
            stream = open_files.enter_context(opened())
            with _damage(f"{name}/{info.filename}"):
                packed = open_files.enter_context(zipfile.ZipFile(stream))
                inside = open_files.enter_context(packed.open(info))
            yield _checked(f"{name}/{info.filename}", inside)

    return member


def _checked(name: str, packed: Any) -> BinaryIO:
    """A stream whose reads say what is damaged."""
    return io.BufferedReader(_Checked(name, packed), _READ_SIZE)


class _Checked(io.RawIOBase):
    def __init__(self, name: str, packed: Any) -> None:
        super().__init__()
        self._name, self._packed = name, packed
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage(f"{self._name}, after {self._bytes:,} unpacked bytes"):
            read = self._packed.read(len(buffer))
        buffer[: len(read)] = read
        self._bytes += len(read)
        return len(read)


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Say where what is packed is damaged, and what to do.

    Raises:
        ExportError: it is.
    """
    try:
        yield
    except (EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, OSError) as error:
        # What the disk refuses has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error) or "it ends too early"
        raise ExportError(f"{where}: cannot be unpacked ({said}); send the file again") from error
