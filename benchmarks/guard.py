"""Fail when a step takes far longer than usual, compared with by hand and with a plain COPY.

    python benchmarks/guard.py [rows]

A busy machine slows both sides of a ratio, though not always equally. So a round that finds a
step too slow is repeated, and a step counts by its best round: one that has become twice as slow
is too slow in each.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import own_sales
from pipeline import HERE, by_hand, in_turn, measure, new_home, vitrina

ROUNDS = 3
COPY = "load, to COPY with the key"
# The highest ratios: about twice the usual ones of a million rows. Those of steps that take tenths
# of a second are wider, because a busy machine has passed twice their usual ratio.
LIMITS = {
    "generate": 4.5,
    "validate": 1.8,
    "clean": 4.0,
    "load": 2.4,
    "analyze": 7.0,
    "publish": 3.0,
    COPY: 2.6,
}


def ratios(rows: int) -> Iterator[dict[str, float]]:
    """The ratios of each round, by hand and COPY being 1."""
    with tempfile.TemporaryDirectory(prefix="vitrina-benchmark-") as folder:
        own_sales.make(rows, Path(folder))
        for hand, ours in in_turn(rows, ROUNDS, partial(by_hand, rows), partial(vitrina, rows)):
            found = {step: ours.steps[step] / hand.steps[step] for step in ours.steps}
            with new_home() as home:
                home.joinpath("sales.csv").symlink_to(Path(folder) / "sales.csv")
                copied = measure([sys.executable, HERE / "limits.py", home], home)
            yield found | {COPY: ours.steps["load"] / copied.steps["copy"]}


def main() -> int:
    """Measure, print, and return how many steps are too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    best = dict.fromkeys(LIMITS, float("inf"))
    slow = 0
    for found in ratios(parser.parse_args().rows):
        best = {name: min(ratio, found[name]) for name, ratio in best.items()}
        slow = sum(ratio > LIMITS[name] for name, ratio in best.items())
        if not slow:
            break
    print("| step | ratio | at most |\n|---|---|---|")
    for name, ratio in best.items():
        print(f"| {name} | {ratio:.2f} | {LIMITS[name]} |")
    return slow


if __name__ == "__main__":
    sys.exit(main())
