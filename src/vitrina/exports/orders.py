"""What a row takes from other rows of its order: its place, values from above, sums, refunds.

Takes what `mapping.mapped` gave, all batches together, and leaves the feed. It is called only
where a store's file declares such a thing (`needs_orders`); the windows are by file, so that a
batch is the same whatever other files it reads.
"""

from pyspark.sql import DataFrame

from vitrina.exports.store_file import Source
from vitrina.store import Store

IS_REFUND, ROWS_ADDED = "is_refund", "rows_added"


def needs_orders(source: Source) -> bool:
    """Whether rows depend on others of their order."""
    return bool(
        source.refund
        or source.add_up
        or any(each.carried_down or each.place == "order" for each in source.mapped.values())
        or any(row.in_order for row in source.rows)
    )


def complete(rows: DataFrame, store: Store) -> DataFrame:
    """The feed of rows in `mapping.mapped_schema`.

    Returns the columns of `feed_schema` and two more to count by: `is_refund` (bool: the row was
    made of an order's refund) and `rows_added` (int: rows that were added up into it, and are
    no longer there). Rows in = rows here - refunds + rows added.
    """
    raise NotImplementedError
