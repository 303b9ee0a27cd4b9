"""What a batch is read from: the files that the store has, those of the archive, or a table.

Each file's fate is told in the end: read, passed over and why, or not read again.
"""

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO
from zoneinfo import ZoneInfo

from vitrina.documents import Document
from vitrina.errors import ExportError
from vitrina.exports.archive import Archive, Days, Kept, bearing, fingerprint
from vitrina.exports.feed import Piece
from vitrina.exports.files import BEING_WRITTEN, Listing, PassedOver, find
from vitrina.exports.source import Format, Source
from vitrina.exports.unpacking import Unpacked, members
from vitrina.settings import address_in
from vitrina.store import Batch
from vitrina.stores.lake import Lake

_NAMED = 3
"""Inputs that a summary names."""


@dataclass(frozen=True)
class Input:
    """What is read from beginning to end: a file, a member of a zip, a table."""

    name: str
    number: int
    """From 1, in the order of the archive: of two versions of a sale the greater is newer."""
    seen: datetime.date
    """The day, in the store's zone, on which it was first seen."""
    pieces: Callable[[], Iterator[Piece]]
    kept: Kept | None = None
    """The file of the archive that it is in."""


@dataclass
class Tally:
    """What is known of one input's rows; the days are of all rows that have one."""

    set_aside: Counter[str] = field(default_factory=Counter)
    """Rows by why."""
    problems: Counter[str] = field(default_factory=Counter)
    """Other rows by what reading them found wrong; a row may have several."""
    first_day: datetime.date | None = None
    last_day: datetime.date | None = None

    def add(self, other: "Tally") -> None:
        self.set_aside += other.set_aside
        self.problems += other.problems
        self.first_day = min(filter(None, (self.first_day, other.first_day)), default=None)
        self.last_day = max(filter(None, (self.last_day, other.last_day)), default=None)

    def document(self) -> Document:
        return {
            "first_day": self.first_day,
            "last_day": self.last_day,
            "set_aside": dict(self.set_aside.most_common()),
            "problems": dict(self.problems.most_common()),
        }


def take_in(lake: Lake, batch: Batch, source: Source) -> "Intake":
    """Find what the batch is read from, and keep the bytes of the store's files.

    Raises:
        ExportError: there is nothing to read; or a file is named whose format nothing tells.
        SettingsError: the variable with the address of the store's PostgreSQL is not set.
        CorruptFile: the archive cannot be read.
        StoreError: S3 refuses what was asked; `StoreUnavailable`: it does not answer.
    """
    intake = Intake(batch)
    if source.postgres is None:
        intake.take_files(Archive(lake.batches), find(source), source)
    else:
        intake.take_table(source)
    return intake


