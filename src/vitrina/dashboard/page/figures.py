"""What the page shows, read from ClickHouse: the panels' rows and what its filters work on."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from vitrina.dashboard.panels import PAGE_TABLES, PANELS, Panel
from vitrina.dashboard.placeholders import Selection, Variable, literal
from vitrina.errors import BatchError
from vitrina.stores.clickhouse.store import ClickHouse

Table = dict[str, list[Any]]
"""A query's columns by name, all of one length."""

Imports = tuple[tuple[date, datetime], ...]
"""The date of each import and when it was made, oldest first."""


@dataclass(frozen=True)
class Figures:
    """One import as ClickHouse has it, and what is known of all the others."""

    import_date: date
    imports: Imports
    tables: dict[str, Table]
    """`PAGE_TABLES`, and the rows of each panel that no filter of the page changes."""


def follows_filters(panel: Panel) -> bool:
    """Whether a panel follows the filters of the page, and so is computed there."""
    return bool(panel.variables & {Variable.region, Variable.product})


def read_figures(store: ClickHouse) -> Figures:
    """The figures of the newest import.

    Raises:
        BatchError: there is none.
    """
    imports = tuple(store.imports())
    if not imports:
        raise BatchError("ClickHouse has no import to show yet; run: vitrina run")
    newest, _ = imports[-1]
    queries = PAGE_TABLES | {panel.id: panel.sql for panel in PANELS if not follows_filters(panel)}
    tables = {}
    for name, sql in queries.items():
        columns, rows = store.query(literal(sql, Selection(newest)))
        tables[name] = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
    return Figures(newest, imports, tables)
