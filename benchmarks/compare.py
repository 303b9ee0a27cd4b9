# ruff: noqa: S608 - the SQL is our own
"""Measure a batch over a store's own CSV file against other ways to make the same marts.

    python benchmarks/compare.py [--write] [--rounds 3] [rows …]

Runs Vitrina and its peers in turn, each in a process and a folder of its own, and compares the
marts of each with Vitrina's: a peer whose marts differ fails. `make bench` sets up what the peers
need. `--write` writes `comparison.md` and draws `docs/images/comparison.png`. Linux only: memory
is read from `/proc`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb
import own_sales
import pyarrow as pa
from adbc_driver_postgresql import dbapi as postgresql
from peer import MARTS
from pipeline import (
    AS_OF,
    HERE,
    MIB,
    Measured,
    machine,
    measure,
    new_home,
    rounds_of,
    rounds_told,
)

from vitrina.stores.postgres.embedded import embedded_postgres

VITRINA, BY_HAND = "Vitrina", "DuckDB by hand"
# What takes minutes for a million rows is not measured above it.
SLOW = 1_000_000
BENCH = HERE.parent / ".venv-bench"
PYTHON = BENCH / "bin/python"
DRIVERS = [
    root / "usr/share/java/postgresql.jar" for root in (Path("/"), BENCH)
]  # as in spark_jdbc.py
# A share is a fraction of one, all else money: what is rounded may differ by the last digit.
ROUNDED = {
    "average_sale_amount": "0.01",
    "moving_average_7_days": "0.01",
    "share": "0.000001",
    "running_share": "0.000001",
}


@dataclass(frozen=True)
class Peer:
    """A way to turn a store's file into marts; runs in a home folder."""

    name: str
    run: Callable[[Path, Path], Measured]
    most_rows: int = 100_000_000


def script(name: str) -> Callable[[Path, Path], Measured]:
    def run(store: Path, home: Path) -> Measured:
        home.joinpath("feed.csv").symlink_to(store.with_name("sales.csv"))
        return measure([PYTHON, HERE / name, home], home)

    return run


PEERS = (
    Peer(VITRINA, own_sales.vitrina),
    Peer(BY_HAND, own_sales.by_hand),
    Peer("Polars, ADBC", script("polars_adbc.py"), 10_000_000),
    Peer("pandas, SQLAlchemy", script("pandas_sqlalchemy.py"), SLOW),
    Peer("Apache Spark, JDBC", script("spark_jdbc.py"), SLOW),
)


def missing() -> Mapping[str, str]:
    """The peers that cannot run here, and why."""
    if not PYTHON.exists():
        return dict.fromkeys([peer.name for peer in PEERS[2:]], "run `make set-up-bench`")
    spark = PEERS[-1].name
    if shutil.which("java") is None:
        return {spark: "there is no Java"}
    if not any(driver.exists() for driver in DRIVERS):
        return {spark: "there is no JDBC driver of PostgreSQL; see `scripts/jdbc_driver`"}
    return {}


def marts(home: Path) -> dict[str, pa.Table]:
    """The marts that a run left in PostgreSQL, with the columns that peers have too."""
    found = {}
    with (
        embedded_postgres(home / "postgres") as address,
        postgresql.connect(address) as store,
        store.cursor() as cursor,
    ):
        cursor.execute("SET search_path TO store_shop, public")
        for name, columns in MARTS.items():
            cursor.execute(f"SELECT * FROM {name} LIMIT 0")
            there = {each.name for each in cursor.fetch_arrow_table().schema}
            both = pa.schema([column for column in columns if column.name in there])
            cursor.execute(f"SELECT {', '.join(both.names)} FROM {name}")
            found[name] = cursor.fetch_arrow_table().cast(both)
    return found


def differences(ours: pa.Table, theirs: pa.Table) -> int:
    """The number of rows that only one has, or that differ in a column.

    A group without sales, which Vitrina has for a day and region, counts for nothing.
    """
    key = [name for name in ("sale_date", "region", "product_id") if name in ours.column_names]
    values = [name for name in ours.column_names if name not in key]
    differ = [
        f"abs(ours.{name} - theirs.{name}) > {ROUNDED[name]}"
        if name in ROUNDED
        else f"ours.{name} IS DISTINCT FROM theirs.{name}"
        for name in values
    ]
    sold = "WHERE total_sales + total_returns > 0"
    with duckdb.connect() as engine:
        engine.register("our_rows", ours)
        engine.register("their_rows", theirs)
        found = engine.execute(
            f"SELECT count(*) FROM (FROM our_rows {sold}) AS ours "
            f"FULL JOIN (FROM their_rows {sold}) AS theirs USING ({', '.join(key)}) "
            f"WHERE {' OR '.join(differ)}"
        ).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has one row
    return int(found[0])


def require_same(peer: str, ours: Mapping[str, pa.Table], theirs: Mapping[str, pa.Table]) -> None:
    for name, mart in ours.items():
        if count := differences(mart, theirs[name]):
            raise SystemExit(f"{peer}: {count:,} rows of {name} differ from Vitrina's")


