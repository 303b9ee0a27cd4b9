"""What a store answers to a query of a user's own, a block of rows at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Row = tuple[Any, ...]

SECONDS = 60
"""How long a query may take."""


class Answer(NamedTuple):
    """The names of its columns, and its rows, which can be read once."""

    names: tuple[str, ...]
    blocks: Iterator[list[Row]]

    def whole(self) -> tuple[tuple[str, ...], list[Row]]:
        """The names and all rows."""
        return self.names, [row for block in self.blocks for row in block]
