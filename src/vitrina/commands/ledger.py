"""The ledger: `summary`, `status`, `runs`, `show`; and `migrate`, which makes its tables."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.commands.options import (
    AsJson,
    AsOf,
    File,
    date_of,
    postgres_of,
    required_date,
    settings_and_store,
    store_option,
)
from vitrina.commands.telling import print_summary, program
from vitrina.errors import BatchError
from vitrina.printed import busy, out, print_json
from vitrina.stores.addresses import lake_root

if TYPE_CHECKING:
    from vitrina.stores.postgres.store import Postgres


def summary(store: File = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show what became of a batch: rows through each step, rejects, reconciliation, seconds.

    By default it is the batch that PostgreSQL shows.
    """
    from vitrina.stores.lake import Lake
    from vitrina.summary import summarize

    day = date_of(as_of)
    with postgres_of(store) as (postgres, settings, found):
        lake = Lake(lake_root(settings, found), day or _current_batch(postgres))
        shown = summarize(lake, found, postgres.control_totals(lake.as_of))
    print_summary(shown, store, as_json)


def status(store: File = None, as_json: AsJson = False) -> None:
    """Show the ledger: every batch loaded, what PostgreSQL has of it, and whether it reconciles."""
    from vitrina.summary import ledger_json, render_ledger

    with postgres_of(store) as (postgres, _, _):
        ledger = [(entry, postgres.control_totals(entry.as_of)) for entry in postgres.ledger()]
    if as_json:
        print_json(ledger_json(ledger))
    elif not ledger:
        out.print(f"No batch has been loaded yet; run: {program()} run{store_option(store)}")
    else:
        out.print(render_ledger(ledger))


def runs(
    store: File = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Only runs of this batch. Of all by default."),
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the ledger of runs: each run of a step, when, how it ended, and what started it."""
    from vitrina.summary import render_runs, runs_json

    day = date_of(as_of)
    with postgres_of(store) as (postgres, _, _):
        shown = postgres.runs(last, day)
    if as_json:
        print_json(runs_json(shown))
    elif not shown:
        out.print(f"No step has run yet; run: {program()} run{store_option(store)}")
    else:
        out.print(render_runs(shown))


def show(
    as_of: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="A batch that PostgreSQL keeps; see status.")
    ],
    store: File = None,
    as_json: AsJson = False,
) -> None:
    """Let readers of PostgreSQL see an older batch, until a newer one is published."""
    from vitrina.stores.opening import open_postgres

    with settings_and_store(store) as (settings, found):
        day = required_date(as_of)
        with busy("asking PostgreSQL"), open_postgres(settings, found) as postgres:
            postgres.show(day)
    if as_json:
        print_json({"as_of": day})
    else:
        out.print(f"PostgreSQL shows batch {day}")


def migrate(store: File = None, as_json: AsJson = False) -> None:
    """Create the tables in both databases, or upgrade those of an older Vitrina."""
    from vitrina.migrate import migrate

    with settings_and_store(store) as (settings, found), busy("migrating"):
        migrated = migrate(settings, found)
    if as_json:
        print_json([vars(each) for each in migrated])
        return
    for each in migrated:
        before = "no tables" if each.before is None else f"version {each.before}"
        out.print(f"{each.store}: {before} before, version {each.now} now")


def _current_batch(store: "Postgres") -> date:
    current = store.current_batch()
    if current is None:
        raise BatchError("no batch has been published yet; run: vitrina run")
    return current.as_of
