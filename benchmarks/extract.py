"""Measure the step `extract` over one CSV file, compared with Arrow alone.

    python benchmarks/extract.py [--write] [--rounds 3] [rows]

Arrow alone reads the same file by `pyarrow.csv` and writes it by `pyarrow.parquet`, all its
columns as text: what any reader in Python has to do at least. Both run in turn, each in a process
of its own. Prints the medians of their seconds, their ratio and their highest memory; `--write`
also writes them to `benchmarks/extract.md`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import pyarrow as pa
from pyarrow import csv, parquet

AS_OF = date(2026, 11, 24)
MIB = 2**20


def extract(folder: Path) -> float:
    """Run the step in a new lake; gives its seconds."""
    from vitrina.engine import spark_session
    from vitrina.exports.store_file import load_store
    from vitrina.settings import Settings
    from vitrina.steps import extract as step
    from vitrina.store import Batch
    from vitrina.stores.lake import Lake

    store = load_store(folder / "store.toml")
    shutil.rmtree(folder / "lake", ignore_errors=True)
    with spark_session(Settings(home=folder)) as spark:
        started = time.perf_counter()
        counts = step.run(spark, Lake(str(folder / "lake" / "shop"), AS_OF), Batch(AS_OF, store))
        seconds = time.perf_counter() - started
    if counts.feed_rows != counts.rows_in:
        raise SystemExit(f"{counts}")
    return seconds


def arrow(folder: Path) -> float:
    """Read and write the file by Arrow; gives the seconds."""
    started = time.perf_counter()
    names = ("id", "customer", "article", "pieces", "day", "amount", "region")
    types = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    with (
        csv.open_csv(folder / "sales.csv", convert_options=types) as rows,
        parquet.ParquetWriter(folder / "arrow.parquet", rows.schema) as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)
    return time.perf_counter() - started


def measure(task: str, folder: Path) -> tuple[float, int]:
    """Run a task in a process of its own; gives its seconds and its highest resident bytes."""
    process = subprocess.Popen([sys.executable, __file__, "--task", task, "--folder", folder])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds = float((folder / "seconds").read_text())
    # In KiB, but on macOS.
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(rows: int, rounds: int, *, write: bool) -> None:
    # Only here: what makes the file has no place in the memory of what is measured.
    from own_sales import make
    from pipeline import HERE, machine

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(rows, folder)
        size = (folder / "sales.csv").stat().st_size
        taken: dict[str, list[tuple[float, int]]] = {"extract": [], "arrow": []}
        for _ in range(rounds):
            for task, measured in taken.items():
                measured.append(measure(task, folder))
    lines = [
        "# Results of `extract.py`\n",
        f"{machine()} {rows:,} rows, {size / MIB:,.0f} MiB, {rounds} rounds.\n",
        "| | seconds, median | all | highest memory, MiB |\n|---|---|---|---|",
    ]
    for task, measured in taken.items():
        seconds = [each for each, _ in measured]
        highest = max(each for _, each in measured) / MIB
        every = " ".join(f"{each:.2f}" for each in seconds)
        lines.append(f"| {task} | {median(seconds):.2f} | {every} | {highest:,.0f} |")
    ratio = median(
        own / alone for (own, _), (alone, _) in zip(taken["extract"], taken["arrow"], strict=True)
    )
    lines.append(f"\nextract takes {ratio:.2f} times as long as Arrow alone.\n")
    text = "\n".join(lines)
    print(text, end="")
    if write:
        (HERE / "extract.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write it to extract.md as well")
    parser.add_argument("--task", choices=["extract", "arrow"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        seconds = {"extract": extract, "arrow": arrow}[given.task](given.folder)
        (given.folder / "seconds").write_text(f"{seconds}")
    else:
        main(given.rows, given.rounds, write=given.write)
