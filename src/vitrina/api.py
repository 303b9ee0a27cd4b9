"""The Python API: what the commands do, without printing. `vitrina` itself passes it on.

Light to import: engines and stores are loaded by the call that needs them.
"""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vitrina.counts import Counts
from vitrina.errors import SettingsError
from vitrina.generator.recipe import Recipe
from vitrina.pipeline import Run, Step, naming
from vitrina.store import GENERATED, Store

if TYPE_CHECKING:
    from vitrina.settings import Settings
    from vitrina.summary import Summary


def run(
    store: Store | Path | str | None = None,
    as_of: date | None = None,
    settings: "Settings | None" = None,
    *,
    recipe: Recipe | None = None,
) -> "Summary":
    """Run every step of a batch and return what became of it, as `vitrina run` does.

    `store` is a store or its file; unless given, what the settings name, else the generated shop,
    to which alone a `recipe` belongs. `as_of` is the day after the batch's last; unless given,
    today in the store's zone. `settings` are those of the environment unless given.

    Raises:
        SettingsError: a setting, the store's file or the recipe cannot be used.
        VitrinaError: a step cannot be done; what readers see is as it was before.
    """
    from vitrina.settings import load_settings

    settings = settings or load_settings()
    found = store if isinstance(store, Store) else chosen_store(store, settings)
    if recipe is not None and not found.is_generated:
        raise SettingsError("a recipe is for the generated shop; a store's rows are its own")
    with naming(found), Run(settings, as_of or today(found), recipe, found) as under_way:
        return run_steps(under_way, Run.step)


def run_steps(under_way: Run, do: Callable[[Run, Step], Counts]) -> "Summary":
    """Let `do` do each step in order; return the batch's summary."""
    for step in under_way.steps:
        do(under_way, step)
    # Only now: it imports Arrow, for which the start of PostgreSQL need not wait.
    from vitrina.summary import summarize

    totals = under_way.postgres.control_totals(under_way.batch.as_of)
    return summarize(under_way.lake, under_way.store, totals)


def chosen_store(file: Path | str | None, settings: "Settings") -> Store:
    """The store of this file, or else of the settings, or else the generated shop.

    Raises:
        SettingsError: the file cannot be used, or is a folder, which is for the DAGs.
    """
    file = file if file is not None else settings.store
    if file is None:
        return GENERATED
    from vitrina.exports.store_file import load_store
    from vitrina.settings import expanded

    path = expanded(Path(file))
    if path.is_dir():
        raise SettingsError(f"{path} is a folder; name one store in it: --store {path}/….toml")
    return load_store(path)


def today(store: Store) -> date:
    """The date where the store is."""
    return datetime.now(ZoneInfo(store.time_zone)).date()
