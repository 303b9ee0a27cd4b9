"""`vitrina …`: parse, call, print. Results go to stdout, progress and errors to stderr."""

import atexit
import gc
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vitrina import __version__
from vitrina.api import chosen_store, run_steps, today
from vitrina.counts import Counts
from vitrina.errors import BatchError, SettingsError, VitrinaError
from vitrina.generator.recipe import ROWS, SEED, Recipe
from vitrina.pipeline import EXTRACT, STEPS, Run, Step, naming
from vitrina.printed import (
    drop_output,
    err,
    in_one_line,
    json_text,
    lost,
    out,
    print_json,
    print_json_rows,
    print_table,
    ready_streams,
)
from vitrina.store import Batch, Store
from vitrina.stores.addresses import lake_root

if TYPE_CHECKING:
    from vitrina.dashboard.texts import Language
    from vitrina.exports.rejects import Reject
    from vitrina.proof.withdrawal import Archived
    from vitrina.settings import Settings
    from vitrina.stores.postgres.store import Postgres
    from vitrina.summary import Summary

app = typer.Typer(
    name="vitrina",
    help="A fully automated weekly pipeline that turns an online store's sales into figures "
    "you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class Database(StrEnum):
    postgres = "postgres"
    clickhouse = "clickhouse"


COMMANDS = (STEPS[0], EXTRACT, *STEPS[1:])
"""The steps of any store, a command each."""
File = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FILE",
        help="The store's file. Unless given here or in VITRINA_STORE, it is the generated shop.",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="YYYY-MM-DD",
        help="The batch: the sales of the days before this date, 365 unless the store's file says "
        "otherwise. Today where the store is, by default.",
    ),
]
Rows = Annotated[
    int | None,
    typer.Option(
        min=ROWS.minimum,
        max=ROWS.maximum,
        help=f"{ROWS.description}, in the generated shop: {ROWS.default} by default.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=SEED.minimum,
        max=SEED.maximum,
        help=f"{SEED.description}, in the generated shop: {SEED.default} by default.",
    ),
]
AllowFew = Annotated[
    bool,
    typer.Option(
        "--allow-few",
        help="Go on with no sales, or with less than half of those of the batch before.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_INTERRUPTED = 130


def main() -> None:
    """The entry point. A mistake of the user's is one line on stderr and exit code 1."""
    # Imports make 250,000 objects and no garbage; looking for it took a tenth of their time.
    gc.set_threshold(300_000)
    # Spares a search through all imported modules for garbage when Python ends.
    atexit.register(gc.freeze)
    ready_streams()
    # Both end a command as Ctrl-C does, which stops what it has started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    try:
        # A command that ends early hands back its exit code instead of raising.
        code = app(standalone_mode=False) or 0
        if code == _INTERRUPTED:
            # Typer has made an exit code of it.
            raise KeyboardInterrupt
        sys.stdout.flush()
        raise SystemExit(code)
    except BrokenPipeError:
        # The reader of the output has gone.
        drop_output()
        raise SystemExit(1) from None
    except OSError as error:
        message = lost(error)
    except VitrinaError as error:
        message = str(error)
    except typer.TyperException as error:
        if not error.format_message():
            # There were no arguments, and the help has been printed.
            raise SystemExit(error.exit_code) from None
        message = f"{error.format_message().rstrip('.')}; see: {_program()} --help"
    except (KeyboardInterrupt, typer.Abort):
        err.print(
            "[yellow]interrupted[/]; readers see what they saw before the step that was under way; "
            "run the same command again, nothing is doubled",
            soft_wrap=True,
        )
        raise SystemExit(_INTERRUPTED) from None
    err.print("[red]error:[/]", end=" ")
    # Names of files may have line breaks.
    err.print(in_one_line(message), markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(1)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        out.print(__version__)
        context.exit()


@app.command(epilog="Example: vitrina run --store store.toml --as-of 2026-11-24")
def run(
    store: File = None,
    as_of: AsOf = None,
    rows: Rows = None,
    seed: Seed = None,
    allow_few: AllowFew = False,
    as_json: AsJson = False,
) -> None:
    """Run every step of a batch, from the store's files, or generated sales, to the marts."""
    with _of(store, allow_few) as (settings, found):
        recipe = _recipe(found, rows, seed)
        day = _date(as_of) or today(found)
        with Run(settings, day, recipe, found, started_by=_command_line()) as under_way:
            _print_summary(run_steps(under_way, _do), store, as_json)


def _command(step: Step) -> Callable[..., None]:
    """The function of a step's command, whose parameters are the command's options."""

    def with_recipe(
        store: File = None,
        as_of: AsOf = None,
        rows: Rows = None,
        seed: Seed = None,
        as_json: AsJson = False,
    ) -> None:
        _one_step(step, store, as_of, as_json, rows=rows, seed=seed)

    def that_may_allow_few(
        store: File = None,
        as_of: AsOf = None,
        allow_few: AllowFew = False,
        as_json: AsJson = False,
    ) -> None:
        _one_step(step, store, as_of, as_json, allow_few=allow_few)

    def plain(store: File = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
        _one_step(step, store, as_of, as_json)

    if step.takes_recipe:
        return with_recipe
    return that_may_allow_few if step.stops_at_few else plain


for _step in COMMANDS:
    _options = " --rows 100000 --seed 7" if _step.takes_recipe else ""
    if _step is EXTRACT:
        _options = " --store store.toml"
    app.command(
        _step.name,
        help=_step.help,
        epilog=f"Example: vitrina {_step.name}{_options} --as-of 2026-11-24",
    )(_command(_step))


@app.command(epilog="Example: vitrina summary --as-of 2026-11-24")
def summary(store: File = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show what became of a batch: rows through each step, rejects, reconciliation, seconds.

    By default it is the batch that PostgreSQL shows.
    """
    from vitrina.stores.lake import Lake
    from vitrina.summary import summarize

    day = _date(as_of)
    with _postgres_of(store) as (postgres, settings, found):
        lake = Lake(lake_root(settings, found), day or _current_batch(postgres))
        shown = summarize(lake, found, postgres.control_totals(lake.as_of))
    _print_summary(shown, store, as_json)


@app.command(epilog="Example: vitrina status --json")
def status(store: File = None, as_json: AsJson = False) -> None:
    """Show the ledger: every batch loaded, what PostgreSQL has of it, and whether it reconciles."""
    from vitrina.summary import ledger_json, render_ledger

    with _postgres_of(store) as (postgres, _, _):
        ledger = [(entry, postgres.control_totals(entry.as_of)) for entry in postgres.ledger()]
    if as_json:
        print_json(ledger_json(ledger))
    elif not ledger:
        out.print(f"No batch has been loaded yet; run: {_program()} run{_option(store)}")
    else:
        out.print(render_ledger(ledger))


@app.command(epilog="Example: vitrina runs --as-of 2026-11-24")
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

    day = _date(as_of)
    with _postgres_of(store) as (postgres, _, _):
        shown = postgres.runs(last, day)
    if as_json:
        print_json(runs_json(shown))
    elif not shown:
        out.print(f"No step has run yet; run: {_program()} run{_option(store)}")
    else:
        out.print(render_runs(shown))


@app.command(epilog="Example: vitrina show --as-of 2026-11-17")
def show(
    as_of: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="A batch that PostgreSQL keeps; see status.")
    ],
    store: File = None,
    as_json: AsJson = False,
) -> None:
    """Let readers of PostgreSQL see an older batch, until a newer one is published."""
    from vitrina.stores.opening import open_postgres

    with _of(store) as (settings, found):
        day = _required_date(as_of)
        with _busy("asking PostgreSQL"), open_postgres(settings, found) as postgres:
            postgres.show(day)
    if as_json:
        print_json({"as_of": day})
    else:
        out.print(f"PostgreSQL shows batch {day}")


@app.command(epilog="Example: vitrina rejects --reason region_unknown --csv mend.csv")
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

    with _of(store) as (settings, found):
        day = _date(as_of) or today(found)
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


@app.command(epilog="Example: vitrina inspect exports/ --out store.toml")
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
    from vitrina.exports.inspect import propose, write_new
    from vitrina.settings import expanded

    with _busy("looking into the files"):
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


@app.command(epilog="Example: vitrina prove --as-of 2026-11-24 --from-feed")
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
    with _of(store) as (settings, found):
        proof = prove(settings, found, _date(as_of), from_feed=from_feed, seal_sales=seal_sales)
    if as_json:
        print_json(proof.document())
    else:
        for line in proof.lines():
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not proof.holds:
        raise typer.Exit(1)


@app.command(epilog="Example: vitrina prune --keep 8")
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
        _of(store) as (settings, found),
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
        if yes or _agreed("Delete it?", "nothing was deleted"):
            carry_out(planned, batches, found, postgres, clickhouse, _command_line())


@app.command(epilog="Example: vitrina archive --store store.toml --withdraw october.csv")
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
    with _of(store) as (settings, found):
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
        if yes or _agreed("Do it?", "nothing was changed"):
            carry_out(shown, batches, withdraws=bool(withdraw))


@app.command(epilog="Example: vitrina migrate")
def migrate(store: File = None, as_json: AsJson = False) -> None:
    """Create the tables in both databases, or upgrade those of an older Vitrina."""
    from vitrina.migrate import migrate

    with _of(store) as (settings, found), _busy("migrating"):
        migrated = migrate(settings, found)
    if as_json:
        print_json([vars(each) for each in migrated])
        return
    for each in migrated:
        before = "no tables" if each.before is None else f"version {each.before}"
        out.print(f"{each.store}: {before} before, version {each.now} now")


@app.command(epilog="Example: vitrina dashboard --lang ru --out sales.html")
def dashboard(
    store: File = None,
    lang: Annotated[
        Literal["en", "ru"], typer.Option(help="The language of the page: English or Russian.")
    ] = "en",
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it. By default dashboard.html (dashboard.ru.html) in "
            "VITRINA_HOME, with the store's name before it unless it is the generated shop.",
            show_default=False,
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve it on 127.0.0.1 instead; it follows each new batch."),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to serve it at; 0 takes a free one.")
    ] = 8765,
    as_json: AsJson = False,
) -> None:
    """Write the dashboard of the newest import, one HTML file that needs no network."""
    from vitrina.dashboard.texts import Language
    from vitrina.settings import expanded

    language = Language(lang)
    if serve and to is not None:
        raise SettingsError("--serve writes no file; leave out --serve or --out")
    with _of(store) as (settings, found):
        if serve:
            _serve(settings, found, language, port, as_json)
            return
        file = expanded(to) if to is not None else settings.folder / _page(found, language)
        _write_dashboard(settings, found, language, file.absolute(), as_json)


@app.command(epilog='Example: vitrina sql postgres "SELECT * FROM sales_by_region"')
def sql(
    database: Annotated[Database, typer.Argument(help="The database to query.")],
    query: Annotated[str, typer.Argument(help="One statement; it cannot change anything.")],
    store: File = None,
    as_json: AsJson = False,
) -> None:
    """Query a store's tables without installing a client for the database."""
    from vitrina.stores.opening import open_clickhouse, open_postgres_for_queries

    try:
        query.encode()
    except UnicodeEncodeError:
        raise SettingsError("the query is not UTF-8; write it in that encoding") from None
    with _of(store) as (settings, found), ExitStack() as opened:
        with _busy(f"asking {database.value}"):
            answering = (
                opened.enter_context(open_postgres_for_queries(settings, found)).ask
                if database is Database.postgres
                else opened.enter_context(open_clickhouse(settings, found)).ask
            )
            answer = opened.enter_context(answering(query))
        if as_json:
            print_json_rows(*answer)
        else:
            err.print(f"{print_table(*answer):,} rows")


@contextmanager
def _of(file: Path | None, allow_few: bool = False) -> Iterator[tuple["Settings", Store]]:
    """The settings and the store of a command; a command that an error names is for it, too."""
    from vitrina.settings import load_settings

    settings = load_settings()
    if allow_few:
        settings = settings.model_copy(update={"allow_few": True})
    store = chosen_store(file, settings)
    with naming(store):
        yield settings, store


def _option(file: Path | None) -> str:
    """The option that says again which store was chosen."""
    return "" if file is None else f" --store {shlex.quote(str(file))}"


def _recipe(store: Store, rows: int | None, seed: int | None) -> Recipe:
    if not store.is_generated and (rows, seed) != (None, None):
        raise SettingsError(
            "--rows and --seed are for the generated shop; "
            f"the rows of {store.name} are those of its files"
        )
    return Recipe(
        ROWS.default if rows is None else rows,
        SEED.default if seed is None else seed,
    )


def _page(store: Store, language: "Language") -> str:
    """The name of the dashboard's file."""
    name = "dashboard" if store.is_generated else f"{store.name}.dashboard"
    return f"{name}.html" if language.value == "en" else f"{name}.{language.value}.html"


def _write_dashboard(
    settings: "Settings", store: Store, language: "Language", file: Path, as_json: bool
) -> None:
    from vitrina.dashboard.page.files import write
    from vitrina.dashboard.page.html import render
    from vitrina.dashboard.page.snapshot import read_snapshot
    from vitrina.stores.opening import open_clickhouse

    with _busy("reading the import"), open_clickhouse(settings, store) as clickhouse:
        snapshot = read_snapshot(clickhouse, store.contract)
    with _busy("drawing the page"):
        write(render(snapshot, store, language), file)
    if as_json:
        found = {"file": str(file), "import_date": snapshot.import_date}
        print_json({**found, "language": language.value})
    else:
        out.print(str(file), markup=False, highlight=False, soft_wrap=True)


def _serve(
    settings: "Settings", store: Store, language: "Language", port: int, as_json: bool
) -> None:
    """Serve the dashboard until Ctrl-C."""
    from threading import Event

    from vitrina.dashboard.page.serve import serving

    with ExitStack() as opened:
        with _busy("drawing the page"):
            server = opened.enter_context(serving(settings, store, language, port))
        if as_json:
            print_json({"url": server.url})
        else:
            out.print(server.url, markup=False, highlight=False)
        sys.stdout.flush()
        err.print("The page renews itself when a batch lands. Ctrl-C stops the server.")
        with suppress(KeyboardInterrupt):
            Event().wait()


def _one_step(
    step: Step,
    file: Path | None,
    as_of: str | None,
    as_json: bool,
    *,
    rows: int | None = None,
    seed: int | None = None,
    allow_few: bool = False,
) -> None:
    with _of(file, allow_few) as (settings, store):
        day = _date(as_of) or today(store)
        recipe = _recipe(store, rows, seed)
        with Run(settings, day, recipe, store, started_by=_command_line()) as under_way:
            counts = _do(under_way, step)
    if as_json:
        print_json({"as_of": day, "step": step.name, **counts.document()})


def _command_line() -> str:
    """What was typed, for the ledger of runs. No option takes a secret."""
    return shlex.join(["vitrina", *sys.argv[1:]])


def _do(under_way: Run, step: Step) -> Counts:
    started = time.perf_counter()
    with _busy(f"{step.name}: {step.summary}"):
        counts = under_way.step(step)
    err.print(f"[green]✓[/] {step.name:<9} {time.perf_counter() - started:5.1f} s  {step.summary}")
    return counts


def _print_summary(found: "Summary", file: Path | None, as_json: bool) -> None:
    from vitrina.summary import render

    if as_json:
        print_json(found.document())
    else:
        out.print(render(found, _program(), _option(file)))


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


def _agreed(question: str, otherwise: str) -> bool:
    """Whether the user agrees; if not, that is told in the words of `otherwise`.

    Raises:
        SettingsError: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise SettingsError(f"{otherwise}: nobody can be asked here; give --yes")
    agreed = typer.confirm(question, err=True)
    if not agreed:
        err.print(otherwise)
    return agreed


def _program() -> str:
    """The command that starts this program from the current folder."""
    found, here = shutil.which("vitrina"), Path(sys.argv[0]).absolute()
    if found is not None and Path(found).absolute() == here:
        return "vitrina"
    return shlex.quote(os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here))


def _current_batch(store: "Postgres") -> date:
    current = store.current_batch()
    if current is None:
        raise BatchError("no batch has been published yet; run: vitrina run")
    return current.as_of


@contextmanager
def _postgres_of(file: Path | None) -> Iterator[tuple["Postgres", "Settings", Store]]:
    """PostgreSQL of a command that asks it alone, and what it was opened by."""
    from vitrina.stores.opening import open_postgres

    with (
        _of(file) as (settings, store),
        _busy("asking PostgreSQL"),
        open_postgres(settings, store) as postgres,
    ):
        yield postgres, settings, store


@contextmanager
def _busy(what: str) -> Iterator[None]:
    with err.status(what):
        yield


def _date(text: str | None) -> date | None:
    return None if text is None else _required_date(text)


def _required_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--as-of {text} is not a date; write it as 2026-11-24") from None
