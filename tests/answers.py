"""What ClickHouse answers to many queries.

`ClickHouse.query` opens a client for each of them, which takes ten times as long as such a query.
"""

from typing import Any

from vitrina.stores.clickhouse.store import ClickHouse

Answer = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def answer(store: ClickHouse, statement: str) -> Answer:
    """The names and the rows, by the client that the store has open."""
    found = store._session.client.query(statement)  # noqa: SLF001
    return tuple(found.column_names), [*map(tuple, found.result_rows)]
