"""A dataset that Arrow writes as Parquet, several workers at once, each into a file of its own."""

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from vitrina.stores.lake import Dataset, Lake, Measured, Outcome

WORKERS = max(2, min(4, os.cpu_count() or 2))
"""Files are as many, so that an engine reads them in parallel."""

_WAITING = 2 * WORKERS
"""Pieces that are made, or wait for a worker."""
_ROW_GROUP = 1 << 18
"""Rows that a worker collects before it writes them."""

_REPEATED = 8
"""How often a value occurs in a column, on average, for a dictionary to be worth its while."""

Work = Callable[[], pa.RecordBatch]
"""Makes some rows of the dataset."""


def write_parts(
    lake: Lake,
    left: Outcome,
    name: str,
    schema: pa.Schema,
    works: Iterable[Work],
) -> tuple[Dataset, int]:
    """Write what the works make, in any order; gives the dataset and its rows.

    Several workers call the works, while further ones are drawn from the iterable.
    """
    with _Parts(lake, left, name, schema) as parts:
        _call(works, parts.write)
        parts.flush()
    return lake.collect(left, name, schema, parts.streams), parts.rows


def _call(works: Iterable[Work], write: Callable[[Work], None]) -> None:
    """Let workers write what the works make, few of them at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        pending: deque[Future[None]] = deque()
        try:
            for work in works:
                pending.append(pool.submit(write, work))
                while len(pending) > _WAITING:
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@dataclass
class _Part:
    """One file; only one worker at a time has it."""

    file: str
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    writer: parquet.ParquetWriter | None = None


class _Parts:
    """The files. A worker takes one that nobody has, writes to it and gives it back."""

    def __init__(self, lake: Lake, left: Outcome, name: str, schema: pa.Schema) -> None:
        self.rows = 0
        self.streams: dict[str, Measured] = {}
        self._lake, self._left, self._name, self._schema = lake, left, name, schema
        self._parts = [_Part(f"part-{number:02}.parquet") for number in range(WORKERS)]
        self._free: SimpleQueue[_Part] = SimpleQueue()
        for part in self._parts:
            self._free.put(part)
        self._lock = Lock()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def write(self, work: Work) -> None:
        """Write what the work makes, or keep it until there is more."""
        rows = work()
        part = self._free.get()
        try:
            part.waiting.append(rows)
            if sum(map(len, part.waiting)) >= _ROW_GROUP:
                self._flush(part)
        finally:
            self._free.put(part)

    def flush(self) -> None:
        """Write what was kept."""
        for part in self._parts:
            self._flush(part)

    def _flush(self, part: _Part) -> None:
        rows = pa.Table.from_batches(part.waiting, self._schema)
        part.waiting.clear()
        if not len(rows):
            return
        with self._lock:
            self.rows += len(rows)
            if part.writer is None:
                stream = self._open.enter_context(
                    self._lake.create(self._left, self._name, part.file)
                )
                self.streams[part.file] = stream
                writer = parquet.ParquetWriter(stream, self._schema, **_options(rows))
                part.writer = self._open.enter_context(writer)
        part.writer.write_table(rows, _ROW_GROUP)


def _options(rows: pa.Table) -> dict[str, Any]:
    """How a file is written whose first rows these are: fast, and small where that costs little."""
    # Numbers of lines lie close together: their differences take less room.
    spaced = [each.name for each in rows.schema if each.type == pa.int64()]
    repeated = [
        name
        for name, column in zip(rows.column_names, rows.columns, strict=True)
        if name not in spaced and _repeats(column)
    ]
    return {
        "compression": "snappy",
        "use_dictionary": repeated,
        "column_encoding": dict.fromkeys(spaced, "DELTA_BINARY_PACKED"),
        "write_statistics": False,
    }


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether most values come again and again; a dictionary of others is work for nothing."""
    if pa.types.is_nested(column.type):
        return True
    return bool(pc.count_distinct(column).as_py() * _REPEATED <= len(column))
