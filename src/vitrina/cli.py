"""`vitrina …`: parse, call, print. Results go to stdout, progress and errors to stderr."""

import atexit
import gc
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitrina import __version__
from vitrina.contract import TIME_ZONE
from vitrina.counts import Counts
from vitrina.errors import BatchError, SettingsError, VitrinaError
from vitrina.generator.recipe import ROWS, SEED, Recipe
from vitrina.pipeline import STEPS, Run, Step
from vitrina.settings import Settings, load_settings
from vitrina.store import GENERATED

if TYPE_CHECKING:
    from vitrina.dashboard.texts import Language
    from vitrina.stores.lake import Lake
    from vitrina.stores.postgres.store import Postgres

app = typer.Typer(
    name="vitrina",
    help="A fully automated weekly pipeline that turns an online store's sales into figures "
    "you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# Lines are cut to the width of a terminal, and not at all for a pipe.
out = Console() if sys.stdout.isatty() else Console(width=1000)
err = Console(stderr=True)


class Store(StrEnum):
    postgres = "postgres"
    clickhouse = "clickhouse"


AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="YYYY-MM-DD",
        help="The batch: the sales of the 365 days before this date. Today in Moscow, by default.",
    ),
]
Rows = Annotated[int, typer.Option(min=ROWS.minimum, max=ROWS.maximum, help=f"{ROWS.description}.")]
Seed = Annotated[int, typer.Option(min=SEED.minimum, max=SEED.maximum, help=f"{SEED.description}.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main() -> None:
    """The entry point. A mistake of the user's is one line on stderr and exit code 1."""
    # Spares a search through all imported modules for garbage when Python ends.
    atexit.register(gc.freeze)
    try:
        # A command that ends early hands back its exit code instead of raising.
        raise SystemExit(app(standalone_mode=False) or 0)
    except VitrinaError as error:
        message = str(error)
    except typer.TyperException as error:
        if not error.format_message():
            # There were no arguments, and the help has been printed.
            raise SystemExit(error.exit_code) from None
        message = f"{error.format_message().rstrip('.')}; see: {_program()} --help"
    except (KeyboardInterrupt, typer.Abort):
        err.print("[yellow]interrupted[/]; run the same command again, nothing is doubled")
        raise SystemExit(130) from None
    err.print("[red]error:[/]", end=" ")
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(1)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        out.print(__version__)
        context.exit()


@app.command(epilog="Example: vitrina run --rows 100000 --as-of 2026-11-24")
def run(
    as_of: AsOf = None,
    rows: Rows = ROWS.default,
    seed: Seed = SEED.default,
    as_json: AsJson = False,
) -> None:
    """Run every step of a batch, from generated sales to the published marts."""
    with Run(load_settings(), _date(as_of), Recipe(rows, seed)) as under_way:
        for step in STEPS:
            _do(under_way, step)
        _print_summary(under_way.lake, under_way.postgres, as_json)


def _command(step: Step) -> Callable[..., None]:
    """The function of a step's command, whose parameters are the command's options."""

    def with_recipe(
        as_of: AsOf = None,
        rows: Rows = ROWS.default,
        seed: Seed = SEED.default,
        as_json: AsJson = False,
    ) -> None:
        _one_step(step, as_of, Recipe(rows, seed), as_json)

    def without_recipe(as_of: AsOf = None, as_json: AsJson = False) -> None:
        _one_step(step, as_of, Recipe(), as_json)

    return with_recipe if step.takes_recipe else without_recipe


for _step in STEPS:
    _recipe = " --rows 100000 --seed 7" if _step.takes_recipe else ""
    app.command(
        _step.name,
        help=_step.help,
        epilog=f"Example: vitrina {_step.name}{_recipe} --as-of 2026-11-24",
    )(_command(_step))


@app.command(epilog="Example: vitrina summary --as-of 2026-11-24")
def summary(as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show what became of a batch: rows through each step, rejects, reconciliation, seconds.

    By default it is the batch that PostgreSQL holds.
    """
    from vitrina.stores.lake import Lake
    from vitrina.stores.opening import open_postgres

    settings = load_settings()
    day = _date(as_of) if as_of else None
    with ExitStack() as opened:
        with _busy("asking PostgreSQL"):
            store = opened.enter_context(open_postgres(settings, GENERATED))
            lake = Lake(settings.lake_root, day or _current_batch(store))
        _print_summary(lake, store, as_json)


@app.command(epilog="Example: vitrina status --json")
def status(as_json: AsJson = False) -> None:
    """Show the ledger: every batch loaded, and whether each import reconciles."""
    from vitrina.stores.opening import open_postgres
    from vitrina.summary import ledger_json, render_ledger

    with _busy("asking PostgreSQL"), open_postgres(load_settings(), GENERATED) as store:
        entries = [(entry, store.control_totals(entry.as_of)) for entry in store.ledger()]
    if as_json:
        _print_json(ledger_json(entries))
    elif not entries:
        out.print(f"No batch has been loaded yet; run: {_program()} run")
    else:
        out.print(render_ledger(entries))


@app.command(epilog="Example: vitrina migrate")
def migrate(as_json: AsJson = False) -> None:
    """Create the tables of both stores, or upgrade those of an older Vitrina."""
    from vitrina.migrate import migrate

    with _busy("migrating"):
        migrated = migrate(load_settings(), GENERATED)
    if as_json:
        _print_json([vars(store) for store in migrated])
        return
    for store in migrated:
        before = "no tables" if store.before is None else f"version {store.before}"
        out.print(f"{store.store}: {before} before, version {store.now} now")


@app.command(epilog="Example: vitrina dashboard --lang ru --out sales.html")
def dashboard(
    lang: Annotated[
        Literal["en", "ru"], typer.Option(help="The language of the page: English or Russian.")
    ] = "en",
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it. By default dashboard.html (dashboard.ru.html) in "
            "VITRINA_HOME.",
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

    settings, language = load_settings(), Language(lang)
    if serve:
        if to is not None:
            raise SettingsError("--serve writes no file; leave out --serve or --out")
        _serve(settings, language, port, as_json)
        return
    from vitrina.dashboard.page.files import write
    from vitrina.dashboard.page.html import render
    from vitrina.dashboard.page.snapshot import read_snapshot
    from vitrina.stores.opening import open_clickhouse

    name = "dashboard.html" if language is Language.en else f"dashboard.{lang}.html"
    file = (settings.folder / name if to is None else to.expanduser()).absolute()
    with _busy("reading the import"), open_clickhouse(settings, GENERATED) as store:
        snapshot = read_snapshot(store, GENERATED.contract)
    with _busy("drawing the page"):
        write(render(snapshot, GENERATED, language), file)
    if as_json:
        _print_json({"file": str(file), "import_date": snapshot.import_date, "language": lang})
    else:
        out.print(str(file), markup=False, highlight=False, soft_wrap=True)


@app.command(epilog='Example: vitrina sql postgres "SELECT * FROM sales_by_region"')
def sql(
    store: Annotated[Store, typer.Argument(help="The store to query.")],
    query: Annotated[str, typer.Argument(help="One statement; it cannot change anything.")],
    as_json: AsJson = False,
) -> None:
    """Query a store without installing a client for it."""
    from vitrina.stores.opening import open_clickhouse, open_postgres

    settings = load_settings()
    with _busy(f"asking {store.value}"):
        if store is Store.postgres:
            with open_postgres(settings, GENERATED) as postgres:
                names, rows = postgres.query(query)
        else:
            with open_clickhouse(settings, GENERATED) as clickhouse:
                names, rows = clickhouse.query(query)
    if as_json:
        _print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        _print_rows(names, rows)


def _serve(settings: Settings, language: "Language", port: int, as_json: bool) -> None:
    """Serve the dashboard until Ctrl-C."""
    from threading import Event

    from vitrina.dashboard.page.serve import serving

    with ExitStack() as opened:
        with _busy("drawing the page"):
            server = opened.enter_context(serving(settings, GENERATED, language, port))
        if as_json:
            _print_json({"url": server.url})
        else:
            out.print(server.url, markup=False, highlight=False)
        sys.stdout.flush()
        err.print("The page renews itself when a batch lands. Ctrl-C stops the server.")
        with suppress(KeyboardInterrupt):
            Event().wait()


def _one_step(step: Step, as_of: str | None, recipe: Recipe, as_json: bool) -> None:
    with Run(load_settings(), _date(as_of), recipe) as under_way:
        counts = _do(under_way, step)
    if as_json:
        day = under_way.batch.as_of
        _print_json({"as_of": day, "step": step.name, **counts.document()})


def _do(under_way: Run, step: Step) -> Counts:
    started = time.perf_counter()
    with _busy(f"{step.name}: {step.summary}"):
        counts = under_way.step(step)
    err.print(f"[green]✓[/] {step.name:<9} {time.perf_counter() - started:5.1f} s  {step.summary}")
    return counts


def _print_summary(lake: "Lake", store: "Postgres", as_json: bool) -> None:
    from vitrina.summary import render, summarize

    with _busy("reading the summary"):
        found = summarize(lake, GENERATED, store.control_totals(lake.as_of))
    if as_json:
        _print_json(found.document())
    else:
        out.print(render(found, _program()))


def _program() -> str:
    """The command that starts this program from the current folder."""
    found, here = shutil.which("vitrina"), Path(sys.argv[0]).absolute()
    if found is not None and Path(found).absolute() == here:
        return "vitrina"
    return shlex.quote(os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here))


def _current_batch(store: "Postgres") -> date:
    current = store.current_batch()
    if current is None:
        raise BatchError("no batch has been loaded yet; run: vitrina run")
    return current.as_of


@contextmanager
def _busy(what: str) -> Iterator[None]:
    with err.status(what):
        yield


def _date(text: str | None) -> date:
    if text is None:
        return datetime.now(ZoneInfo(TIME_ZONE)).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--as-of {text} is not a date; write it as 2026-11-24") from None


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_as_json) + "\n")


def _as_json(value: Any) -> Any:
    """Exact decimals as text, dates as ISO 8601."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _print_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, name in enumerate(names):
        values = [row[number] for row in rows if row[number] is not None]
        numeric = bool(values) and all(isinstance(value, int | float | Decimal) for value in values)
        table.add_column(name, overflow="fold", justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*[Text("" if value is None else str(value)) for value in row])
    out.print(table)
    err.print(f"{len(rows):,} rows")
