"""An auditor's script, against tables of any content in PostgreSQL and in ClickHouse.

`make audit` makes 1,000 small batches: tables of each mart, of two contracts, with whatever texts
and figures their columns can hold. The product says what a manifest says of them,
from what it reads back from PostgreSQL; `scripts/verify_manifest.py` gets what each database
exports. No table may differ; then each is altered somewhere in PostgreSQL, and each of these must.
"""

import datetime
import random
import sys
import tempfile
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import verify_manifest
from psycopg import sql

from tests.databases import new_database
from tests.homes import postgres_folder
from tests.own_shops import KIOSK
from vitrina.columns import (
    Column,
    Date,
    FreeText,
    Integer,
    Label,
    Numeric,
    arrow_schema,
    clickhouse_type,
    postgres_type,
)
from vitrina.contract import SALES
from vitrina.marts import Mart, marts
from vitrina.proof.rows import described, sha256
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.session import Session as ClickHouseSession
from vitrina.stores.clickhouse.session import open_session, quoted
from vitrina.stores.postgres.embedded import embedded_postgres
from vitrina.stores.postgres.marts import copy_out
from vitrina.stores.postgres.session import Session as PostgresSession
from vitrina.stores.postgres.session import open_session as open_postgres_session

BATCH = Column("number", Integer(32), "Of the batch")
_EPOCH = datetime.date(1970, 1, 1)
_LETTERS = "aZ09 ,;\"'\\\n\r\tN|é\u0401\u200b\U0001f6d2"
_ODD = ("", " ", "NULL", r"\N", '"', '""', "a\nb", "a\r\nb", "\r", "0", ",", "\\.", "\ufeff")


@dataclass(frozen=True)
class Outcome:
    """What the script said of all batches."""

    mismatches: list[str]
    """Tables in which it sees a difference, and there is none."""
    missed: list[str]
    """Alterations that it does not see."""


def value(draw: random.Random, column: Column, *, missing: bool = True) -> Any:
    """Anything that a column can hold."""
    if column.nullable and missing and draw.random() < 0.3:
        return None
    match column.type:
        case Integer(bits):
            return draw.choice([0, 1, -1, draw.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1))])
        case Numeric(precision, scale):
            digits = draw.choice([0, 1, 10**precision - 1, draw.randrange(10**precision)])
            sign = draw.choice("+-")
            return Decimal(f"{sign if digits else '+'}{digits}E-{scale}")
        case Date():
            return _EPOCH + datetime.timedelta(draw.randrange(-20_000, 20_000))
        case _:
            if draw.random() < 0.3:
                return draw.choice(_ODD)
            return "".join(draw.choices(_LETTERS, k=draw.randrange(1, 9)))


def rows(draw: random.Random, mart: Mart) -> list[dict[str, Any]]:
    """A few rows with different keys."""
    found = [
        {each.name: value(draw, each) for each in mart.columns} for _ in range(draw.randrange(1, 7))
    ]
    return [*{tuple(row[name] for name in mart.key): row for row in found}.values()]


def audit(
    batches: int, source: PostgresSession, target: ClickHouseSession, folder: Path, seed: int = 1
) -> Outcome:
    """Verify so many batches as each database exports them, and one alteration of each."""
    draw = random.Random(seed)  # noqa: S311 - the same every time
    kinds = [mart for contract in (SALES, KIOSK.contract) for mart in marts(contract)]
    mismatches: list[str] = []
    missed: list[str] = []
    for place, mart in enumerate(kinds):
        numbers = range(place, batches, len(kinds))
        tables = _Tables(f"mart_{place}", mart, source, target, folder)
        tables.fill({number: rows(draw, mart) for number in numbers})
        for number in numbers:
            said = tables.said(number)
            for engine, text in (
                ("PostgreSQL", tables.of_postgres(number)),
                ("ClickHouse", tables.of_clickhouse(number)),
            ):
                if wrong := tables.verify(text, said):
                    mismatches.append(f"{engine}, {mart.name} {number}: {wrong}")
            with source.connection.transaction(force_rollback=True):
                what = tables.alter(draw, number)
                if not tables.verify(tables.of_postgres(number), said):
                    missed.append(f"{mart.name} {number}: {what}")
    return Outcome(mismatches, missed)


