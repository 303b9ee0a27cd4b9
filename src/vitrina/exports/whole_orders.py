"""All lines of some rows' orders, so that a mended file gives each line its old place.

A line's place in its order, a value from the line above and a sum depend on the other lines of the
file. Rows that are mended without them would become other sales.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import blank_as_null
from vitrina.exports.feed import LINE
from vitrina.exports.intake import read_file
from vitrina.exports.mapping import mapped
from vitrina.exports.orders import ORDER, PARTS
from vitrina.exports.source import Source
from vitrina.exports.unpacking import Unpacked
from vitrina.store import Store, source_of


def keys(source: Source) -> tuple[str, ...]:
    """The columns of `mapped_schema` that are equal in rows that depend on each other."""
    placed = [name for name, column in source.mapped.items() if column.place == "order"]
    order = [ORDER] if source.order else []
    return (*placed, *order, *([PARTS] if source.add_up else []))


def read_keys(file: Unpacked, store: Store) -> pa.Table:
    """The line and the keys of each row of a file; a key that is missing is null."""
    names = [LINE, *keys(source_of(store))]
    return pa.table(dict(zip(names, _columns(file, store, names), strict=True)))


def lines_of_orders(
    rows: pa.Table, lines: pa.Array, unsure: pa.Array, cells: pa.Array, later: pa.Array
) -> pa.Array:
    """The lines of all rows of the orders of some rows, in the order of the file.

    The order of an `unsure` line is not known: it is taken for that of the rows above and below
    it, or for one that has its name in `cells`. Orders in `later` are left out, with the lines
    that may be theirs: another file has them, whose rows are newer.
    """
    line, *columns = (column.combine_chunks() for column in rows.columns)
    is_unsure = pc.is_in(line, value_set=unsure)
    wanted = pc.is_in(line, value_set=lines)
    is_later = pc.is_in(columns[0], value_set=later)
    near = []
    for column in columns:
        lost = pc.or_(is_unsure, pc.and_(wanted, column.is_null()))
        known = pc.if_else(lost, pa.scalar(None, pa.string()), column)
        around = [pc.fill_null_forward(known), pc.fill_null_backward(known)]
        if column is columns[0]:
            for each in around:
                may_be_later = pc.is_in(each, value_set=later, skip_nulls=True)
                is_later = pc.or_(is_later, pc.and_(lost, may_be_later))
        near.append([*(each.filter(lost) for each in around), cells])
    wanted = pc.and_not(wanted, is_later)
    before = -1
    while (found := pc.sum(wanted).as_py() or 0) > before:
        before = found
        for column, others in zip(columns, near, strict=True):
            values = pa.chunked_array([column.filter(wanted), *others]).unique().drop_null()
            is_mine = pc.is_in(column, value_set=values)
            wanted = pc.and_not(pc.or_(wanted, is_mine), is_later)
    return line.filter(wanted)


def _columns(file: Unpacked, store: Store, names: list[str]) -> Iterator[pa.Array]:
    schema = pa.schema([(name, pa.int64() if name == LINE else pa.string()) for name in names])
    parts = [
        pa.table({name: rows.column(name) for name in names}, schema)
        for rows in (
            mapped(piece, store, file.name, 1) for piece in read_file(file, source_of(store))
        )
    ]
    whole = pa.concat_tables(parts) if parts else schema.empty_table()
    for name in names:
        column = pa.concat_arrays(whole[name].chunks or [pa.array([], schema.field(name).type)])
        yield column if name == LINE else blank_as_null(column)
