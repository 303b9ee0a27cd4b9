"""A piece's columns, as the store's file speaks of them."""

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import Mask, Rows, as_mask, strings
from vitrina.exports.feed import Piece
from vitrina.exports.source import Source


class SourceColumns:
    """The texts of a piece, by the names of the source's columns."""

    def __init__(self, piece: Piece, source: Source) -> None:
        self.piece, self.source = piece, source
        self.count = len(piece.lines)
        self.nulls = pa.nulls(self.count, pa.string())
        self._texts: dict[str, pa.Array] = {}

    @cached_property
    def unread(self) -> Mask:
        """The rows whose fate the reader has decided."""
        mask = np.zeros(self.count, np.bool_)
        for decided in (self.piece.problems, self.piece.set_aside):
            if decided is not None:
                mask |= as_mask(decided.is_valid())
        return mask

    def text(self, name: str) -> pa.Array:
        """A column of the source; null where its text means that there is no value."""
        if name not in self._texts:
            found = strings(self.piece.columns[name])
            if self.source.missing:
                missing = pa.array(self.source.missing, pa.string())
                is_missing = pc.is_in(pc.utf8_trim_whitespace(found), missing)
                found = pc.if_else(is_missing, pa.scalar(None, pa.string()), found)
            self._texts[name] = found
        return self._texts[name]

    def split(self, *names: str) -> tuple[Rows | None, Rows | None]:
        """The rows in which these columns are text, and those in which all are typed.

        None stands for all rows.
        """
        typed = np.full(self.count, bool(names))
        for name in names:
            typed &= self.typed(name)
        return self.divided(typed)

    def divided(self, typed: Mask) -> tuple[Rows | None, Rows | None]:
        """The rows that are not in the mask, and those that are; None stands for all rows."""
        none = np.empty(0, np.int64)
        if not typed.any():
            return None, none
        return (none, None) if typed.all() else (np.flatnonzero(~typed), np.flatnonzero(typed))

    def typed(self, name: str) -> Mask:
        """The rows in which a column was a number, a day or a time."""
        typed = self.piece.typed.get(name)
        return np.zeros(self.count, np.bool_) if typed is None else as_mask(typed)
