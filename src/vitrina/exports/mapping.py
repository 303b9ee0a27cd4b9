"""The mapping: a piece of a store's file in, rows of the feed out, field by field."""

import pyarrow as pa

from vitrina.exports.feed import Piece
from vitrina.store import Store


def mapped_schema(store: Store) -> pa.Schema:
    """The feed's columns, then those that `orders.complete` takes where it is needed."""
    raise NotImplementedError


def mapped(piece: Piece, store: Store, file: str, file_number: int) -> pa.RecordBatch:
    """The feed's rows of a piece, in `mapped_schema`."""
    raise NotImplementedError
