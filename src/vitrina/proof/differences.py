"""Which rows and cells of a table are not the ones that it should have."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.columns import Column, arrow_schema

SHOWN = 5

_LINE, _TIMES = "line", "times"


def differences(
    expected: pa.Table, actual: pa.Table, columns: Sequence[Column], key: Sequence[str]
) -> list[str]:
    """The first rows and cells in which `actual` is not `expected`, in words; none if it is.

    The order of the rows does not matter. Whole columns are compared, and only what differs is
    looked at row by row.
    """
    schema = arrow_schema(columns)
    expected, actual = (
        each.select(schema.names).cast(schema).combine_chunks() for each in (expected, actual)
    )
    if expected.equals(actual):
        return []
    missing, surplus = _surplus(expected, actual), _surplus(actual, expected)
    found = list(islice(_told(missing, surplus, schema.names, key), SHOWN + 1))
    if len(found) <= SHOWN:
        return found
    rows = max(sum(missing[_TIMES].to_pylist()), sum(surplus[_TIMES].to_pylist()))
    return [*found[:SHOWN], f"… {rows:,} rows differ in all"]


def _surplus(these: pa.Table, others: pa.Table) -> pa.Table:
    """The rows that are in `these` more often than in `others`, and how many times more."""
    counted = [_counted(each) for each in (these, others)]
    there = pc.index_in(counted[0][_LINE], counted[1][_LINE])
    times = pc.fill_null(counted[1][_TIMES].take(there), 0)
    more = pc.subtract(counted[0][_TIMES], times)
    found = counted[0].append_column("more", more).filter(pc.greater(more, 0))
    rows = these.take(found["first"])
    return rows.append_column(_TIMES, found["more"])


def _counted(rows: pa.Table) -> pa.Table:
    """Each different row as a text: how often it is there, and where first."""
    texts = [
        # Lengths keep two texts from being told as two others that are as long together.
        pc.if_else(
            column.is_null(),
            "-",
            pc.binary_join_element_wise(
                pc.utf8_length(text := column.cast(pa.string())).cast(pa.string()), text, ":"
            ),
        )
        for column in rows.columns
    ]
    line = pc.binary_join_element_wise(*texts, ",") if len(rows) else pa.array([], pa.string())
    ones = pa.repeat(pa.scalar(1, pa.int64()), len(rows))
    grouped = pa.table({_LINE: line, "place": pc.cumulative_sum(ones, start=-1)}).group_by(_LINE)
    counted = grouped.aggregate([("place", "count"), ("place", "min")])
    return pa.table(
        {
            _LINE: counted[_LINE],
            _TIMES: counted["place_count"],
            "first": counted["place_min"],
        }
    )


def _told(
    missing: pa.Table, surplus: pa.Table, names: Sequence[str], key: Sequence[str]
) -> Iterator[str]:
    """A row that is missing and one that is surplus, of one key, are one row with other cells."""
    # However many there are, no more can be told.
    lost, found = (_by_key(each.slice(0, 10_000), key) for each in (missing, surplus))
    for at in [*lost, *(each for each in found if each not in lost)]:
        row = ", ".join(f"{name} {_shown(value)}" for name, value in zip(key, at, strict=True))
        if at not in found:
            yield f"{row}: the row is missing"
        elif at not in lost:
            times = found[at][_TIMES]
            yield f"{row}: the row should not be there" + (f" ({times} times)" if times > 1 else "")
        else:
            for name in names:
                if lost[at][name] != found[at][name]:
                    yield (
                        f"{row}: {name} is {_shown(found[at][name])}, "
                        f"expected {_shown(lost[at][name])}"
                    )


def _by_key(rows: pa.Table, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[name] for name in key): row for row in rows.to_pylist()}


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    return repr(value) if isinstance(value, str) else str(value)
