"""Options that commands share, and what follows from them: settings, store, batch."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from vitrina.api import chosen_store
from vitrina.errors import SettingsError
from vitrina.generator.recipe import ROWS, SEED, Parameter, Recipe
from vitrina.pipeline import naming
from vitrina.printed import busy
from vitrina.store import Store

if TYPE_CHECKING:
    from vitrina.settings import Settings
    from vitrina.stores.postgres.store import Postgres


def _of_the_generated_shop(parameter: Parameter) -> OptionInfo:
    option: OptionInfo = typer.Option(
        min=parameter.minimum,
        max=parameter.maximum,
        help=f"{parameter.description}, in the generated shop: {parameter.default} by default.",
    )
    return option


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
Rows = Annotated[int | None, _of_the_generated_shop(ROWS)]
Seed = Annotated[int | None, _of_the_generated_shop(SEED)]
AllowFew = Annotated[
    bool,
    typer.Option(
        "--allow-few",
        help="Go on with no sales, or with less than half of those of the batch before.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@contextmanager
def settings_and_store(
    file: Path | None, allow_few: bool = False
) -> Iterator[tuple["Settings", Store]]:
    """The settings and the store of a command; a command that an error names is for it, too."""
    from vitrina.settings import load_settings

    settings = load_settings()
    if allow_few:
        settings = settings.model_copy(update={"allow_few": True})
    store = chosen_store(file, settings)
    with naming(store):
        yield settings, store


@contextmanager
def postgres_of(file: Path | None) -> Iterator[tuple["Postgres", "Settings", Store]]:
    """PostgreSQL of a command that asks it alone, and what it was opened by."""
    from vitrina.stores.opening import open_postgres

    with (
        settings_and_store(file) as (settings, store),
        busy("asking PostgreSQL"),
        open_postgres(settings, store) as postgres,
    ):
        yield postgres, settings, store


def store_option(file: Path | None) -> str:
    """The option that says again which store was chosen."""
    return "" if file is None else f" --store {shlex.quote(str(file))}"


def recipe_of(store: Store, rows: int | None, seed: int | None) -> Recipe:
    """What the generated shop is made by; what is not given has its default.

    Raises:
        SettingsError: it was given for a store that has files of its own.
    """
    if not store.is_generated and (rows, seed) != (None, None):
        raise SettingsError(
            "--rows and --seed are for the generated shop; "
            f"the rows of {store.name} are those of its files"
        )
    return Recipe(ROWS.default if rows is None else rows, SEED.default if seed is None else seed)


def date_of(text: str | None) -> date | None:
    return None if text is None else required_date(text)


def required_date(text: str) -> date:
    """The date of `--as-of`.

    Raises:
        SettingsError: the text is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--as-of {text} is not a date; write it as 2026-11-24") from None


def command_line() -> str:
    """What was typed, for the ledger of runs. No option takes a secret."""
    return shlex.join(["vitrina", *sys.argv[1:]])
