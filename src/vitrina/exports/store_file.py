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
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from vitrina import contract
from vitrina.columns import Date, FieldType, FreeText, Integer, Label, Numeric
from vitrina.contract import ORDER_ID, Contract
from vitrina.errors import SettingsError
from vitrina.exports import patterns
from vitrina.store import Store

Name = Annotated[str, Field(min_length=1)]
Format = Literal["csv", "jsonl", "json", "parquet", "xlsx"]


_DIGITS = 12
"""Digits of a quantity or an amount before the point; more than any shop's sale."""
_LIMIT = Decimal(10) ** _DIGITS

TAKEN = {
    *("sale_id", "customer_id", "product_id", "quantity", "sale_date", "sale_amount", "region"),
    *(ORDER_ID, "file", "line", "file_number", "problems", "repaired", "set_aside", "version"),
    *("raw", "reasons", "repairs", "fits", "needs_repair", "reason", "example", "copies", "fate"),
    *("repeats_in_file", "is_refund", "rows_added"),
    *("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"),
}
"""Columns of the feed, of what the steps make, and of any table of PostgreSQL, which no field of a
store's own may be."""


class _Table(BaseModel):
    """A table of the file; a key that it does not have is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Csv(_Table):
    """How files of separated values are written."""

    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="What stands between two cells"
    )
    quote: str = Field(
        default='"', max_length=1, description='The mark around a text; "" if there is none'
    )
    encoding: str = Field(default="utf-8", description="A name that Python knows")

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ValueError("encoding is none that Python knows, such as cp1251") from None
        if self.delimiter in {self.quote, "\r", "\n"}:
            raise ValueError("delimiter is neither the quote nor a line's end")
        return self


class Xlsx(_Table):
    """Which sheets of a workbook to read."""

    sheets: tuple[Name, ...] = Field(default=(), description="All unless given")


class Numbers(_Table):
    """How numbers are written in text."""

    decimal: Literal[".", ","] = Field(default=".", description="Before the decimals")
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        default="", description='Between groups of three digits; " " is any kind of space'
    )
    round: bool = Field(
        default=False,
        description="Round decimals that the field does not keep, half away from zero; a row "
        "with such a number is rejected unless set",
    )


class Column(_Table):
    """How one field is made from the columns of a row. Exactly one of the first four is given."""

    column: Name | None = Field(default=None, description="The column that holds it")
    columns: tuple[Name, ...] = Field(
        default=(), description="Columns joined by `separator`; with `first`, alternatives"
    )
    constant: str | None = Field(default=None, description="The same for every row")
    multiply: tuple[Name, Name] | None = Field(
        default=None, description="The product of two columns, such as quantity and price"
    )
    minus: Name | None = Field(
        default=None, description="A column to subtract, such as a line's discount"
    )
    first: bool = Field(
        default=False, description="Take the first of `columns` that has a value; join none"
    )
    separator: str = Field(default="/", description="Between the parts of a joined text")
    place: Literal["order", "file"] | None = Field(
        default=None,
        description="Append the line's place, from 1: in its order, which is the value so far, "
        "or in its file",
    )
    carried_down: bool = Field(
        default=False,
        description="Where it is missing, take it from the line above of the same order "
        "(`source.order`)",
    )

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        given = [self.column, self.columns or None, self.constant, self.multiply]
        if sum(each is not None for each in given) != 1 and not (
            self.place == "file" and not any(given)
        ):
            raise ValueError("give one of column, columns, constant and multiply")
        return self

    @model_validator(mode="after")
    def _computes_numbers(self) -> Self:
        is_number = isinstance(self, Quantity | Amount) or (
            isinstance(self, Extra) and self.type in {"integer", "decimal"}
        )
        if not is_number and (self.multiply or self.minus):
            raise ValueError("multiply and minus give numbers, and this is none")
        is_text = getattr(self, "type", "text") == "text" and not isinstance(self, Day)
        if self.place is not None and (is_number or not is_text):
            raise ValueError("place gives a text, and this is none")
        return self

    @field_validator("format", check_fields=False)
    @classmethod
    def _is_a_format(cls, format_: str) -> str:
        return _dates(format_)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the source that it takes."""
        single = [name for name in (self.column, self.minus) if name is not None]
        return (*self.columns, *(self.multiply or ()), *single)


class Id(Column):
    """An id: text, or a whole number of 64 bits."""

    type: Literal["text", "integer"] = Field(
        default="text", description="As text, `007` and `7` are two ids"
    )
    optional: bool = Field(default=False, description="Whether a sale may be without")


class Number(Column):
    """A number with limits of the store's own, both of them allowed values."""

    decimals: int
    minimum: Decimal | None = Field(
        default=None, gt=-_LIMIT, lt=_LIMIT, description="The least that is allowed"
    )
    maximum: Decimal | None = Field(
        default=None, gt=-_LIMIT, lt=_LIMIT, description="The most that is allowed"
    )

    @model_validator(mode="after")
    def _has_limits_that_hold(self) -> Self:
        for name, limit in (("minimum", self.minimum), ("maximum", self.maximum)):
            if limit is not None and limit != round(limit, self.decimals):
                raise ValueError(f"{name} has more decimals than the field, {self.decimals}")
        least, most = self.minimum, self.maximum
        if least is not None and most is not None and least > most:
            raise ValueError("minimum is above maximum, so no value is allowed")
        return self