class Intake:
    """What a batch is read from, and what became of it."""

    def __init__(self, batch: Batch) -> None:
        self.inputs: list[Input] = []
        self._batch = batch
        self._rows: Counter[int] = Counter()
        self._hidden: Counter[int] = Counter()
        self._unmapped: dict[int, dict[str, None]] = {}
        self._archive: Archive | None = None
        self._known: dict[str, Kept] = {}
        self._read: list[Kept] = []
        self._rest: list[Kept] = []
        self._nothing: tuple[str, ...] = ()
        self._passed_over: list[PassedOver] = []
        self._refused: list[ExportError] = []
        self._refused_inputs: set[int] = set()
        self._refused_files: set[str] = set()

    def take_files(self, archive: Archive, listing: Listing, source: Source) -> None:
        """Take what a listing has, and what bears on the batch of the archive."""
        self._archive = archive
        self._known = archive.all()
        self._nothing = listing.nothing
        self._passed_over += listing.passed_over
        present = self._keep(archive, listing)
        there = [each for each in (self._known | present).values() if not each.withdrawn]
        self._read, self._rest = bearing(there, self._batch, present.keys())
        if not self._read:
            raise ExportError(self._nothing_to_read())
        self._unpack(archive, source)

    def take_table(self, source: Source) -> None:
        """Take a table or a query as it is now. Its rows are not archived: the feed has them."""
        from vitrina.exports.readers.table import read_table

        assert source.postgres and source.postgres_dsn_variable  # noqa: S101, PT018 - see Source
        dsn = address_in(source.postgres_dsn_variable)
        name = source.postgres if len(source.postgres.split()) == 1 else "query"
        pieces = partial(read_table, dsn, source.postgres, source)
        self.inputs.append(Input(name, 1, self._day(datetime.datetime.now(datetime.UTC)), pieces))

    @property
    def seen(self) -> dict[int, datetime.date]:
        """The day on which each input was first seen, by its number."""
        return {each.number: each.seen for each in self.inputs}

    @property
    def moments(self) -> dict[int, datetime.datetime]:
        """The moment in which each input that is a file was first seen, by its number."""
        return {each.number: each.kept.first_seen for each in self.inputs if each.kept}

    @property
    def rows(self) -> int:
        """The rows that were read so far."""
        return self._rows.total()

    @property
    def summary(self) -> str:
        """The first names, and how many more there are."""
        names = [each.name for each in self.inputs]
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more

    def pieces(self) -> Iterator[tuple[Input, Piece]]:
        """Every piece of every input, until it is refused."""
        for each in self.inputs:
            unmapped = self._unmapped.setdefault(each.number, {})
            try:
                for piece in each.pieces():
                    self._rows[each.number] += len(piece.lines)
                    unmapped |= dict.fromkeys(piece.unmapped)
                    self._hidden[each.number] += piece.hidden
                    yield each, piece
            except ExportError as error:
                self.refuse(each, error)

    def refuse(self, input_: Input, error: ExportError) -> None:
        """Refuse an input; what is told of it is the first that was wrong."""
        if input_.number not in self._refused_inputs:
            self._refused_inputs.add(input_.number)
            self._refuse(input_.kept, error)

    def refuse_together(self, numbers: Collection[int], error: ExportError) -> None:
        """Refuse several inputs for one reason, by their numbers."""
        self._refused.append(error)
        self._refused_files |= {
            each.kept.sha256 for each in self.inputs if each.kept and each.number in numbers
        }

    def raise_refusals(self) -> None:
        """Stop if anything was refused; the archive then forgets those files.

        Raises:
            ExportError: something was; the message has all of it.
        """
        if not self._refused:
            return
        if self._archive:
            for sha256 in self._refused_files - {*self._known}:
                self._archive.forget(sha256)
        if len(self._refused) == 1:
            raise self._refused[0]
        said = "\n".join(f"  {error}" for error in self._refused)
        raise ExportError(f"{len(self._refused)} files are refused:\n{said}")

    def remember(self, tallies: Mapping[int, Tally]) -> None:
        """From now on the archive has the files that were read, and knows their days."""
        key = fingerprint(self._batch.store)
        whole: dict[str, Tally] = {}
        for each in self.inputs:
            if each.kept:
                tally = whole.setdefault(each.kept.sha256, Tally())
                tally.add(tallies.get(each.number, Tally()))
        changed = []
        for kept in self._read:
            tally = whole[kept.sha256]
            days: Days = None
            if tally.first_day and tally.last_day:
                days = tally.first_day, tally.last_day
            now = replace(kept, days={key: days})
            if now != self._known.get(kept.sha256):
                changed.append(now)
        if self._archive:
            self._archive.remember(changed)

    def report(self, tallies: Mapping[int, Tally]) -> Document:
        """Each file's fate, for people."""
        key = fingerprint(self._batch.store)
        return {
            "read": [
                {
                    "name": each.name,
                    "number": each.number,
                    **(_identity(each.kept) if each.kept else {}),
                    "rows": self._rows[each.number],
                    "hidden_rows": self._hidden[each.number],
                    **tallies.get(each.number, Tally()).document(),
                    "unmapped_columns": [*self._unmapped.get(each.number, ())],
                }
                for each in self.inputs
            ],
            "passed_over": [vars(each) for each in self._passed_over],
            "outside_the_window": [
                {"name": kept.name, **_identity(kept), "days": kept.days[key]}
                for kept in self._rest
            ],
            "withdrawn": [
                {"name": kept.name, **_identity(kept), "since": self._day(kept.withdrawn)}
                for kept in self._known.values()
                if kept.withdrawn
            ],
            "nothing_there": [*self._nothing],
        }

    def _keep(self, archive: Archive, listing: Listing) -> dict[str, Kept]:
        """The files that the store has, each once."""
        now = datetime.datetime.now(datetime.UTC)
        sizes = {kept.size for kept in self._known.values()}
        taken = archive.take(listing.files, sizes)
        present = {}
        for sha256, files in taken.items():
            names = [found.name for found in files]
            known = self._known.get(sha256)
            if known and known.withdrawn:
                why = f"withdrawn on {self._day(known.withdrawn)}"
                self._passed_over += [PassedOver(each.name, each.size, why) for each in files]
                continue
            kept = known.called(names) if known else Kept(sha256, files[0].size, now, (names[0],))
            present[sha256] = kept
            self._passed_over += [
                PassedOver(found.name, found.size, f"the same as {kept.name}")
                for found in files
                if found.name != kept.name
            ]
        whole = {found.name for files in taken.values() for found in files}
        self._passed_over += [
            PassedOver(found.name, found.size, BEING_WRITTEN)
            for found in listing.files
            if found.name not in whole
        ]
        return present

    def _unpack(self, archive: Archive, source: Source) -> None:
        """Take what the files hold, in their order."""
        for kept in self._read:
            opened = partial(archive.open, kept.sha256)
            try:
                held = members(kept.name, opened, source.format)
            except ExportError as error:
                self._refuse(kept, error)
                continue
            self._passed_over += held.passed_over
            for number, file in enumerate(held.files, len(self.inputs) + 1):
                day, pieces = self._day(kept.first_seen), partial(read_file, file, source)
                self.inputs.append(Input(file.name, number, day, pieces, kept))

    def _day(self, moment: datetime.datetime) -> datetime.date:
        return moment.astimezone(ZoneInfo(self._batch.store.time_zone)).date()

    def _refuse(self, kept: Kept | None, error: ExportError) -> None:
        self._refused.append(error)
        if kept:
            self._refused_files.add(kept.sha256)

    def _nothing_to_read(self) -> str:
        said = [*self._nothing]
        said += [f"{each.name} is passed over: {each.why}" for each in self._passed_over]
        if withdrawn := sum(bool(each.withdrawn) for each in self._known.values()):
            said.append(f"of the archive, {withdrawn:,} files are withdrawn")
        if self._rest:
            said.append(
                f"the {len(self._rest):,} files of the archive have no sale of the "
                f"{self._batch.contract.days:,} days before {self._batch.as_of}"
            )
        return f"store {self._batch.store.name}: no file to read: {'; '.join(said)}"


def read_file(file: Unpacked, source: Source) -> Iterator[Piece]:
    """Read a file by the reader of its format."""
    read = _reader(file.format)
    with file.open() as stream:
        yield from read(stream, file.name, source)


def _reader(format_: Format) -> Callable[[BinaryIO, str, Source], Iterator[Piece]]:
    """The reader of a format; it alone loads what it reads by."""
    match format_:
        case "csv":
            from vitrina.exports.readers.csv import read as read_csv

            return read_csv
        case "jsonl" | "json":
            from vitrina.exports.readers.jsonl import read as read_jsonl

            return read_jsonl
        case "parquet":
            from vitrina.exports.readers.parquet import read as read_parquet

            return read_parquet
        case "xlsx":
            from vitrina.exports.readers.xlsx import read as read_xlsx

            return read_xlsx


def _identity(kept: Kept) -> Document:
    return {
        "sha256": kept.sha256,
        "bytes": kept.size,
        "first_seen": kept.first_seen.isoformat(timespec="seconds"),
    }
