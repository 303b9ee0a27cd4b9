"""Sources and pieces of exports, for tests of their readers."""

from collections.abc import Iterable
from typing import Any

from vitrina.exports.feed import Piece
from vitrina.exports.source import Source


def source_of(*columns: str, **given: Any) -> Source:
    """A source that takes these columns, in this order."""
    fixed = ("sale_id", "product_id", "quantity", "sale_date", "sale_amount", "region")
    extra = {f"x{place}": {"column": name} for place, name in enumerate(columns)}
    fields = {**{name: {"constant": "1"} for name in fixed}, "extra": extra}
    return Source.model_validate({"files": ("sales",), "fields": fields, **given})


def rows_of(pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    """The rows: their line, their columns, which of these are `typed`, and what else is known."""
    found = []
    for piece in pieces:
        for place, line in enumerate(piece.lines.to_pylist()):
            row: dict[str, Any] = {"line": line}
            row |= {name: column[place].as_py() for name, column in piece.columns.items()}
            typed = {name for name, flags in piece.typed.items() if flags[place].as_py()}
            # A missing value has no type.
            row["typed"] = {name for name in typed if row[name] is not None}
            for name in ("problems", "repaired", "set_aside", "raw"):
                values = getattr(piece, name)
                if values is not None and values[place].is_valid:
                    row[name] = values[place].as_py()
            if piece.part:
                row["part"] = piece.part
            found.append(row)
    return found


def unmapped_of(pieces: Iterable[Piece]) -> list[str]:
    """Each name that nothing asked for, once."""
    return list(dict.fromkeys(name for piece in pieces for name in piece.unmapped))
