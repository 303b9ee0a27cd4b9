"""Inspect: what a store's files hold, and a `store.toml` that would read them.

Nothing here decides: a run does what the file says. Each guess stands there with what speaks for
it; where two readings are possible, both stand there, and a person chooses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.files import find
from vitrina.exports.inspection.columns import Columns
from vitrina.exports.inspection.draft import text
from vitrina.exports.inspection.roles import filled
from vitrina.exports.inspection.sampling import ROWS, Sample, sample
from vitrina.exports.reference import SCHEMA_FILE
from vitrina.exports.source import Source
from vitrina.exports.unpacking import Unpacked, members
from vitrina.output import output

_FILES = 20
"""Files that are looked into; of the rest only the names are listed."""


@dataclass(frozen=True)
class Proposal:
    """A proposed `store.toml`, and what there is to say of the files."""

    text: str
    findings: list[str]


def propose(paths: Sequence[Path]) -> Proposal:
    """Look into files, or folders of them, and propose a store file that reads them.

    The paths stand in it as they are given, so it has to be in the folder that they start from.

    Raises:
        ExportError: there is no file to look into, or none that can be read.
    """
    findings: list[str] = []
    samples = list(_samples(paths, findings))
    if not samples:
        raise ExportError("; ".join(findings) or "there is no file to look into")
    whole = _joined(samples, findings)
    names = [path.as_posix() for path in paths]
    # The first line is for editors.
    proposed = f"#:schema {SCHEMA_FILE.as_uri()}\n{text(names, Columns(whole, findings))}"
    return Proposal(proposed, findings)


def write_new(proposal: Proposal, file: Path) -> None:
    """Write the proposed file, where none is yet.

    Raises:
        SettingsError: there is one, or the folder cannot be written.
    """
    with output(file, "--out") as stream:
        stream.write(proposal.text)


def _samples(paths: Sequence[Path], findings: list[str]) -> Iterator[Sample]:
    source = Source.model_construct(
        files=tuple(path.as_posix() for path in paths), folder=Path(), format=None, postgres=None
    )
    listing = find(source)
    findings += listing.nothing
    findings += [f"{each.name} is passed over: {each.why}" for each in listing.passed_over]
    if len(listing.files) > _FILES:
        findings.append(f"of {len(listing.files):,} files, the first {_FILES} were looked into")
    for found in listing.files[:_FILES]:
        try:
            for file in members(found.name, found.open).files:
                yield _told(sample(file), file, findings)
        except ExportError as error:
            findings.append(str(error))


def _told(seen: Sample, file: Unpacked, findings: list[str]) -> Sample:
    more = "+" if seen.rows >= ROWS else ""
    findings.append(
        f"{file.name}: {file.format}, {seen.rows:,}{more} rows, {len(seen.columns)} columns: "
        f"{header.listed(list(seen.columns))}"
    )
    findings += seen.findings
    return seen


def _joined(samples: Sequence[Sample], findings: list[str]) -> Sample:
    """All files like the first as one: its columns that every one of them has."""
    first = samples[0]
    alike = [
        each
        for each in samples
        if each.format == first.format
        and 2 * len(each.columns.keys() & first.columns.keys()) >= len(first.columns)
    ]
    for other in samples:
        if other not in alike:
            findings.append(f"{other.name} is unlike {first.name}: {_apart(first, other)}")
        elif other.columns.keys() != first.columns.keys():
            new = [name for name in other.columns if name not in first.columns]
            gone = [name for name in first.columns if name not in other.columns]
            told = [f"it also has {header.listed(new)}"] * bool(new)
            told += [f"it lacks {header.listed(gone)}"] * bool(gone)
            findings.append(f"{other.name}, compared with {first.name}: {'; '.join(told)}")
    shared = [name for name in first.columns if all(name in each.columns for each in alike)]
    columns = {name: [cell for each in alike for cell in each.columns[name]] for name in shared}
    texts = {name: [cell for each in alike for cell in each.texts[name]] for name in shared}
    dialects = {(each.encoding, each.delimiter) for each in alike}
    if len(dialects) > 1:
        findings.append(
            f"the files are written in {len(dialects)} ways (encoding, delimiter): "
            f"{', '.join(map(str, sorted(dialects)))}; each needs a store file of its own"
        )
    return Sample(
        first.name, first.format, columns, texts, first.encoding, first.delimiter, first.sheets
    )


def _apart(first: Sample, other: Sample) -> str:
    """What to do with two files that are unlike."""
    shared = [
        name
        for name in first.columns.keys() & other.columns.keys()
        if {*filled(first.columns[name])} & {*filled(other.columns[name])}
    ]
    if shared:
        return (
            f"both have {header.listed(sorted(shared))}. If a sale is made of both, join them "
            "first, for instance in PostgreSQL, with the query as source.postgres: Vitrina joins "
            "no files. Else give each a store file of its own"
        )
    return "give it a store file of its own"
