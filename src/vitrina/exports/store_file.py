"""`store.toml`: what a store's sales are, where they come from, and what each column means.

A run does what the file says and guesses nothing; `vitrina inspect` proposes one. The models
here are the file's reference: their JSON Schema is published for editors, and
`docs/store-file.md` is made from it.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator

from vitrina import contract
from vitrina.columns import Date, FieldType, FreeText, Integer, Label, Numeric
from vitrina.contract import ORDER_ID, Contract
from vitrina.errors import SettingsError
from vitrina.exports import patterns
from vitrina.exports.source import DIGITS, Extra, Fields, Id, Source, TomlTable
from vitrina.store import Store


class StoreFile(TomlTable):
    """The whole file."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="Names the store's schema in PostgreSQL, its database in ClickHouse and its "
        "folder in the lake",
    )
    title: str = Field(description="What people call it, on dashboards")
    time_zone: str = Field(
        default=contract.TIME_ZONE,
        description="Where its days begin, such as Europe/Berlin; required if sales have times",
    )
    currency: str | None = Field(
        default=None, pattern=r"^[A-Z]{3}$", description="Of all amounts, such as EUR"
    )
    days: int = Field(default=365, ge=1, description="How many days a batch covers")
    source: Source

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone} is no time zone of the IANA, such as Europe/Moscow")
        return zone

    @model_validator(mode="after")
    def _knows_its_zone(self) -> Self:
        timed = [name for name, format_ in self._formats() if _has_times(format_)]
        if timed and "time_zone" not in self.model_fields_set:
            raise ValueError(f"time_zone is missing: {timed[0]} has times, whose day it decides")
        return self

    def _formats(self) -> Iterator[tuple[str, str]]:
        """The formats of the columns that become days."""
        yield "source.fields.sale_date", self.source.fields.sale_date.format
        for name, extra in self.source.fields.extra.items():
            if extra.type == "date":
                yield f"source.fields.extra.{name}", extra.format

    @model_validator(mode="after")
    def _knows_its_currency(self) -> Self:
        if self.source.currency is not None and self.currency is None:
            raise ValueError("source.currency compares with the store's currency: give currency")
        return self

    def store(self) -> Store:
        """The store that the file describes."""
        return Store(
            self.name,
            self.title,
            Contract(_fields(self.source.fields), self.days),
            self.time_zone,
            self.currency,
            self.source,
            names_zone="time_zone" in self.model_fields_set,
        )


def load_store(file: Path | str) -> Store:
    """Read a store's file.

    Raises:
        SettingsError: it cannot be read or is not as it should be; names the key and, where a
            key is misspelt, its nearest neighbour.
    """
    file = Path(file)
    try:
        document = tomllib.loads(_text_of(file), parse_float=Decimal)
    # The second is a number of thousands of digits, the third a table many tables deep.
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise SettingsError(f"{_shown(str(file))} is not TOML: {_shown(str(error))}") from error
    try:
        _refuse_folder(document.get("source"))
        found = StoreFile.model_validate(document)
        source = found.source.model_copy(update={"folder": file.absolute().parent})
        return replace(found.model_copy(update={"source": source}).store(), file=file)
    except ValidationError as error:
        told = _told(error)
    except SettingsError as error:
        told = str(error)
    raise SettingsError(f"{_shown(str(file))}: {_shown(told)}; see docs/store-file.md")


@dataclass(frozen=True)
class Named:
    """One of the stores of a folder: the store, or why there is none."""

    name: str
    file: Path
    store: Store | None
    error: str = ""


def load_stores(folder: Path) -> tuple[Named, ...]:
    """The stores of a folder, a file each, in the order of their names.

    One that cannot be read takes none of the others away. Where two files have one name, neither
    is read.

    Raises:
        SettingsError: there are none.
    """
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix == ".toml")
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error.strerror}") from error
    if not files:
        raise SettingsError(f"{folder} has no store in it; put a file such as berlin.toml there")
    by_name: dict[str, list[Named]] = {}
    for file in files:
        found = _named(file)
        by_name.setdefault(found.name, []).append(found)
    return tuple(_only(by_name[name]) for name in sorted(by_name))


def _refuse_folder(source: Any) -> None:
    # The model has it, for the place of the file itself.
    if isinstance(source, dict) and "folder" in source:
        raise SettingsError("source.folder is not a key; files are relative to this file")


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{_shown(str(file))} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{_shown(str(file))} is not in UTF-8: {error}") from error
    except ValueError as error:
        raise SettingsError(f"{_shown(str(file))} cannot be read: {error}") from error


def _named(file: Path) -> Named:
    try:
        store = load_store(file)
    except SettingsError as error:
        return Named(_name_in(file), file, None, str(error))
    return Named(store.name, file, store)


def _name_in(file: Path) -> str:
    """The name of a store whose file is not as it should be, so that it keeps its DAG."""
    with suppress(SettingsError):
        if found := _NAME_LINE.search(_text_of(file)):
            return found[1]
    return re.sub(r"[^a-z0-9_]", "_", file.stem.lower())


