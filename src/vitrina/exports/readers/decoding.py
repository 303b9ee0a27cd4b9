"""The text of a file: strictly decoded, as UTF-8, chunk by chunk."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from vitrina.errors import ExportError

CHUNK = 2**22
"""Bytes that are read at once."""

BOM = "\ufeff"

_LF = ord("\n")
_CACHED = 2**17

_HEAD = 2**20
"""Bytes that are kept, to say of a file without a header what it may be."""


class Text:
    """The chunks of a file's text, to be gone through once.

    A byte order mark at the start is left out. No chunk but the last ends between a CR and its LF.

    Raises, as it goes:
        ExportError: some bytes are not of the encoding; names the byte, from 0, and the line.
    """

    def __init__(self, stream: BinaryIO, file: str, encoding: str) -> None:
        self.file = file
        self.encoding = encoding
        self.cut_off = False
        """Whether the file ended within a character; U+FFFD stands for it in the text."""
        self._stream = stream
        self.head = self._read(_HEAD)
        """The first bytes as they came."""

    def __iter__(self) -> Iterator[bytes]:
        held = b""
        for place, decoded in enumerate(self._decoded()):
            text = held + (decoded if place else decoded.removeprefix(BOM.encode()))
            held = b""
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r"
            if text:
                yield text
        if self.cut_off:
            held += "\ufffd".encode()
        if held:
            yield held

    def _decoded(self) -> Iterator[bytes]:
        """The text as UTF-8."""
        try:
            b"".decode(self.encoding)
            decoder = codecs.getincrementaldecoder(self.encoding)()
        except LookupError:
            raise ExportError(
                f"{self.file}: {self.encoding} is no encoding that Python knows; "
                "set csv.encoding to one, such as utf-8 or cp1251"
            ) from None
        is_utf_8 = codecs.lookup(self.encoding).name in ("utf-8", "ascii")
        offset, lines, text = 0, 0, b""
        chunk = self.head
        while chunk:
            state, after_return = decoder.getstate(), text.endswith(b"\r")
            if is_utf_8 and not state[0] and chunk.isascii():
                text = chunk
            else:
                try:
                    text = decoder.decode(chunk).encode()
                except UnicodeDecodeError as error:
                    start = max(0, error.start - len(state[0]))
                    decoder.setstate(state)
                    lines += line_ends(decoder.decode(chunk[:start]).encode())
                    raise self._refusal(error, offset - len(state[0]), lines + 1) from None
                except UnicodeError as error:  # no byte order mark where there has to be one
                    raise ExportError(
                        f"{self.file}: byte {offset}, line {lines + 1}: no text in "
                        f"{self.encoding}: {error}; set csv.encoding to the one the file is in"
                    ) from None
            yield text
            offset += len(chunk)
            lines += line_ends(text) - (after_return and text.startswith(b"\n"))
            chunk = self._read(CHUNK)
        self.cut_off = bool(decoder.getstate()[0])

    def _read(self, size: int) -> bytes:
        """So many bytes, or what is left; a stream may give fewer at once."""
        parts: list[bytes] = []
        while size and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _refusal(self, error: UnicodeDecodeError, offset: int, line: int) -> ExportError:
        wrong = error.object[error.start : max(error.end, error.start + 1)].hex(" ").upper()
        return ExportError(
            f"{self.file}: byte {offset + error.start}, line {line}: {wrong} is no text in "
            f"{self.encoding} ({error.reason}); set csv.encoding to the one the file is in"
        )


def line_ends(text: bytes, start: int = 0, stop: int | None = None) -> int:
    r"""How many lines end in a part of a text: with LF, CR LF or CR.

    >>> line_ends(b"a\nb\r\nc\rd")
    3
    """
    stop = len(text) if stop is None else stop
    data = np.frombuffer(text, np.uint8)
    # In parts that stay in a core's cache, this takes a fifth of what `bytes.count` does.
    parts = (data[at : min(at + _CACHED, stop)] for at in range(start, stop, _CACHED))
    ends = sum(int(np.count_nonzero(part == _LF)) for part in parts)
    if text.find(b"\r", start, stop) < 0:
        return ends
    return ends + text.count(b"\r", start, stop) - text.count(b"\r\n", start, stop)
