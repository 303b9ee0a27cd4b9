"""Withdrawal: no further batch is read from a file of the archive, until it is restored.

Nothing is deleted. What earlier batches are made of stays provable; each counts the file until it
is run again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from vitrina.documents import Document
from vitrina.errors import SettingsError
from vitrina.exports.archive import SHORT, Archive, Kept
from vitrina.proof.manifest import sources
from vitrina.stores.lake import Lake, batches_of
from vitrina.visible import revealed

_LEAST = 6
"""Digits of a SHA-256 that are taken for one."""


@dataclass(frozen=True)
class Archived:
    """A file of the archive, and the batches of the lake that were read from it, oldest first."""

    kept: Kept
    batches: tuple[date, ...]

    @property
    def short(self) -> str:
        """The beginning of its SHA-256."""
        return self.kept.sha256[:SHORT]

    def document(self) -> Document:
        """The file as JSON has it."""
        return {
            "sha256": self.kept.sha256,
            "names": self.kept.names,
            "bytes": self.kept.size,
            "first_seen": self.kept.first_seen,
            "batches": self.batches,
            "withdrawn": self.kept.withdrawn,
        }


def archived(batches: str) -> list[Archived]:
    """Every file of a store's archive, in the order of first sight."""
    read_by: dict[str, list[date]] = {}
    for day in batches_of(batches):
        for each in sources(Lake(batches, day)):
            read_by.setdefault(each["sha256"], []).append(day)
    files = sorted(Archive(batches).all().values(), key=lambda each: each.place)
    return [Archived(kept, tuple(read_by.get(kept.sha256, ()))) for kept in files]


def chosen(
    files: Sequence[Archived], wanted: Sequence[str], *, is_withdrawn: bool
) -> list[Archived]:
    """The files that are called so, or whose SHA-256 begins so; each once.

    Raises:
        SettingsError: there is none, several are meant, or it is not in the state that is asked.
    """
    found = {}
    for name in wanted:
        known = [each for each in files if _is_meant(each.kept, name)]
        state = [each for each in known if bool(each.kept.withdrawn) == is_withdrawn]
        if not known:
            raise SettingsError(f"no file of the archive is called {revealed(name)}; {_AS_LISTED}")
        if not state:
            raise SettingsError(
                f"{revealed(name)} is {'not withdrawn' if is_withdrawn else 'withdrawn already'}"
            )
        if len(state) > 1:
            several = ", ".join(
                f"{each.short} ({each.kept.first_seen:%Y-%m-%d %H:%M} UTC)" for each in state
            )
            raise SettingsError(
                f"{len(state)} files of the archive are called {revealed(name)}; name one by its "
                f"SHA-256: {several}"
            )
        found[state[0].kept.sha256] = state[0]
    return list(found.values())


def told(files: Iterable[Archived], *, withdraws: bool) -> Iterator[str]:
    """What is to be done with files, for people."""
    counting: set[date] = set()
    for each in files:
        verb = "withdraws" if withdraws else "restores"
        size = f"{each.kept.size:,} bytes, first seen {each.kept.first_seen:%Y-%m-%d %H:%M} UTC"
        yield f"{verb} {revealed(each.kept.name)} ({each.short}, {size})"
        counting |= {*each.batches}
    if withdraws and counting:
        yield f"counted in {', '.join(map(str, sorted(counting)))}, until these are run again"
    yield (
        "nothing is deleted; further batches are not read from it, wherever it lies"
        if withdraws
        else "further batches are read from it again"
    )


def carry_out(files: Iterable[Archived], batches: str, *, withdraws: bool) -> None:
    """Withdraw files, or restore them."""
    archive, now = Archive(batches), datetime.now(UTC)
    for each in files:
        if withdraws:
            archive.withdraw(each.kept.sha256, now)
        else:
            archive.restore(each.kept.sha256)


_AS_LISTED = "give a name or a SHA-256 as it is listed by: vitrina archive"


def _is_meant(kept: Kept, name: str) -> bool:
    return name in kept.names or (len(name) >= _LEAST and kept.sha256.startswith(name.lower()))