_NAME_LINE = re.compile(r"""(?m)^\s*name\s*=\s*["']([a-z][a-z0-9_]{0,39})["']""")


def _only(found: list[Named]) -> Named:
    """The store of this name, or that several files have it."""
    first, *others = found
    if not others:
        return first
    files = " and ".join(str(each.file) for each in found)
    return Named(
        first.name,
        first.file,
        None,
        f"{files} have the same name, {first.name}; a store has one file, so give one of them "
        "another name",
    )


_INT64 = 2**63 - 1


def _fields(fields: Fields) -> tuple[contract.Field, ...]:
    """The contract's fields, in the order of `FIELD_ORDER`, then those of the store's own."""
    customer = fields.customer_id or Id(constant="", optional=True)
    amount, quantity, region = fields.sale_amount, fields.quantity, fields.region
    found = [
        _id("sale_id", "Identifies the sale", fields.sale_id),
        _id("customer_id", "Who bought", customer, nullable=customer.optional),
        _id("product_id", "What was sold", fields.product_id),
        contract.Field(
            "quantity",
            Numeric(15, quantity.decimals) if quantity.decimals else Integer(64),
            "Units sold; below 0 if returned",
            minimum=quantity.minimum,
            maximum=quantity.maximum,
        ),
        contract.Field("sale_date", Date(), "Day of the sale, within the batch's window"),
        contract.Field(
            "sale_amount",
            Numeric(DIGITS + amount.decimals, amount.decimals),
            "Money received; below 0 if returned",
            minimum=amount.minimum,
            maximum=amount.maximum,
        ),
        contract.Field(
            "region",
            Label(),
            "Where it was sold",
            allowed=region.allowed,
            synonyms=tuple(region.synonyms.items()),
            other=region.other,
        ),
    ]
    if fields.order_id is not None:
        found.append(_id(ORDER_ID, "The order it belongs to", fields.order_id))
    return (*found, *(_extra(name, extra) for name, extra in fields.extra.items()))


def _id(name: str, description: str, id_: Id, nullable: bool = False) -> contract.Field:
    if id_.type == "text":
        return contract.Field(name, FreeText(), description, nullable=nullable)
    return contract.Field(name, Integer(64), description, nullable, minimum=1, maximum=_INT64)


def _extra(name: str, extra: Extra) -> contract.Field:
    types: dict[str, FieldType] = {
        "text": FreeText(),
        "integer": Integer(64),
        "decimal": Numeric(min(38, 18 + extra.decimals), extra.decimals),
        "date": Date(),
    }
    return contract.Field(name, types[extra.type], extra.description or name, extra.optional)


def json_schema() -> dict[str, Any]:
    """What the file may say, as JSON Schema, for editors. TOML knows no null, nor does it."""
    schema: dict[str, Any] = _for_editors(StoreFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _for_editors(schema: Any) -> Any:
    """Without null, and without the titles, which repeat the keys."""
    if isinstance(schema, list):
        return [_for_editors(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _for_editors(each) for key, each in schema.items() if not _is_title(key, each)}
    if kept.get("default", ...) is None:
        del kept["default"]
    choices = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        return choices[0] | kept
    return kept | {"anyOf": choices} if choices else kept


def _is_title(key: str, value: Any) -> bool:
    """A property may be called `title`, too."""
    return key == "title" and isinstance(value, str)


def _has_times(format_: str) -> bool:
    """Whether every text of a format is a time; those of `iso` may be dates as well."""
    if format_ in {patterns.ISO, patterns.UNIX}:
        return format_ == patterns.UNIX
    groups = re.compile(patterns.expression(format_)).groupindex
    return bool({"hour", "hour12"} & groups.keys())


def _told(error: ValidationError) -> str:
    """The first mistake, by its key, and the key that was probably meant."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] not in {"missing", "extra_forbidden"}:
        said = first["msg"].removeprefix("Value error, ")
        return f"{key}: {said}" if key else said
    *place, last = first["loc"]
    if isinstance(last, int):
        return f"{key} is missing"
    known = _keys(place)
    if first["type"] == "missing":
        meaning = str(known[last].get("description", "")).partition("\n")[0]
        return f"{key} is missing" + (f": {meaning.rstrip('.')}" if meaning else "")
    near = difflib.get_close_matches(last, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"{key} is not a key; {hint}"


def _keys(place: Sequence[int | str]) -> dict[str, dict[str, Any]]:
    """The keys that the table at this place may have, each with its schema."""
    schema = json_schema()
    here = schema
    for part in place:
        if isinstance(part, int):
            here = here["items"]
        elif part in here.get("properties", {}):
            here = here["properties"][part]
        else:
            # A table whose keys the store chooses.
            (here,) = here["patternProperties"].values()
        here = _resolved(here, schema)
    return {key: _resolved(each, schema) for key, each in here["properties"].items()}


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema, itself rather than a reference to it."""
    if "$ref" not in part:
        return part
    definition: dict[str, Any] = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
    return definition | part


def _shown(text: str) -> str:
    """In one line, whatever characters a file has in its keys."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
