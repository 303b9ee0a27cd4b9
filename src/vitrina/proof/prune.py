"""Prune: what is older than the batches to keep goes, and the chain of manifests tells of it.

Kept are the newest batches that ClickHouse lists, whatever is newer than they are, and the batches
that PostgreSQL keeps; with each its folder of the lake, its import, and the archived files that it
was read from. Manifests are never deleted, nor are files that were withdrawn: what they are known
by keeps them out.
"""

import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from vitrina.documents import Document
from vitrina.errors import BatchError
from vitrina.exports.archive import Archive, Kept
from vitrina.proof.checks import PRUNED
from vitrina.proof.manifest import add, sources, who
from vitrina.store import Batch, Store
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.lake import Lake, batches_of
from vitrina.stores.postgres.store import Postgres


@dataclass(frozen=True)
class Folder:
    """A batch's folder of the lake."""

    as_of: date
    size: int


@dataclass(frozen=True)
class Plan:
    """What is kept, newest first, and what would be deleted."""

    keep: int
    kept: tuple[date, ...]
    folders: tuple[Folder, ...]
    imports: tuple[date, ...]
    files: tuple[Kept, ...]
    """Of the archive."""

    @property
    def is_empty(self) -> bool:
        return not (self.folders or self.imports or self.files)

    @property
    def size(self) -> int:
        """In bytes, without ClickHouse's."""
        return sum(each.size for each in self.folders) + sum(each.size for each in self.files)

    def document(self) -> Document:
        """The plan as JSON has it."""
        return {
            "kept": self.kept,
            "folders": [asdict(folder) for folder in self.folders],
            "imports": self.imports,
            "files": [
                {"sha256": file.sha256, "name": file.name, "size": file.size} for file in self.files
            ],
            "bytes": self.size,
        }

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        yield f"keeps   {_dates(self.kept)}"
        if self.is_empty:
            yield "deletes nothing"
            return
        if self.folders:
            size = _megabytes(sum(each.size for each in self.folders))
            yield f"deletes {_dates([each.as_of for each in self.folders])} of the lake ({size})"
        if self.imports:
            yield f"        {_dates(self.imports)} of ClickHouse"
        for file in self.files:
            yield f"        {file.name} of the archive ({_megabytes(file.size)})"


def plan(batches: str, store: Store, postgres: Postgres, clickhouse: ClickHouse, keep: int) -> Plan:
    """What there is to delete, so that `keep` published batches are left.

    Raises:
        BatchError: nothing has been published: nothing can be told to be old.
    """
    imports = sorted((day for day, _ in clickhouse.imports()), reverse=True)
    if not imports:
        raise BatchError(f"no batch of {store.name} has been published, so none is deleted")
    oldest = imports[:keep][-1]
    held = {entry.as_of for entry in postgres.ledger() if entry.is_kept}
    there = batches_of(batches)

    def is_old(as_of: date) -> bool:
        return as_of < oldest and as_of not in held

    kept = sorted({day for day in (*imports, *there) if not is_old(day)}, reverse=True)
    needed = {each["sha256"] for day in kept for each in sources(Lake(batches, day))}
    archived = [] if store.is_generated else Archive(batches).all().values()
    unneeded = [each for each in archived if each.sha256 not in needed and not each.withdrawn]
    return Plan(
        keep,
        tuple(kept),
        tuple(Folder(day, Lake(batches, day).size()) for day in there if is_old(day)),
        tuple(day for day in sorted(imports) if is_old(day)),
        tuple(sorted(unneeded, key=lambda each: each.place)),
    )


def carry_out(
    found: Plan,
    batches: str,
    store: Store,
    postgres: Postgres,
    clickhouse: ClickHouse,
    started_by: str,
) -> None:
    """Delete what the plan has, while no batch runs. Interrupted, a further plan has the rest.

    The chain of manifests tells of it first, so that a proof can tell it from a loss.

    Raises:
        StoreUnavailable: a run is at work, and may need what would be deleted.
        BatchError: one has ended since the plan was made, and changed it.
    """
    with postgres.without_runs(f"vitrina prune, process {os.getpid()} on {socket.gethostname()}"):
        if plan(batches, store, postgres, clickhouse, found.keep) != found:
            raise BatchError(
                "a run has changed what there is to delete; nothing was deleted; run the same "
                "command again"
            )
        newest = Batch(found.kept[0], store)
        said = {
            "kind": PRUNED,
            "store": store.name,
            "as_of": newest.as_of.isoformat(),
            "pruned_at": datetime.now(UTC).isoformat(),
            "batches": sorted(
                {
                    day.isoformat()
                    for day in (*found.imports, *(each.as_of for each in found.folders))
                }
            ),
            "archived": [file.sha256 for file in found.files],
            "started_by": who(started_by),
        }
        add(said, newest, Lake(batches, newest.as_of), postgres)
        for day in found.imports:
            clickhouse.delete_import(store.contract, day)
        for folder in found.folders:
            Lake(batches, folder.as_of).delete()
        if found.files:
            archive = Archive(batches)
            for file in found.files:
                archive.delete(file.sha256)


def _dates(days: tuple[date, ...] | list[date]) -> str:
    """Few dates, or the first and the last of many.

    >>> _dates([date(2026, 11, 24)])
    'batch 2026-11-24'
    """
    if len(days) == 1:
        return f"batch {days[0]}"
    if len(days) <= 4:
        return f"batches {', '.join(map(str, days))}"
    return f"{len(days)} batches, {min(days)} to {max(days)}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