@dataclass(frozen=True)
class _Tables:
    """A mart of many batches, told apart by a number, in both databases."""

    name: str
    mart: Mart
    source: PostgresSession
    target: ClickHouseSession
    folder: Path

    def fill(self, made: dict[int, list[dict[str, Any]]]) -> None:
        columns = (BATCH, *self.mart.columns)
        table = pa.Table.from_pylist(
            [{BATCH.name: number, **row} for number, rows in made.items() for row in rows],
            arrow_schema(columns),
        )
        declared = ", ".join(f'"{each.name}" {postgres_type(each.type)}' for each in columns)
        self.source.execute(f"CREATE TABLE {self.name} ({declared})")
        text = pa.BufferOutputStream()
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="all_valid")
        arrow_csv.write_csv(table, text, options)
        with (
            self.source.connection.cursor() as cursor,
            cursor.copy(_sql(f"COPY {self.name} FROM STDIN (FORMAT csv)")) as copy,
        ):
            copy.write(text.getvalue().to_pybytes())
        declared = ", ".join(f"{quoted(each.name)} {clickhouse_type(each)}" for each in columns)
        self.target.command(
            f"CREATE TABLE {self.name} ({declared}) ENGINE = MergeTree ORDER BY {BATCH.name}"
        )
        self.target.insert_arrow(self.name, table)

    def said(self, number: int) -> dict[str, Any]:
        """What the manifest of a batch says of the table."""
        query = (
            f"SELECT {self._names} FROM {self.name} {self._where(number)} ORDER BY {self._order}"
        )
        found = copy_out(self.source, _sql(query), self.mart.columns)
        digest = sha256(found, self.mart.columns)
        return described(self.mart.columns, self.mart.key, found.num_rows, digest)

    def of_postgres(self, number: int) -> bytes:
        """What psql gives an auditor."""
        query = (
            f"SELECT {self._names} FROM {self.name} {self._where(number)} ORDER BY {self._order}"
        )
        statement = _sql(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)")
        with self.source.connection.cursor() as cursor, cursor.copy(statement) as copy:
            return b"".join(bytes(chunk) for chunk in copy)

    def of_clickhouse(self, number: int) -> bytes:
        order = ", ".join(map(quoted, self.mart.key))
        query = f"SELECT {self._names} FROM {self.name} {self._where(number)} ORDER BY {order}"
        return bytes(self.target.client.raw_query(query, fmt="CSVWithNames"))

    def verify(self, text: bytes, said: dict[str, Any]) -> str:
        path = self.folder / "table.csv"
        path.write_bytes(text)
        try:
            return verify_manifest.verify(path, said)
        except (ValueError, InvalidOperation) as error:
            return str(error)

    def alter(self, draw: random.Random, number: int) -> str:
        """Change a cell, or drop or repeat a row."""
        where = self._where(number)
        places = self.source.execute(f"SELECT ctid::text, {self._names} FROM {self.name} {where}")
        place, *cells = draw.choice(places)
        at = f"WHERE ctid = '{place}'::tid"
        how = draw.randrange(10)
        if how == 0:
            self.source.execute(f"DELETE FROM {self.name} {at}")
            return "a row is gone"
        if how == 1:
            self.source.execute(f"INSERT INTO {self.name} SELECT * FROM {self.name} {at}")
            return "a row is there twice"
        column = draw.randrange(len(cells))
        changed = cells[column]
        while changed == cells[column]:
            changed = value(draw, self.mart.columns[column])
        name = self.mart.names[column]
        self.source.execute(f'UPDATE {self.name} SET "{name}" = %s {at}', changed)
        return f"{name}, once {cells[column]!r}, is {changed!r}"

    @property
    def _names(self) -> str:
        return ", ".join(f'"{name}"' for name in self.mart.names)

    def _where(self, number: int) -> str:
        return f'WHERE "{BATCH.name}" = {number}'

    @property
    def _order(self) -> str:
        texts = {each.name for each in self.mart.columns if isinstance(each.type, Label | FreeText)}
        return ", ".join(
            f'"{name}"' + (' COLLATE "C"' if name in texts else "") for name in self.mart.key
        )


def _sql(statement: str) -> sql.Composed:
    return sql.Composed([sql.SQL(statement)])


def main() -> None:
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_folder(Path(name, "postgres")) as folder,
        embedded_postgres(folder) as server,
        new_database(server, "auditor") as dsn,
        open_postgres_session(dsn, "public") as source,
        embedded_clickhouse(Path(name, "clickhouse")) as shown,
        open_session(shown) as target,
    ):
        found = audit(batches, source, target, Path(name))
    print(*found.mismatches, *found.missed, sep="\n")
    print(
        f"{batches:,} batches, as each of two databases exports them: "
        f"{len(found.mismatches)} mismatches; {batches - len(found.missed):,} of {batches:,} "
        "alterations found"
    )
    raise SystemExit(bool(found.mismatches or found.missed))


if __name__ == "__main__":
    main()