class Quantity(Number):
    """Units sold, or their weight."""

    decimals: int = Field(default=0, ge=0, le=3, description="Digits after the point")


class Day(Column):
    """The day of a sale, from a date or a time."""

    format: str = Field(
        default="iso",
        description="`iso` for 2026-11-24 and 2026-11-24T12:45:00+03:00, `unix` for seconds "
        "since 1970, or a pattern of d dd M MM yy yyyy H HH mm ss a, and of the rest as it stands: "
        "dd.MM.yyyy HH:mm:ss",
    )
    zone: str | None = Field(
        default=None, description="Of times that name none; the store's unless given"
    )


class Amount(Number):
    """Money of one line of a sale."""

    decimals: int = Field(default=2, ge=0, le=4, description="Digits after the point")


class Region(Column):
    """Where it was sold."""

    allowed: tuple[Name, ...] = Field(default=(), description="Any unless given")
    synonyms: dict[str, str] = Field(
        default={}, description='What else means one of the allowed: `Север = "North"`'
    )
    other: str | None = Field(
        default=None, description="What the rest is read as; it is rejected unless given"
    )

    @model_validator(mode="after")
    def _lists_what_it_needs(self) -> Self:
        if self.other is not None and not self.allowed:
            raise ValueError("other is for what is not allowed; give allowed as well")
        for meant in self.synonyms.values():
            if self.allowed and meant not in (*self.allowed, self.other):
                raise ValueError(f"synonyms: {meant} is not one of allowed")
        return self


class Extra(Column):
    """A field of the store's own, carried into `sale`."""

    type: Literal["text", "integer", "decimal", "date"] = Field(
        default="text", description="What it is in `sale`"
    )
    decimals: int = Field(default=2, ge=0, le=9, description="Of a decimal, after the point")
    optional: bool = Field(default=True, description="Whether a sale may be without")
    format: str = Field(default="iso", description="Of a date, as for `sale_date`")
    description: str = Field(default="", description="What it means, for people")


class Fields(_Table):
    """The fields of a sale, each with where it comes from."""

    sale_id: Id
    customer_id: Id | None = Field(default=None, description="Left out, no sale has a customer")
    product_id: Id
    quantity: Quantity
    sale_date: Day
    sale_amount: Amount
    region: Region
    order_id: Id | None = Field(default=None, description="The order that a sale belongs to")
    extra: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Extra] = Field(
        default={}, description="Fields of the store's own, by their names"
    )

    @field_validator("extra")
    @classmethod
    def _has_names_that_are_free(cls, extra: dict[str, Extra]) -> dict[str, Extra]:
        for name in extra:
            if name in TAKEN or name.startswith(("raw_", "text_")):
                raise ValueError(f"{name} is a name of Vitrina's own; choose another")
        return extra


class Row(_Table):
    """What a row is, by the value of a column. The first rule that applies decides."""

    column: Name = Field(description="The column that tells")
    equals: tuple[str, ...] = Field(
        default=(), description="The column has one of these texts, or numbers equal to one"
    )
    starts_with: tuple[str, ...] = Field(
        default=(), description="The column begins with one of these texts"
    )
    is_blank: bool | None = Field(default=None, description="The column has no value, or has one")
    negate: bool = Field(default=False, description="The rule applies to all other rows")
    fate: Literal["sale", "return", "set aside"] = Field(
        default="set aside",
        description="`return` makes quantity and amount negative where they are above 0; a row "
        "that is set aside is no sale and no mistake",
    )
    quantity: Decimal | None = Field(
        default=None, description="The quantity of such a row, whatever the file has; 0 for money"
    )
    why: str = Field(default="", description="The column's value unless given")
    in_order: bool = Field(
        default=False, description="It holds for the lines below of the same order as well"
    )

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        if sum((bool(self.equals), bool(self.starts_with), self.is_blank is not None)) != 1:
            raise ValueError("give one of equals, starts_with and is_blank")
        return self


class Refund(_Table):
    """An order's own column of what was refunded: one more row, a return, for each such order."""

    column: Name = Field(description="The column with what was refunded")
    product_id: str = Field(default="refund", description="Its product")


class AddUp(_Table):
    """Rows that are parts of one sale: their amounts are added, the first is kept."""

    by: tuple[Name, ...] = Field(min_length=1, description="Columns that are equal in the parts")


class Versions(_Table):
    """Which of several rows with one `sale_id` is the newest."""

    column: Name = Field(description="The greatest value is the newest, as a time or a number")
    format: str = Field(default="iso", description="Of a time, as for `sale_date`")

    @field_validator("format")
    @classmethod
    def _is_a_format(cls, format_: str) -> str:
        return _dates(format_)


