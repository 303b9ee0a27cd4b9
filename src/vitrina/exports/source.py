"""Where a store's sales come from: the part `[source]` of `store.toml`, table by table.

The descriptions here are the file's reference: `docs/store-file.md` is made from them.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from vitrina.contract import ORDER_ID
from vitrina.exports import patterns

Name = Annotated[str, Field(min_length=1)]
Format = Literal["csv", "jsonl", "json", "parquet", "xlsx"]


DIGITS = 12
"""Digits of a quantity or an amount before the point; more than any shop's sale."""
_LIMIT = Decimal(10) ** DIGITS

TAKEN = {
    *("sale_id", "customer_id", "product_id", "quantity", "sale_date", "sale_amount", "region"),
    *(ORDER_ID, "file", "line", "file_number", "problems", "repaired", "set_aside", "version"),
    *("raw", "reasons", "repairs", "fits", "needs_repair", "reason", "example", "copies", "fate"),
    *("repeats_in_file", "is_refund", "rows_added"),
    *("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"),
}
"""Columns of the feed, of what the steps make, and of any table of PostgreSQL, which no field of a
store's own may be."""


FIELD_ORDER = (
    "sale_id",
    "customer_id",
    "product_id",
    "quantity",
    "sale_date",
    "sale_amount",
    "region",
    ORDER_ID,
)

_TABLE_OR_QUERY = re.compile(r"(?i)\s*SELECT\b|[^\W\d]\w*(\.[^\W\d]\w*)?$")


class TomlTable(BaseModel):
    """A table of the file; a key that it does not have is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Csv(TomlTable):
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


class Xlsx(TomlTable):
    """Which sheets of a workbook to read."""

    sheets: tuple[Name, ...] = Field(default=(), description="All unless given")


class Numbers(TomlTable):
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


class Column(TomlTable):
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


class Fields(TomlTable):
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


class Row(TomlTable):
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


class Refund(TomlTable):
    """An order's own column of what was refunded: one more row, a return, for each such order."""

    column: Name = Field(description="The column with what was refunded")
    product_id: str = Field(default="refund", description="Its product")


class AddUp(TomlTable):
    """Rows that are parts of one sale: their amounts are added, the first is kept."""

    by: tuple[Name, ...] = Field(min_length=1, description="Columns that are equal in the parts")


class Versions(TomlTable):
    """Which of several rows with one `sale_id` is the newest."""

    column: Name = Field(description="The greatest value is the newest, as a time or a number")
    format: str = Field(default="iso", description="Of a time, as for `sale_date`")

    @field_validator("format")
    @classmethod
    def _is_a_format(cls, format_: str) -> str:
        return _dates(format_)


class CurrencyColumn(TomlTable):
    """Which column says in what currency a row is; a row of another than the store's is rejected.

    A sign or a code beside the amount is read as well, with or without this column.
    """

    column: Name = Field(description="The column with a code such as EUR")


class Source(TomlTable):
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
        fixed = {name: getattr(self.fields, name) for name in FIELD_ORDER}
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


def _dates(format_: str) -> str:
    if format_ not in {patterns.ISO, patterns.UNIX}:
        patterns.expression(format_)
    return format_
