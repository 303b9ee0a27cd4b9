# ruff: noqa: S608 - the SQL is our own
"""Measure a whole batch of a store over its own CSV file, compared with by hand.

    python benchmarks/own_sales.py [--rounds 3] [rows …]

Runs `by_hand.py`'s steps over the file and `vitrina run --store` in turn, each in a process and a
folder of its own, and prints their seconds, the ratio and the highest memory. Linux only: memory
is read from `/proc`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import duckdb
from by_hand import AS_OF as AS_OF_SQL
from by_hand import FEED, ByHand
from peer import run
from pipeline import AS_OF, MIB, Measured, in_turn, machine, measure

from vitrina.stores.postgres.embedded import embedded_postgres

STORE = """
name = "shop"
title = "Shop"

[source]
files = ["sales.csv"]

[source.fields]
sale_id = { column = "id" }
customer_id = { column = "customer" }
product_id = { column = "article" }
quantity = { column = "pieces", minimum = 1, maximum = 10 }
sale_date = { column = "day" }
sale_amount = { column = "amount" }
region = { column = "region", allowed = ["North", "South", "East", "West"] }
"""

SALES = f"""
    SELECT
        'S-' || sale_id AS id,
        CASE WHEN customer_id <> '' THEN 'C' || customer_id END AS customer,
        'A-' || product_id AS article,
        quantity AS pieces,
        sale_date AS day,
        sale_amount AS amount,
        region
    FROM ({FEED})
"""

TYPED = f"""
    WITH typed AS (
        SELECT
            COLUMNS(*) AS 'raw_\\0',
            trim(id) AS sale_id,
            trim(customer) AS customer_id,
            trim(article) AS product_id,
            TRY_CAST(trim(pieces) AS bigint) AS quantity,
            TRY_CAST(trim(day) AS date) AS sale_date,
            TRY_CAST(trim(amount) AS decimal(14, 2)) AS sale_amount,
            upper(trim(region)[1]) || lower(trim(region)[2:]) AS region
        FROM read_csv($feed, header = true, all_varchar = true)
    )
    SELECT
        *,
        list_filter([
            CASE WHEN coalesce(sale_id = '', true) THEN 'sale_id' END,
            CASE WHEN coalesce(customer_id = '', true) THEN 'customer_id' END,
            CASE WHEN coalesce(product_id = '', true) THEN 'product_id' END,
            CASE WHEN coalesce(quantity NOT BETWEEN 1 AND 10, true) THEN 'quantity' END,
            CASE
                WHEN sale_date >= {AS_OF_SQL} - 365 AND sale_date < {AS_OF_SQL} THEN NULL
                ELSE 'sale_date'
            END,
            CASE WHEN sale_amount IS NULL THEN 'sale_amount' END,
            CASE WHEN region IN ('North', 'South', 'East', 'West') THEN NULL ELSE 'region' END
        ], lambda reason: reason IS NOT NULL) AS reasons
    FROM typed
"""


class OwnByHand(ByHand):
    """The steps over the store's file, which is there."""

    typed, split_by = TYPED, "hash(sale_id)"


def make(rows: int, folder: Path) -> Path:
    """Write the store's export and the store file beside it; gives the latter."""
    sales = str(folder / "sales.csv")
    duckdb.connect().sql(SALES, params={"rows": rows}).write_csv(sales)
    store = folder / "store.toml"
    store.write_text(STORE)
    return store


def by_hand(store: Path, folder: Path) -> Measured:
    return measure([sys.executable, __file__, "--by-hand", folder, "--file", store], folder)


def vitrina(store: Path, folder: Path) -> Measured:
    program = Path(sys.executable).with_name("vitrina")
    return measure([program, "run", "--store", store, "--as-of", AS_OF, "--json"], folder)


def report(rows: int, rounds: int) -> Iterator[str]:
    """The medians of the rounds, and the median of the ratios within each round."""
    with tempfile.TemporaryDirectory(prefix="vitrina-benchmark-") as folder:
        store = make(rows, Path(folder))
        size = store.with_name("sales.csv").stat().st_size
        runs = partial(by_hand, store), partial(vitrina, store)
        hand, ours = zip(*in_turn(rows, rounds, *runs), strict=True)
    ratio = median(one.wall / other.wall for one, other in zip(ours, hand, strict=True))
    yield f"\n## {rows:,} rows, {size / MIB:,.0f} MiB\n"
    yield "| | by hand | `vitrina run --store` | ratio |"
    yield "|---|---|---|---|"
    walls = [median(run.wall for run in runs) for runs in (hand, ours)]
    yield f"| **wall, s** | {walls[0]:.2f} | {walls[1]:.2f} | {ratio:.2f} |"
    for step in ours[0].steps:
        seconds = f"{median(run.steps[step] for run in ours):.2f}"
        # By hand, the file is read while it is validated.
        found = [run.steps[step] for run in hand if step in run.steps]
        yield f"| {step}, s | {f'{median(found):.2f}' if found else ''} | {seconds} | |"
    rest = [median(run.rest for run in runs) for runs in (hand, ours)]
    yield f"| start and end, s | {rest[0]:.2f} | {rest[1]:.2f} | |"
    peaks = [max(run.resident for run in runs) / MIB for runs in (hand, ours)]
    yield f"| **highest memory, MiB** | {peaks[0]:,.0f} | {peaks[1]:,.0f} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", type=int, default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by-hand", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.by_hand:
        folder = chosen.by_hand.absolute()
        folder.joinpath("feed.csv").symlink_to(chosen.file.with_name("sales.csv"))
        with embedded_postgres(folder / "postgres") as address:
            run(*OwnByHand(0, folder, address).after_the_feed())
        return
    print(f"{machine()} Rounds: {chosen.rounds}; medians.")
    for rows in chosen.rows:
        for line in report(rows, chosen.rounds):
            print(line)


if __name__ == "__main__":
    main()
