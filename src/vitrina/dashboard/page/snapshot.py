"""What the page is made of, read from ClickHouse: the tables that its queries run on."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from vitrina.contract import Contract
from vitrina.dashboard.panels import panels
from vitrina.dashboard.panels.products import BEST_PRODUCTS
from vitrina.dashboard.placeholders import Selection, literal
from vitrina.dashboard.query import Plans, sql
from vitrina.errors import BatchError
from vitrina.stores.clickhouse.store import ClickHouse

Rows = dict[str, list[Any]]
"""The columns of a table by name, all of one length."""

Imports = tuple[tuple[date, datetime], ...]
"""The date of each import and when it was made, oldest first."""


@dataclass(frozen=True)
class Snapshot:
    """One import as ClickHouse has it, and what is known of all the others."""

    import_date: date
    imports: Imports
    tables: dict[str, Rows]
    """What the panels' queries read, by the names that `Plans.tables` has."""


def page_plans(contract: Contract) -> Plans:
    """All that the page computes: the panels' figures and keys, and the products it offers."""
    plans = Plans()
    for panel in panels(contract):
        plans.add(panel.query)
        if panel.key is not None:
            plans.add(panel.key)
    plans.add(BEST_PRODUCTS)
    return plans


def read_snapshot(store: ClickHouse, contract: Contract) -> Snapshot:
    """The newest import of a store with this contract.

    Raises:
        BatchError: there is none.
    """
    imports = tuple(store.imports())
    if not imports:
        raise BatchError("ClickHouse has no import to show yet; run: vitrina run")
    newest, _ = imports[-1]
    tables = {}
    for name, source in page_plans(contract).tables.items():
        columns, rows = store.query(literal(sql(source.order(*source.columns)), Selection(newest)))
        tables[name] = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
    return Snapshot(newest, imports, tables)
