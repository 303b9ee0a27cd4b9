"""What the readers of files hand on, and the feed that comes of it.

    a file ─► reader ─► `Piece`s ─► mapping ─► feed ─► validate

A reader knows a format and no field; the mapping knows fields and no format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from vitrina.contract import Contract

FILE, LINE, FILE_NUMBER = "file", "line", "file_number"
PROBLEMS, REPAIRED = "problems", "repaired"
SET_ASIDE, VERSION, RAW = "set_aside", "version", "raw"


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, in the order of the file; all arrays are of one length."""

    columns: Mapping[str, pa.Array]
    """The columns that were asked for, as text; null where the row has no value."""
    lines: pa.Array
    """int64: the physical line on which a row begins, from 1; the row of a sheet; the row of a
    Parquet file."""
    typed: Mapping[str, pa.Array] = field(default_factory=dict)
    """bool, for columns of formats with types: whether the text was made of a number, a day or a
    time, and so is `1234.5`, `2026-11-24` or `2026-11-24T12:45:00+03:00` whatever is declared.
    A column that is not here is text as the store wrote it."""
    problems: pa.Array | None = None
    """list<string>: reasons to reject a row that cannot be read, null for others; None: no row."""
    repaired: pa.Array | None = None
    """list<string>: what was repaired in a whole row, null for others."""
    set_aside: pa.Array | None = None
    """string: why a row is no sale, such as `repeated header`; null for others."""
    raw: pa.Array | None = None
    """string: the text of a row that cannot be read; null for others."""
    part: str = ""
    """The sheet of a workbook of which several are read; a row then stands in `file[part]`."""
    unmapped: tuple[str, ...] = ()
    """Columns of the file that nothing asked for."""
    hidden: int = 0
    """Rows of the sheet that its workbook hides; told with the first piece of a sheet."""


def feed_schema(contract: Contract) -> pa.Schema:
    """The feed of a store's files: the contract's fields as text, and what is known of the row.

    A field's text is in the form that `steps/validate.py` reads (`1234.50`, `2026-11-24`), or as
    the store wrote it where `problems` says what is wrong with it.
    """
    return pa.schema(
        [
            *((name, pa.string()) for name in contract.names),
            (FILE, pa.string()),
            (LINE, pa.int64()),
            (FILE_NUMBER, pa.int32()),
            (PROBLEMS, pa.list_(pa.string())),
            (REPAIRED, pa.list_(pa.string())),
            (SET_ASIDE, pa.string()),
            (VERSION, pa.string()),
            (RAW, pa.string()),
        ]
    )
