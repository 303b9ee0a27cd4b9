"""Letting PostgreSQL's readers see a batch, as its publication does."""

from typing import Any

from vitrina.steps import load
from vitrina.store import Batch
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres


def show(store: Postgres, batch: Batch) -> None:
    """Show the newest load of a batch, unless a newer batch is shown: nothing is published."""
    entry = store.newest_load(batch.as_of)
    assert entry is not None
    store.show_published(batch, entry.load_id, [])


def load_and_show(lake: Lake, store: Postgres, batch: Batch, **options: Any) -> None:
    """Load a batch from where `clean` left it, and show it."""
    load.run(lake, store, batch, **options)
    show(store, batch)
