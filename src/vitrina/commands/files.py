"""A store's own files: `inspect`, `rejects`, `archive`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api import today
from vitrina.commands.options import AsJson, AsOf, File, date_of, settings_and_store
from vitrina.commands.telling import agreed
from vitrina.errors import SettingsError
from vitrina.printed import busy, err, in_one_line, json_text, out, print_json, print_table
from vitrina.store import Batch
from vitrina.stores.addresses import lake_root

if TYPE_CHECKING:
    from vitrina.exports.rejects import Reject
    from vitrina.proof.withdrawal import Archived


def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Exports, or folders of them."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write the proposed file; a new one. Printed unless given.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look into a store's exports and propose a store's file, with the evidence for each guess."""
    from vitrina.exports.inspection.propose import propose, write_new
    from vitrina.settings import expanded

    with busy("looking into the files"):
        proposal = propose(files)
    if to is not None:
        write_new(proposal, expanded(to))
    if as_json:
        print_json({"text": proposal.text, "findings": proposal.findings})
        return
    for finding in proposal.findings:
        err.print(finding, markup=False, highlight=False, soft_wrap=True)
    if to is None:
        sys.stdout.write(proposal.text)
    else:
        out.print(str(to), markup=False, highlight=False, soft_wrap=True)


def rejects(
    store: File = None,
    as_of: AsOf = None,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="Only rows rejected for this reason.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Write the rows here, as they stood in the store's files and under their header. "
            "Mend them, and put the file where the store's files are.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the rejected rows of a batch: file and line, reasons, the store's own columns."""
    from vitrina.exports.rejects import rejects, write_mendable
    from vitrina.settings import expanded
    from vitrina.stores.lake import Lake

    with settings_and_store(store) as (settings, found):
        day = date_of(as_of) or today(found)
        batch = Batch(day, found)
        lake = Lake(lake_root(settings, found), day)
        if to is not None:
            mendable = write_mendable(lake, batch, expanded(to), reason)
            shown = [str(file) for file in mendable.files]
            if mendable.left_out:
                err.print(
                    f"{mendable.left_out:,} rejected rows are left out: a later file has their "
                    "orders, too"
                )
            if as_json:
                print_json(shown)
            elif not shown:
                err.print("No row is to be mended; nothing is written.")
            else:
                out.print("\n".join(shown), markup=False, highlight=False, soft_wrap=True)
            return
        for reject in rejects(lake, batch, reason):
            _print_reject(reject, as_json)


def archive(
    store: File = None,
    withdraw: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Read no further batch from this file: its name, or how its SHA-256 begins. "
            "May be given several times.",
        ),
    ] = None,
    restore: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Let batches be read again from a withdrawn file."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the store's files that batches are read from, or withdraw one that should not count.

    Shows what would change and asks. Nothing is deleted.
    """
    from vitrina.proof.withdrawal import archived, carry_out, chosen, told

    if withdraw and restore:
        raise SettingsError("give either --withdraw or --restore")
    with settings_and_store(store) as (settings, found):
        if found.is_generated:
            raise SettingsError("the generated shop has no files; give --store store.toml")
        batches = lake_root(settings, found)
        files = archived(batches)
        wanted = withdraw or restore
        shown = chosen(files, wanted, is_withdrawn=bool(restore)) if wanted else files
        if as_json:
            print_json([each.document() for each in shown])
        elif wanted:
            for line in told(shown, withdraws=bool(withdraw)):
                out.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            _print_archive(shown)
        if not wanted:
            return
        if yes or agreed("Do it?", "nothing was changed"):
            carry_out(shown, batches, withdraws=bool(withdraw))


def _print_reject(reject: "Reject", as_json: bool) -> None:
    """One row at a time, however many there are: as a line of JSON, or for people."""
    if as_json:
        document = {
            "file": reject.file,
            "line": reject.line,
            "reasons": reject.reasons,
            "columns": reject.values,
            "raw": reject.raw,
        }
        sys.stdout.write(json_text(document, indented=None) + "\n")
        return
    place = "" if reject.file is None else f"{reject.file}, line {reject.line}: "
    columns = [f"{name} = {value}" for name, value in reject.values.items() if value is not None]
    row = "; ".join(columns) if columns else reject.raw or ""
    sys.stdout.write(f"{place}{', '.join(reject.reasons)}\n    {in_one_line(row)}\n")


def _print_archive(files: "list[Archived]") -> None:
    names = ("sha256", "first seen (UTC)", "bytes", "batches", "withdrawn", "name")
    rows = [
        (
            each.short,
            f"{each.kept.first_seen:%Y-%m-%d %H:%M}",
            each.kept.size,
            len(each.batches),
            f"{each.kept.withdrawn:%Y-%m-%d}" if each.kept.withdrawn else "",
            each.kept.name,
        )
        for each in files
    ]
    err.print(f"{print_table(names, [rows]):,} files")
