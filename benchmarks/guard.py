"""Fail when a step takes far longer than usual, compared with by hand and with a plain COPY.

    python benchmarks/guard.py [rows]

A busy machine slows a step in one round and not in another. So each side of a ratio is its fastest
round, and rounds are added, up to five, while a step is too slow.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import own_sales
from pipeline import HERE, by_hand, in_turn, measure, new_home, vitrina

ROUNDS = 5
COPY = "load, to COPY with the key"
# The highest ratios. Each is less than twice the usual one on a quiet machine, which `results.md`
# has, so that a step is found that takes twice as long.
LIMITS = {
    "generate": 2.8,
    "validate": 1.2,
    "clean": 3.6,
    "load": 2.2,
    "analyze": 6.5,
    "publish": 1.8,
    COPY: 2.4,
}

Seconds = dict[str, tuple[float, float]]
"""Of each step, ours and what it is compared with."""


def rounds(rows: int) -> Iterator[Seconds]:
    with tempfile.TemporaryDirectory(prefix="vitrina-benchmark-") as folder:
        own_sales.make(rows, Path(folder))
        for hand, ours in in_turn(rows, ROUNDS, partial(by_hand, rows), partial(vitrina, rows)):
            found = {step: (ours.steps[step], hand.steps[step]) for step in ours.steps}
            with new_home() as home:
                home.joinpath("sales.csv").symlink_to(Path(folder) / "sales.csv")
                copied = measure([sys.executable, HERE / "limits.py", home], home)
            yield found | {COPY: (ours.steps["load"], copied.steps["copy"])}


def main() -> int:
    """Measure, print, and return how many steps are too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    fastest = dict.fromkeys(LIMITS, (float("inf"), float("inf")))
    ratios: dict[str, float] = {}
    slow = 0
    for found in rounds(parser.parse_args().rows):
        fastest = {
            name: (min(ours, found[name][0]), min(other, found[name][1]))
            for name, (ours, other) in fastest.items()
        }
        ratios = {name: ours / other for name, (ours, other) in fastest.items()}
        slow = sum(ratio > LIMITS[name] for name, ratio in ratios.items())
        if not slow:
            break
    print("| step | ratio | at most |\n|---|---|---|")
    for name, ratio in ratios.items():
        print(f"| {name} | {ratio:.2f} | {LIMITS[name]} |")
    return slow


if __name__ == "__main__":
    sys.exit(main())
