"""Columns of text under work: what they came to, and what was found wrong or repaired in them.

Nearly every file needs work in few columns, and there each distinct text once. So a column is
looked at as bytes first, which costs next to nothing; what may need work is read by plain Python,
a text at a time, and put back into the rows that have it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rows = npt.NDArray[np.int64]
"""Numbers of rows within a piece, from 0."""
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


class Read(NamedTuple):
    """What one text came to."""

    text: str | None
    """Canonical; as the store wrote it where there is a problem."""
    problem: str | None = None
    """A rule of the field, or the reason to reject the whole row."""
    repairs: tuple[str, ...] = ()


Reader = Callable[[str], Read]


@dataclass
class Notes:
    """Names that stand beside rows: reasons, or repairs."""

    found: dict[str, list[Rows]] = field(default_factory=dict)

    def add(self, name: str, rows: Rows) -> None:
        if len(rows):
            self.found.setdefault(name, []).append(rows)

    def add_all(self, other: "Notes", named: Callable[[str], str] | None = None) -> None:
        for name, parts in other.found.items():
            for rows in parts:
                self.add(name if named is None else named(name), rows)

    def forget(self, mask: Mask) -> None:
        """Take the names away from these rows."""
        self.found = {
            name: [rows[~mask[rows]] for rows in parts] for name, parts in self.found.items()
        }

    def renamed(self, old: str, new: str) -> "Notes":
        return Notes({new if name == old else name: rows for name, rows in self.found.items()})

    def mask(self, count: int) -> Mask:
        """Which of `count` rows have any."""
        noted = np.zeros(count, np.bool_)
        for parts in self.found.values():
            for rows in parts:
                noted[rows] = True
        return noted

    def lists(self, count: int, beside: pa.Array | None, silent: Mask) -> pa.Array:
        """list<string> of `count` rows: the names beside each, after those of `beside`.

        Null for a row without any. `silent` rows get none of these notes.
        """
        type_ = pa.list_(pa.string())
        parts: list[tuple[Rows, pa.Array]] = []
        if beside is not None:
            flat = pc.list_flatten(beside)
            parts.append((pc.list_parent_indices(beside).to_numpy(), flat))
        for name, each in self.found.items():
            rows = np.unique(np.concatenate(each))
            rows = rows[~silent[rows]]
            parts.append((rows, pa.repeat(pa.scalar(name), len(rows))))
        rows = np.concatenate([part for part, _ in parts]) if parts else np.empty(0, np.int64)
        if not len(rows):
            return pa.nulls(count, type_)
        names = pa.concat_arrays([part.cast(pa.string()) for _, part in parts])
        sizes = np.bincount(rows, minlength=count)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        return pa.ListArray.from_arrays(
            pa.array(offsets),
            names.take(pa.array(np.argsort(rows, kind="stable"))),
            mask=pa.array(sizes == 0),
        )


@dataclass
class Cells:
    """A column: its texts, and the rules broken and repairs made in it."""

    texts: pa.Array
    problems: Notes = field(default_factory=Notes)
    repairs: Notes = field(default_factory=Notes)


def strings(texts: Any) -> pa.Array:
    """A column as one array of `string`."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return texts if texts.type == pa.string() else texts.cast(pa.string())


def bytes_of(texts: pa.Array) -> Bytes:
    """The bytes of all texts of a column, one after the other."""
    ends = ends_of(texts)
    data = texts.buffers()[2]
    if data is None:
        return np.empty(0, np.uint8)
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def ends_of(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Where each text begins and the last ends, in the column's bytes."""
    offsets = texts.buffers()[1]
    if not len(texts) or offsets is None:
        return np.zeros(1, np.int32)
    return np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]


def read_each(cells: Cells, reader: Reader, rows: Rows | None = None) -> None:
    """Read the texts of these rows, each distinct one once; all of them unless given."""
    if rows is not None and not len(rows):
        return
    chosen = cells.texts if rows is None else cells.texts.take(pa.array(rows))
    encoded = chosen.dictionary_encode()
    found = [reader(text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices
    _put(cells, pa.array([read.text for read in found], pa.string()).take(codes), rows)
    if not any(read.problem or read.repairs for read in found):
        return
    places = codes.fill_null(-1).to_numpy(zero_copy_only=False)

    def where(notes: list[bool]) -> Rows:
        # The last stands for rows without a value.
        here = np.flatnonzero(np.array([*notes, False])[places])
        return here if rows is None else rows[here]

    for problem in dict.fromkeys(read.problem for read in found if read.problem):
        cells.problems.add(problem, where([read.problem == problem for read in found]))
    for repair in dict.fromkeys(repair for read in found for repair in read.repairs):
        cells.repairs.add(repair, where([repair in read.repairs for read in found]))


def _put(cells: Cells, texts: pa.Array, rows: Rows | None) -> None:
    if rows is None:
        cells.texts = texts
        return
    mask = np.zeros(len(cells.texts), np.bool_)
    mask[rows] = True
    cells.texts = pc.replace_with_mask(cells.texts, pa.array(mask), texts)


def blank_as_null(texts: pa.Array) -> pa.Array:
    """Texts; null where there is nothing but white space."""
    blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), texts)


def as_mask(flags: pa.Array) -> Mask:
    """Which are true; null is not."""
    mask: Mask = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return mask
