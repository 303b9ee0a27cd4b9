"""What a column can be, in the words of every engine.

The contract, the marts and the ledger declare their columns with these types. Spark, Arrow,
PostgreSQL and ClickHouse each get their own spelling from here, so the four cannot drift apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Integer:
    bits: Literal[32, 64]


@dataclass(frozen=True)
class Numeric:
    """`precision` digits in all, `scale` of them after the point."""

    precision: int
    scale: int


@dataclass(frozen=True)
class Date:
    pass


@dataclass(frozen=True)
class Label:
    """A short label with few distinct values: a region, a class, a reason."""


@dataclass(frozen=True)
class FreeText:
    """Text of any kind, such as a store's own id, or a file's name."""


@dataclass(frozen=True)
class Amount:
    """A sum of decimals that has to hold whatever the contract says one day.

    PostgreSQL keeps it without a limit; elsewhere it has `precision` digits, `scale` of them
    after the point.
    """

    precision: int
    scale: int


@dataclass(frozen=True)
class Timestamp:
    """A moment in UTC, exact to the millisecond at least."""


@dataclass(frozen=True)
class Boolean:
    pass


FieldType = Integer | Numeric | Date | Label | FreeText
"""What a field of a sale can be."""

ColumnType = FieldType | Amount | Timestamp | Boolean


@dataclass(frozen=True)
class Column:
    """One column of a table. `description` says what it holds, in which unit."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = False


def spark_type(type_: ColumnType) -> str:
    """The type's name in Spark SQL.

    >>> spark_type(Numeric(12, 2))
    'decimal(12,2)'
    """
    match type_:
        case Integer(bits):
            return "int" if bits == 32 else "bigint"
        case Numeric(precision, scale) | Amount(precision, scale):
            return f"decimal({precision},{scale})"
        case Date():
            return "date"
        case Label() | FreeText():
            return "string"
        case Timestamp():
            return "timestamp"
        case Boolean():
            return "boolean"


def arrow_schema(columns: Iterable[Column]) -> "pa.Schema":
    """The columns as Arrow has them.

    >>> arrow_schema([Column("share", Numeric(7, 6), "Share of the amount, of 1")])
    share: decimal128(7, 6)
    """
    # Imported late, since a DAG file that only names the marts needs no Arrow.
    import pyarrow as pa

    return pa.schema([(column.name, _arrow_type(column.type)) for column in columns])


def read_rows(text: IO[bytes], columns: Iterable[Column]) -> "pa.Table":
    """Rows from CSV with a header, as PostgreSQL and Arrow write it: each type as declared.

    An empty text is quoted, and a missing value is bare.
    """
    from pyarrow import csv

    return csv.read_csv(
        text,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=arrow_schema(columns),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _arrow_type(type_: ColumnType) -> "pa.DataType":
    import pyarrow as pa

    match type_:
        case Integer(bits):
            return pa.int32() if bits == 32 else pa.int64()
        case Numeric(precision, scale) | Amount(precision, scale):
            return pa.decimal128(precision, scale)
        case Date():
            return pa.date32()
        case Label() | FreeText():
            return pa.string()
        case Timestamp():
            return pa.timestamp("ms", "UTC")
        case Boolean():
            return pa.bool_()


def postgres_type(type_: ColumnType) -> str:
    """The type's name in PostgreSQL.

    >>> postgres_type(Integer(64))
    'bigint'
    """
    match type_:
        case Integer(bits):
            return "integer" if bits == 32 else "bigint"
        case Numeric(precision, scale):
            return f"numeric({precision},{scale})"
        case Date() | Label() | FreeText() | Amount() | Timestamp() | Boolean():
            return _POSTGRES[type(type_)]


_POSTGRES: dict[type, str] = {
    Date: "date",
    Label: "text",
    FreeText: "text",
    Amount: "numeric",
    Timestamp: "timestamp with time zone",
    Boolean: "boolean",
}


def clickhouse_type(column: Column) -> str:
    """The column's type in ClickHouse, with its nullability.

    >>> clickhouse_type(Column("region", Label(), "Where it was sold"))
    'LowCardinality(String)'
    """
    name = _clickhouse_name(column.type)
    if column.nullable:
        name = f"Nullable({name})"
    return f"LowCardinality({name})" if isinstance(column.type, Label) else name


def _clickhouse_name(type_: ColumnType) -> str:
    match type_:
        case Integer(bits):
            return f"Int{bits}"
        case Numeric(precision, scale) | Amount(precision, scale):
            return f"Decimal({precision}, {scale})"
        case Date():
            return "Date32"
        case Label() | FreeText():
            return "String"
        case Timestamp():
            return "DateTime64(3, 'UTC')"
        case Boolean():
            return "Bool"
