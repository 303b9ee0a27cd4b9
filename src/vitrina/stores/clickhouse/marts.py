"""Marts: staged with the date of their import, and summed up."""

from array import array
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from vitrina.columns import Column, Date, FreeText, Label, Numeric, arrow_schema
from vitrina.ledger import ControlTotals
from vitrina.marts import Mart
from vitrina.stores.clickhouse.session import Session

ROWS = "rows"
"""The measure that counts a mart's rows."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def with_import(mart: Mart, import_date: date, imported_at: datetime, rows: pa.Table) -> pa.Table:
    """The rows with their import's date and moment beside them."""
    days = (import_date - _EPOCH.date()).days
    milliseconds = (imported_at - _EPOCH) // timedelta(milliseconds=1)
    rows = rows.select(mart.names)
    rows = rows.append_column("import_date", _repeated(pa.date32(), "i", days, len(rows)))
    return rows.append_column(
        "imported_at", _repeated(pa.timestamp("ms", "UTC"), "q", milliseconds, len(rows))
    )


def sums(session: Session, table: str, mart: Mart, import_date: date) -> dict[str, Decimal]:
    """How many `rows` of a mart's import a table has, and the exact sum of each column.

    Dates count as days since 1970, missing values as 0; texts have no sum.
    """
    summed = [each for each in mart.columns if not isinstance(each.type, (Label, FreeText))]
    names = {f"column_{number}": column.name for number, column in enumerate(summed)}
    measures = ", ".join(["count()", *map(_sum, names, summed)])
    [row] = session.rows(
        # Every name in it is a parameter.
        f"SELECT {measures} FROM "  # noqa: S608
        "{database:Identifier}.{table:Identifier} WHERE import_date = {day:Date32}",
        table=table,
        day=import_date,
        **names,
    )
    return {
        name: Decimal(value or 0) for name, value in zip((ROWS, *names.values()), row, strict=True)
    }


def read(session: Session, mart: Mart, import_date: date) -> pa.Table:
    """The rows of a mart's import in the order of its key, each type exactly as declared."""
    names = {f"column_{number}": name for number, name in enumerate(mart.names)}
    key = {f"key_{number}": name for number, name in enumerate(mart.key)}
    found = session.arrow(
        # Every name in it is a parameter.
        f"SELECT {_identifiers(names)} FROM "  # noqa: S608
        "{database:Identifier}.{table:Identifier} WHERE import_date = {day:Date32} "
        f"ORDER BY {_identifiers(key)}",
        table=mart.name,
        day=import_date,
        **names,
        **key,
    )
    schema = arrow_schema(mart.columns)
    # An engine may name no columns of a result without rows.
    return found.cast(schema) if found.num_rows else schema.empty_table()


def control_totals(mart: Mart, sums: dict[str, Decimal]) -> ControlTotals:
    """The control totals among the sums of an import."""
    return ControlTotals(
        engine="clickhouse",
        table=mart.name,
        total_sales=int(sums["total_sales"]),
        total_quantity=_quantity(mart, sums),
        total_sales_amount=sums["total_sales_amount"],
        total_returns=int(sums["total_returns"]),
        total_returns_amount=sums["total_returns_amount"],
    )


def _quantity(mart: Mart, sums: dict[str, Decimal]) -> int | Decimal | None:
    for column in mart.columns:
        if column.name == "total_quantity":
            total = sums[column.name]
            return total if isinstance(column.type, Numeric) else int(total)
    return None


def _sum(parameter: str, column: Column) -> str:
    """The exact sum of a column: in 76 digits, since the engine's own sum may overflow."""
    scale = column.type.scale if isinstance(column.type, Numeric) else 0
    number = f"{{{parameter}:Identifier}}"
    if isinstance(column.type, Date):
        number = f"toInt32({number})"
    return f"sum(toDecimal256({number}, {scale}))"


def _identifiers(parameters: Iterable[str]) -> str:
    return ", ".join(f"{{{parameter}:Identifier}}" for parameter in parameters)


def _repeated(type_: pa.DataType, code: str, value: int, count: int) -> pa.Array:
    """One value `count` times. From its bytes: from a Python value, Arrow imports pandas."""
    return pa.Array.from_buffers(type_, count, [None, pa.py_buffer(array(code, [value]) * count)])