def one_round(rows: int, store: Path, peers: Sequence[Peer]) -> Iterator[tuple[str, Measured]]:
    """Run each in turn, Vitrina first, and compare what they made."""
    ours: dict[str, pa.Table] = {}
    for peer in peers:
        print(f"{rows:,} rows: {peer.name}", file=sys.stderr)
        with new_home() as home:
            yield peer.name, peer.run(store, home)
            made = marts(home)
        ours = ours or made
        require_same(peer.name, ours, made)


def parts(rows: int, store: Path) -> Iterator[tuple[str, float]]:
    """The seconds of generating, loading, writing and reading as others do it."""
    programs: dict[str, Callable[[Path], list[str | Path]]] = {
        VITRINA: lambda _: [
            Path(sys.executable).with_name("vitrina"),
            *("generate", "--rows", str(rows), "--as-of", AS_OF, "--json"),
        ],
        "limits": lambda home: [sys.executable, HERE / "limits.py", home],
    }
    if PYTHON.exists() and rows <= SLOW:
        programs["dlt"] = lambda home: [PYTHON, HERE / "dlt_load.py", home]
        if shutil.which("java") is not None:
            programs["feeds"] = lambda home: [PYTHON, HERE / "feeds.py", str(rows), home]
    for name, command in programs.items():
        print(f"{rows:,} rows: {name}", file=sys.stderr)
        with new_home() as home:
            home.joinpath("sales.csv").symlink_to(store.with_name("sales.csv"))
            run = measure(command(home), home)
        yield from run.steps.items() if run.steps else [("generate", run.wall)]


PART_NAMES = {
    "generate": "generate: Vitrina, the whole command",
    "duckdb": "generate: DuckDB, to CSV",
    "dbldatagen": "generate: dbldatagen, to CSV, once Apache Spark runs",
    "copy": "load: COPY by the server from its own file, one connection, with the key",
    "adbc": "load: ADBC, one connection, without a key",
    "dlt_load": "load: dlt, with the key's index",
    "parquet_write": "write Parquet: pyarrow",
    "parquet_read": "read Parquet: pyarrow",
    "clickhouse_insert": "insert Arrow: ClickHouse (chDB)",
}


def spread(values: Sequence[float]) -> str:
    """The median, and the lowest and the highest in brackets if there are several."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def report(
    rows: int, found: Mapping[str, list[Measured]], beside: Mapping[str, list[float]]
) -> Iterator[str]:
    """Two tables: whole batches, and parts."""
    hand = found[BY_HAND]
    steps = list(found[VITRINA][0].steps)
    yield f"\n## {rows:,} rows\n"
    columns = ["", "wall, s", "by hand = 1", "memory, MiB", *(f"{step}, s" for step in steps)]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for name, runs in found.items():
        ratios = [one.wall / other.wall for one, other in zip(runs, hand, strict=True)]
        cells = [
            name,
            spread([run.wall for run in runs]),
            spread(ratios),
            f"{max(run.resident for run in runs) / MIB:,.0f}",
            *(
                f"{median(run.steps[step] for run in runs):.2f}" if step in runs[0].steps else ""
                for step in steps
            ),
        ]
        yield f"| {' | '.join(cells)} |"
    load = [run.steps["load"] for run in found[VITRINA]]
    yield "\n| part | s | rows a second |"
    yield "|---|---|---|"
    for part, seconds in {"load: Vitrina": load, **beside}.items():
        yield f"| {part} | {spread(seconds)} | {rows / median(seconds):,.0f} |"
    if copied := beside.get(PART_NAMES["copy"]):
        ratios = [one / other for one, other in zip(load, copied, strict=True)]
        yield f"\nVitrina's load takes {spread(ratios)} times as long as the server's own COPY."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", type=int, default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write comparison.md and its picture")
    chosen = parser.parse_args()
    absent = missing()
    versions = [machine()]
    if PYTHON.exists():
        versions.append(
            subprocess.run(
                [PYTHON, HERE / "plot.py", "--versions"], check=True, capture_output=True, text=True
            ).stdout.strip()
        )
    lines = ["# Results of `compare.py`\n", f"{' '.join(versions)} {rounds_told(chosen.rounds)}"]
    lines += [f"\n{name} was not measured: {reason}." for name, reason in absent.items()]
    points = []
    for rows in chosen.rows:
        peers = [peer for peer in PEERS if peer.name not in absent and rows <= peer.most_rows]
        found: dict[str, list[Measured]] = {peer.name: [] for peer in peers}
        beside: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory(prefix="vitrina-benchmark-") as folder:
            store = own_sales.make(rows, Path(folder))
            for _ in range(rounds_of(rows, chosen.rounds)):
                for name, run in one_round(rows, store, peers):
                    found[name].append(run)
                for part, seconds in parts(rows, store):
                    if part in PART_NAMES:
                        beside.setdefault(PART_NAMES[part], []).append(seconds)
        lines += report(rows, found, beside)
        points += [
            {
                "name": name,
                "rows": rows,
                "seconds": median(run.wall for run in runs),
                "mib": max(run.resident for run in runs) / MIB,
            }
            for name, runs in found.items()
        ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        (HERE / "comparison.md").write_text(text, encoding="utf-8")
        picture = HERE.parent / "docs/images/comparison.png"
        subprocess.run(
            [PYTHON, HERE / "plot.py", picture], input=json.dumps(points), check=True, text=True
        )


if __name__ == "__main__":
    main()
