"""What a proof consists of: checks, each of which names what is not as the manifest says."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from vitrina.documents import Document
from vitrina.ledger import Manifest
from vitrina.proof.differences import SHOWN

PUBLICATION, SALES, PRUNED = "publication", "sales", "pruned"
"""What a link of the chain tells of: a batch's publication, the SHA-256 of its sales, or which
batches were deleted."""

_KEYS = {
    PUBLICATION: {
        *("manifest", "store", "sealed_at", "sources", "files", "steps", "fates", "rejects"),
        *("tables", "contract", "started_by"),
    },
    SALES: {"of", "tables"},
    PRUNED: {"pruned_at", "batches"},
}
"""What a proof has to know of each kind."""


@dataclass(frozen=True)
class Check:
    """What was compared with the manifest, and what is not as it says."""

    what: str
    note: str
    """How much was compared, or why nothing was."""
    wrong: tuple[str, ...] = ()
    is_kept: bool = True
    """Whether there was anything to compare."""


@dataclass(frozen=True)
class Proof:
    """A batch's newest manifest, and every check of it."""

    manifest: Manifest
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return not any(check.wrong for check in self.checks)

    def document(self) -> Document:
        """The proof as JSON has it."""
        said = said_by(self.manifest)
        return {
            "store": said["store"],
            "as_of": self.manifest.as_of,
            "sequence": self.manifest.sequence,
            "sha256": self.manifest.sha256,
            "sealed_at": said["sealed_at"],
            "holds": self.holds,
            "checks": [asdict(check) for check in self.checks],
        }

    def lines(self) -> Iterator[str]:
        """The proof for people."""
        said = said_by(self.manifest)
        by = said["started_by"]
        who = f"{by['user']} on {by['host']}: {by['by']}"
        yield f"Manifest {self.manifest.sequence}: batch {self.manifest.as_of} of {said['store']}"
        yield f"sealed {said['sealed_at'][:19]} UTC by {who}"
        yield f"SHA-256 {self.manifest.sha256}"
        for check in self.checks:
            mark = "✗" if check.wrong else "✓" if check.is_kept else "–"
            yield f"{mark} {check.what:<10} {check.note}".rstrip()
            yield from (f"    {each}" for each in check.wrong)


def said_by(link: Manifest) -> Document:
    """What a link of the chain says."""
    said: Document = json.loads(link.document)
    return said


def readable(links: Iterable[Manifest]) -> Iterator[Manifest]:
    """The links that still are what their SHA-256 says, and say what a proof needs to know."""
    for link in links:
        if hashlib.sha256(link.document.encode()).hexdigest() != link.sha256:
            continue
        try:
            said = said_by(link)
            keys = _KEYS[said["kind"]]
        except (ValueError, KeyError, TypeError):
            continue
        if keys <= said.keys():
            yield link


def many(count: int, what: str) -> str:
    """How many there are of something.

    >>> many(1, "file")
    '1 file'
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def few(wrong: Sequence[str]) -> tuple[str, ...]:
    """The first, and how many more there are."""
    more = len(wrong) - SHOWN
    return (*wrong[:SHOWN], *([f"… and {more:,} more"] if more > 0 else []))
