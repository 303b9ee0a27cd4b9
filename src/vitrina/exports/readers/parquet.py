"""Parquet: batches of each row group, its types as text by Arrow's kernels."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import pyarrow as pa

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.feed import Piece
from vitrina.exports.readers.typed import as_text, has_text, numbered
from vitrina.exports.source import Source
from vitrina.visible import revealed

_ROWS = 65_536
"""Rows of a piece."""
_BUFFER = 2**20
"""Bytes of a column that are read ahead; without a bound, a whole row group is."""


def read(stream: BinaryIO, file: str, source: Source) -> Iterator[Piece]:
    """The rows of a file, numbered from 1.

    Raises:
        ExportError: a mapped name is missing or doubled, a mapped column holds lists or the like,
            or the file is damaged.
    """
    from pyarrow import parquet

    first = 1
    try:
        # Checksums are compared where the file has some: without them, a flipped bit is a value.
        opened = parquet.ParquetFile(
            stream, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
        )
        names = opened.schema_arrow.names
        places = header.positions(file, names, source.columns)
        _refuse_nested(file, opened.schema_arrow, places)
        for batch in opened.iter_batches(_ROWS, columns=list(places)):
            texts = {name: as_text(batch.column(name)) for name in places}
            yield numbered(texts, first, header.unmapped(names, source.columns))
            first += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"{file}, after row {first - 1}: it is damaged, or no Parquet: "
            f"{' '.join(str(error).split())}; export it again"
        ) from error


def _refuse_nested(file: str, schema: pa.Schema, places: Mapping[str, int]) -> None:
    for name, place in places.items():
        if not has_text(schema.field(place).type):
            raise ExportError(
                f"{file}: {revealed(name)} holds {schema.field(place).type}, which is no "
                "text, number, day or time; map another column, or export it as one of these"
            )
