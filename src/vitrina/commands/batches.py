"""Batches that are there: `prove` and `prune`."""

import atexit
import gc
from typing import Annotated

import typer

from vitrina.commands.options import AsJson, AsOf, File, command_line, date_of, settings_and_store
from vitrina.commands.telling import agreed
from vitrina.printed import out, print_json
from vitrina.stores.addresses import lake_root


def prove(
    store: File = None,
    as_of: AsOf = None,
    from_feed: Annotated[
        bool,
        typer.Option(
            "--from-feed",
            help="Also recompute every sale and every mart from the feed in the lake, by DuckDB.",
        ),
    ] = False,
    seal_sales: Annotated[
        bool,
        typer.Option(
            "--seal-sales",
            help="Add the SHA-256 of all sales to the chain of manifests, for an auditor.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare all that is stored of a batch with its manifest; name each file, row and cell.

    By default it is the batch that was published last. Exit code 1 if anything differs.
    """
    from vitrina.proof.prove import prove

    if from_feed:
        # DuckDB tells pages of leaks of what the interpreter does not free at its end.
        atexit.unregister(gc.freeze)
    with settings_and_store(store) as (settings, found):
        proof = prove(settings, found, date_of(as_of), from_feed=from_feed, seal_sales=seal_sales)
    if as_json:
        print_json(proof.document())
    else:
        for line in proof.lines():
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not proof.holds:
        raise typer.Exit(1)


def prune(
    keep: Annotated[
        int, typer.Option(min=1, help="How many published batches are kept, the newest.")
    ],
    store: File = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old batches: folders of the lake, imports, archived files that no other needs.

    Shows what would be deleted and asks. The newest published batch always stays.
    """
    from vitrina.proof.prune import carry_out, plan
    from vitrina.stores.opening import open_clickhouse, open_postgres

    with (
        settings_and_store(store) as (settings, found),
        open_postgres(settings, found) as postgres,
        open_clickhouse(settings, found) as clickhouse,
    ):
        batches = lake_root(settings, found)
        planned = plan(batches, found, postgres, clickhouse, keep)
        if as_json:
            print_json(planned.document())
        else:
            for line in planned.lines():
                out.print(line, markup=False, highlight=False, soft_wrap=True)
        if planned.is_empty:
            return
        if yes or agreed("Delete it?", "nothing was deleted"):
            carry_out(planned, batches, found, postgres, clickhouse, command_line())
