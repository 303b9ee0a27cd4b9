"""Draws: hashes of a row's number, and tables that turn a hash into a choice with given odds.

Whatever is random about a row is a hash of its number, and what a hash decides is decided by
comparing integers, so that every engine draws the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

FRACTION_BITS = 31
_FULL = 1 << FRACTION_BITS


@dataclass(frozen=True)
class Bucket:
    """`value` where `0 <= fraction < threshold`, else `other`; fractions are below 2**31."""

    threshold: int
    value: int
    other: int


def alias_table(weights: Sequence[int]) -> list[Bucket]:
    """Buckets that let one uniform draw choose index i with odds `weights[i] / sum(weights)`.

    There are 2**b of them, as few as hold every index. A bucket and a fraction, both drawn
    uniformly, choose each index within 2**-(b + FRACTION_BITS) of its exact odds, and an
    index of weight 0 never. (The alias method: Walker 1977, Vose 1991.)
    """
    size = 1 << (len(weights) - 1).bit_length()
    left = _apportion(weights, size * _FULL) + [0] * (size - len(weights))
    small = [index for index, share in enumerate(left) if share < _FULL]
    large = [index for index, share in enumerate(left) if share >= _FULL]
    buckets = []
    while small:
        value, other = small.pop(), large[-1]
        # An index without a share must not be drawn, so it is never a `value`.
        buckets.append(Bucket(left[value], value if left[value] else other, other))
        left[other] -= _FULL - left[value]
        if left[other] < _FULL:
            small.append(large.pop())
    return buckets + [Bucket(_FULL, value, value) for value in large]


def keyed_hash(*parts: object) -> int:
    """A 64-bit signed integer made from these parts, the same everywhere and for ever."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def shuffled(count: int, *key: object) -> list[int]:
    """The numbers 0 to `count - 1`, in an order that depends on the key alone."""
    return sorted(range(count), key=lambda number: keyed_hash(*key, number))


def choose(
    rows: DataFrame, hashed: Column, weights: Sequence[int], **values: Sequence[int | str]
) -> DataFrame:
    """Add columns: of each of `values` the entry at one index, drawn with the weights' odds.

    Numbers become bigint. The low bits of the hash choose a bucket, the high ones in it.
    """
    buckets = alias_table(weights)
    lookup: dict[str, list[int | str]] = {
        "bucket": list(range(len(buckets))),
        "threshold": [bucket.threshold for bucket in buckets],
    }
    for name, entries in values.items():
        lookup[f"{name}_below"] = [entries[bucket.value] for bucket in buckets]
        lookup[f"{name}_above"] = [entries[bucket.other] for bucket in buckets]
    rows = rows.withColumns(
        {
            "bucket": hashed.bitwiseAND(F.lit(len(buckets) - 1).cast("bigint")),
            "fraction": high_bits(hashed),
        }
    )
    # An inner join would give the same, since every bucket is there. But Sail would expect a
    # small result from it, and hold the sales in memory instead of the table.
    drawn = rows.sparkSession.createDataFrame(pa.table(lookup)).join(rows, "bucket", "right")
    below = F.col("fraction") < F.col("threshold")
    chosen = {
        name: F.when(below, F.col(f"{name}_below")).otherwise(F.col(f"{name}_above"))
        for name in values
    }
    return drawn.withColumns(chosen).drop("fraction", *lookup)


def row_hash(key: str, purpose: str, *columns: str) -> Column:
    """A bigint, each as likely, independent of the hashes for other keys and purposes."""
    # The hash of an int is not that of the bigint it equals, hence the casts.
    numbers = [F.lit(keyed_hash(key, purpose)), *map(F.col, columns)]
    return F.xxhash64(*[number.cast("bigint") for number in numbers])


def high_bits(hashed: Column) -> Column:
    """`0 <= bigint < 2**FRACTION_BITS`."""
    # Sail does an unsigned shift through decimals, four times slower.
    high = F.shiftright(hashed, 64 - FRACTION_BITS)
    return high.bitwiseAND(F.lit(2**FRACTION_BITS - 1).cast("bigint"))


def _apportion(weights: Sequence[int], total: int) -> list[int]:
    """Whole shares of `total` in proportion to the weights, each off by less than 1."""
    whole = sum(weights)
    ends = [end * total // whole for end in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