class CurrencyColumn(_Table):
    """Which column says in what currency a row is; a row of another than the store's is rejected.

    A sign or a code beside the amount is read as well, with or without this column.
    """

    column: Name = Field(description="The column with a code such as EUR")


class Source(_Table):
    """Where the sales come from: files, or a table of PostgreSQL."""

    files: tuple[Name, ...] = Field(
        default=(),
        description="Paths, patterns and folders, relative to this file, or s3:// addresses",
    )
    format: Format | None = Field(default=None, description="By the file's name unless given")
    csv: Csv = Csv()
    xlsx: Xlsx = Xlsx()
    postgres: str | None = Field(
        default=None, description="A table, or a query that begins with SELECT, instead of files"
    )
    postgres_dsn_variable: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = Field(
        default=None, description="The environment variable with the address of that PostgreSQL"
    )
    numbers: Numbers = Numbers()
    missing: tuple[str, ...] = Field(
        default=(), description="Texts that mean that there is no value, besides an empty one"
    )
    totals: tuple[Name, ...] = Field(
        default=(), description="Rows whose first cell begins so are totals, and set aside"
    )
    order: tuple[Name, ...] = Field(
        default=(), description="Columns that are equal in the lines of one order"
    )
    currency: CurrencyColumn | None = None
    rows: tuple[Row, ...] = Field(
        default=(),
        description="What rows are that are no plain sales; the first that applies decides",
    )
    refund: Refund | None = None
    add_up: AddUp | None = None
    versions: Versions | None = None
    fields: Fields
    folder: SkipJsonSchema[Path] = Field(
        default=Path(), exclude=True, description="Where the file stands"
    )

    @field_validator("files")
    @classmethod
    def _holds_no_secret(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for file in files:
            if "://" in file and not re.fullmatch(r"s3://[^@?#]+", file):
                raise ValueError(
                    "an address is s3://bucket/path; keys go into the environment, see docs/lake.md"
                )
        return files

    @field_validator("postgres")
    @classmethod
    def _is_a_table_or_a_query(cls, postgres: str | None) -> str | None:
        if postgres is not None and not _TABLE_OR_QUERY.match(postgres):
            raise ValueError(
                "give a table, such as shop.orders, or a query that begins with SELECT; the "
                "address goes into the environment, under the name in postgres_dsn_variable"
            )
        return postgres

    @field_validator("postgres_dsn_variable")
    @classmethod
    def _is_no_misspelt_setting(cls, name: str | None) -> str | None:
        if name is not None and name.startswith("VITRINA_") and name != "VITRINA_POSTGRES_DSN":
            raise ValueError("names that begin with VITRINA_ are settings; choose another")
        return name

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if bool(self.files) == bool(self.postgres):
            raise ValueError("give either files or postgres")
        if bool(self.postgres) != bool(self.postgres_dsn_variable):
            raise ValueError("postgres and postgres_dsn_variable go together")
        if self.refund is not None and self.fields.sale_id.type != "text":
            raise ValueError("refund makes ids such as #1001/refund: sale_id has to be text")
        needs_order = self.refund is not None or any(
            each.carried_down for each in self.mapped.values()
        )
        if (needs_order or any(row.in_order for row in self.rows)) and not self.order:
            raise ValueError("carried_down, in_order and refund need source.order")
        return self

    @property
    def mapped(self) -> dict[str, Column]:
        """How each field of the contract is made, by its name, in the contract's order."""
        fixed = {name: getattr(self.fields, name) for name in _ORDER}
        return {
            **{name: column for name, column in fixed.items() if column is not None},
            **self.fields.extra,
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the files that something here names, each once."""
        named = [
            *(name for column in self.mapped.values() for name in column.names),
            *self.order,
            *(row.column for row in self.rows),
            *([self.currency.column] if self.currency else []),
            *([self.refund.column] if self.refund else []),
            *(self.add_up.by if self.add_up else []),
            *([self.versions.column] if self.versions else []),
        ]
        return tuple(dict.fromkeys(named))


class StoreFile(_Table):
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


_TABLE_OR_QUERY = re.compile(r"(?i)\s*SELECT\b|[^\W\d]\w*(\.[^\W\d]\w*)?$")


def source_of(store: Store) -> Source:
    """Where a store's own sales come from.

    Raises:
        SettingsError: its sales are generated.
    """
    if store.source is None:
        raise SettingsError(f"{store.name} has no files of its own: its sales are generated")
    return store.source


_ORDER = (
    "sale_id",
    "customer_id",
    "product_id",
    "quantity",
    "sale_date",
    "sale_amount",
    "region",
    ORDER_ID,
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
    """The contract's fields, in the order of `_ORDER`, then those of the store's own."""
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
            Numeric(_DIGITS + amount.decimals, amount.decimals),
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


def _dates(format_: str) -> str:
    if format_ not in {patterns.ISO, patterns.UNIX}:
        patterns.expression(format_)
    return format_


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
