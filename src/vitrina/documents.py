"""JSON documents of the lake, which may have been damaged, read as the types that wrote them."""

import json
from collections.abc import Hashable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from annotated_types import Interval

from vitrina.errors import VitrinaError
from vitrina.visible import revealed

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Pydantic is imported when a document is read: `vitrina --help` reads none.

Document = dict[str, Any]
Kind = TypeVar("Kind")

Whole = Annotated[int, Interval(ge=0, lt=2**63)]
"""Rows, bytes and the like: what both stores have room for."""


class Unreadable(VitrinaError):
    """Why a document is not what was written; who knows its place makes a CorruptFile of it."""


def parse(text: bytes) -> Document:
    """The object that a document holds.

    Raises:
        Unreadable: it is no JSON, or no object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unreadable("no JSON object")
    return found


def read(kind: type[Kind], document: object) -> Kind:
    """A dataclass or a typed dictionary from what it has in JSON; further keys do not matter.

    Raises:
        Unreadable: a key is missing or has a value of another kind.
    """
    from pydantic import ValidationError

    try:
        found: Kind = _adapter(cast("Hashable", kind)).validate_json(
            json.dumps(document), strict=True
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = revealed(".".join(map(str, first["loc"])))
        raise Unreadable(f"{place}: {first['msg']}" if place else first["msg"]) from error
    return found


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
