"""UCI Online Retail from its file to the marts, and once more by DuckDB from the same file.

    python -m tests.online_retail FILE [YYYY-MM-DD]

runs the store of `examples/stores/online-retail` over a copy of that data set, on the engine that
VITRINA_SPARK_REMOTE names, and prints what became of its rows as `docs/own-sales.md` shows it. It
compares every cell of every mart in both stores with DuckDB's, which reads the file by the rules
of that page alone. The whole set has 541,909 rows (Chen, 2015,
https://doi.org/10.24432/C5BW33, CC BY 4.0).

    .venv/bin/python scripts/spark_server.py .venv/bin/python -m tests.online_retail FILE

does it on Apache Spark.
"""

import datetime
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tests.batches import until_clean
from tests.homes import home_folder
from tests.recomputation import MARTS, Table, differences, recompute_marts
from vitrina.exports.store_file import load_store
from vitrina.marts import marts
from vitrina.pipeline import Opened, Run
from vitrina.settings import Settings, load_settings
from vitrina.store import Store

STORE = Path(__file__).parents[1] / "examples" / "stores" / "online-retail" / "store.toml"
WHOLE_SET = datetime.date(2011, 12, 10)
"""The day after the last sale of the whole set."""

_SALES = """
CREATE TABLE line AS
SELECT
    *,
    row_number() OVER () AS number
FROM read_csv(?, header = true, all_varchar = true, parallel = false);

CREATE TABLE row_of_sale AS
SELECT
    InvoiceNo || '/' || row_number() OVER (PARTITION BY InvoiceNo ORDER BY number) AS sale_id,
    nullif(trim(CustomerID), '') AS customer_id,
    trim(StockCode) AS product_id,
    Quantity::BIGINT AS quantity,
    strptime(InvoiceDate, '%m/%d/%Y %H:%M')::DATE AS sale_date,
    Quantity::DECIMAL(10, 0) * UnitPrice::DECIMAL(12, 4) AS amount,
    trim(Country) AS region,
    InvoiceNo AS order_id,
    InvoiceNo LIKE 'A%' AS is_adjustment,
    UnitPrice::DECIMAL(12, 4) = 0 AS is_free
FROM line;

CREATE TABLE judged AS
SELECT
    *,
    CASE
        WHEN is_adjustment THEN 'set aside: adjustment'
        WHEN is_free THEN 'set aside: no money'
        WHEN sale_date < getvariable('as_of') - getvariable('days') THEN
            'set aside: before the window'
        WHEN sale_date >= getvariable('as_of') THEN 'set aside: after the window'
        WHEN amount <> round(amount, 2) THEN 'rejected: sale_amount_too_many_decimals'
        WHEN amount < 0 THEN 'clean: return'
        ELSE 'clean: sale'
    END AS fate
FROM row_of_sale;
"""


@dataclass(frozen=True)
class Figures:
    """The fates of a file's rows, and the marts by store."""

    fates: Counter[str]
    marts: dict[str, dict[str, Table]]


def by_vitrina(file: Path, as_of: datetime.date, settings: Settings, opened: Opened) -> Figures:
    """All steps of the store's batch."""
    with Run(settings, as_of, store=store_of(file), opened=opened) as run:
        _, validated, cleaned = until_clean(run)
        for step in run.steps[3:]:
            run.step(step)
        fates = Counter(
            {
                **{f"set aside: {why}": n for why, n in validated.why_set_aside.items()},
                **{f"rejected: {reason}": n for reason, n in validated.reasons.items()},
                "clean: return": cleaned.total_returns,
                "clean: sale": cleaned.clean - cleaned.total_returns,
            }
        )
        found: dict[str, dict[str, Table]] = {"PostgreSQL": {}, "ClickHouse": {}}
        for mart in marts(run.store.contract):
            columns = ", ".join(mart.names)
            found["PostgreSQL"][mart.name] = Table.of(
                *run.postgres.query(f"SELECT {columns} FROM {mart.name}")
            )
            found["ClickHouse"][mart.name] = Table.of(
                *run.clickhouse.query(
                    f"SELECT {columns} FROM {mart.name} WHERE import_date = '{as_of}'"
                )
            )
    return Figures(fates, found)


def by_duckdb(file: Path, as_of: datetime.date, store: Store) -> Figures:
    """The same figures from the same file, by another engine and other code."""
    import duckdb

    with duckdb.connect() as database:
        database.execute("SET VARIABLE as_of = ?::DATE", [as_of])
        database.execute("SET VARIABLE days = ?::INTEGER", [store.contract.days])
        create, *others = _SALES.split(";\n")
        database.execute(create, [str(file)])
        for statement in others:
            database.execute(statement)
        fates = database.execute("SELECT fate, count(*) FROM judged GROUP BY fate").fetchall()
        sales: pa.Table = database.sql(
            "SELECT product_id, quantity, sale_date, amount::DECIMAL(18, 2) AS sale_amount, "
            "region, order_id FROM judged WHERE fate LIKE 'clean%'"
        ).to_arrow_table()
    recomputed = recompute_marts(sales, as_of, store.contract, ())
    return Figures(Counter(dict(fates)), {"DuckDB": recomputed})


def store_of(file: Path) -> Store:
    """The example's store, whose one file this is."""
    declared = load_store(STORE)
    assert declared.source is not None
    source = declared.source.model_copy(update={"files": (str(file.absolute()),)})
    return Store(
        declared.name,
        declared.title,
        declared.contract,
        declared.time_zone,
        declared.currency,
        source,
    )


def compare(found: Figures, expected: Figures) -> list[str]:
    """What differs, in words; nothing if all is equal."""
    told = [
        f"{fate}: {found.fates[fate]:,} rows, {expected.fates[fate]:,} by DuckDB"
        for fate in sorted(found.fates.keys() | expected.fates.keys())
        if found.fates[fate] != expected.fates[fate]
    ]
    for place, tables in found.marts.items():
        for name in MARTS:
            told += differences(name, expected.marts["DuckDB"][name], tables[name], place)
    return told


def table(fates: Counter[str]) -> str:
    """The fates as a table of Markdown, the most frequent first."""
    rows = [f"| {fate.replace(': ', ' | ')} | {count:,} |" for fate, count in fates.most_common()]
    return "\n".join(
        ["| fate | which | rows |", "|---|---|---:|", *rows, f"| all | | {fates.total():,} |"]
    )


def main() -> None:
    file = Path(sys.argv[1])
    as_of = datetime.date.fromisoformat(sys.argv[2]) if len(sys.argv) > 2 else WHOLE_SET
    with tempfile.TemporaryDirectory() as folder, home_folder(Path(folder)) as home:
        settings = Settings(home=home, spark_remote=load_settings().spark_remote)
        found = by_vitrina(file, as_of, settings, Opened())
        expected = by_duckdb(file, as_of, store_of(file))
    print(table(found.fates))
    told = compare(found, expected)
    cells = sum(len(each.rows) * len(each.columns) for each in expected.marts["DuckDB"].values())
    print(*told, sep="\n") if told else print(f"\n{cells:,} cells of {len(MARTS)} marts are equal.")
    raise SystemExit(bool(told))


if __name__ == "__main__":
    main()
