"""The chain of manifests of a store: each names the SHA-256 of the one before.

    <lake>/manifests/000001.json    the first
    <lake>/manifests/000002.json    …

They are kept in the lake and in PostgreSQL. A manifest that was changed no longer has the SHA-256
that the next one names, and one that was dropped leaves a gap. Whether the last ones were cut off
in both places, only somebody can tell who has noted the SHA-256 of a later one.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import date

from pyarrow import fs

from vitrina.ledger import Manifest
from vitrina.stores.lake import (
    lake_failures,
    open_folder,
    remove_abandoned_in,
    write_whole,
)

_FILE = re.compile(r"([0-9]{6,})\.json")


class Chain:
    """The chain in the lake; `batches` is where the lake has the store's batches."""

    def __init__(self, batches: str) -> None:
        self.root = f"{batches}/manifests"
        self._fs, self._path = open_folder(self.root)

    def links(self) -> list[Manifest]:
        """The links in their order, as far as they can be read; `broken` tells of the others."""
        found = []
        for sequence, text in self._texts():
            try:
                said = json.loads(text)
                link = Manifest(
                    sequence,
                    date.fromisoformat(said["as_of"]),
                    hashlib.sha256(text).hexdigest(),
                    said["previous"],
                    text.decode(),
                )
            except (ValueError, KeyError, TypeError):
                continue
            found.append(link)
        return found

    def broken(self, links: Sequence[Manifest]) -> list[str]:
        """The files that hold no manifest, since `links` are all that can be read."""
        read = {link.sequence for link in links}
        return [self.file(sequence) for sequence, _ in self._files() if sequence not in read]

    def write(self, links: Sequence[Manifest], there: Sequence[Manifest]) -> None:
        """Write those that are not there. None that is there is written again."""
        known = {link.sequence for link in there}
        with lake_failures(self.root):
            for link in links:
                if link.sequence not in known:
                    path = f"{self._path}/{link.sequence:06}.json"
                    write_whole(self._fs, path, link.document.encode())
            remove_abandoned_in(self._fs, self._path)

    def file(self, sequence: int) -> str:
        """Where a manifest is kept in the lake."""
        return f"{self.root}/{sequence:06}.json"

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        for sequence, name in self._files():
            with (
                lake_failures(self.root),
                self._fs.open_input_stream(f"{self._path}/{name}") as stream,
            ):
                text = bytes(stream.read())
            yield sequence, text

    def _files(self) -> list[tuple[int, str]]:
        with lake_failures(self.root):
            selector = fs.FileSelector(self._path, allow_not_found=True)
            names = sorted(info.base_name for info in self._fs.get_file_info(selector))
        return [(int(match[1]), name) for name in names if (match := _FILE.fullmatch(name))]


def gaps(links: Sequence[Manifest], where: str) -> list[str]:
    """Where a chain does not hold: a link that is missing, changed, or follows another one."""
    told = []
    before: Manifest | None = None
    for link in links:
        expected = 1 if before is None else before.sequence + 1
        if link.sequence != expected:
            missing = f"{expected}" + (
                f" to {link.sequence - 1}" if link.sequence - 1 > expected else ""
            )
            told.append(f"{where}: manifest {missing} is missing")
        elif link.previous != (before.sha256 if before else None):
            told.append(
                f"{where}: manifest {link.sequence} does not follow manifest {expected - 1}: one "
                "of the two was changed"
            )
        found = hashlib.sha256(link.document.encode()).hexdigest()
        if found != link.sha256:
            told.append(f"{where}: manifest {link.sequence} was changed")
        before = link
    return told


def disagreements(
    in_lake: Sequence[Manifest], in_ledger: Sequence[Manifest], chain: Chain
) -> list[str]:
    """Where the two copies of the chain are not the same."""
    one = {link.sequence: link for link in in_lake}
    other = {link.sequence: link for link in in_ledger}
    told = []
    for sequence in sorted(one.keys() | other.keys()):
        if sequence not in one:
            told.append(f"{chain.file(sequence)} is missing; PostgreSQL has it")
        elif sequence not in other:
            told.append(f"PostgreSQL: manifest {sequence} is missing; the lake has it")
        elif one[sequence].document != other[sequence].document:
            told.append(f"{chain.file(sequence)} is not the manifest that PostgreSQL has")
    return told
