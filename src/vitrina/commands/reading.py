"""Reading the figures: `dashboard` and `sql`."""

import sys
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vitrina.commands.options import AsJson, File, settings_and_store
from vitrina.errors import SettingsError
from vitrina.printed import busy, err, out, print_json, print_json_rows, print_table
from vitrina.store import Store

if TYPE_CHECKING:
    from vitrina.dashboard.texts import Language
    from vitrina.settings import Settings


class Database(StrEnum):
    postgres = "postgres"
    clickhouse = "clickhouse"


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
    with settings_and_store(store) as (settings, found):
        if serve:
            _serve(settings, found, language, port, as_json)
            return
        file = expanded(to) if to is not None else settings.folder / _page(found, language)
        _write_dashboard(settings, found, language, file.absolute(), as_json)


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
    with settings_and_store(store) as (settings, found), ExitStack() as opened:
        with busy(f"asking {database.value}"):
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

    with busy("reading the import"), open_clickhouse(settings, store) as clickhouse:
        snapshot = read_snapshot(clickhouse, store.contract)
    with busy("drawing the page"):
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
        with busy("drawing the page"):
            server = opened.enter_context(serving(settings, store, language, port))
        if as_json:
            print_json({"url": server.url})
        else:
            out.print(server.url, markup=False, highlight=False)
        sys.stdout.flush()
        err.print("The page renews itself when a batch lands. Ctrl-C stops the server.")
        with suppress(KeyboardInterrupt):
            Event().wait()
