"""`run`, and a command for each step."""

import time
from collections.abc import Callable
from pathlib import Path

from vitrina.api import run_steps, today
from vitrina.commands.options import (
    AllowFew,
    AsJson,
    AsOf,
    File,
    Rows,
    Seed,
    command_line,
    date_of,
    recipe_of,
    settings_and_store,
)
from vitrina.commands.telling import print_summary
from vitrina.counts import Counts
from vitrina.pipeline import EXTRACT, STEPS, Run, Step
from vitrina.printed import busy, err, print_json

COMMANDS = (STEPS[0], EXTRACT, *STEPS[1:])
"""The steps of any store, a command each."""


def run(
    store: File = None,
    as_of: AsOf = None,
    rows: Rows = None,
    seed: Seed = None,
    allow_few: AllowFew = False,
    as_json: AsJson = False,
) -> None:
    """Run every step of a batch, from the store's files, or generated sales, to the marts."""
    with settings_and_store(store, allow_few) as (settings, found):
        recipe = recipe_of(found, rows, seed)
        day = date_of(as_of) or today(found)
        with Run(settings, day, recipe, found, started_by=command_line()) as under_way:
            print_summary(run_steps(under_way, _do), store, as_json)


def command_of(step: Step) -> Callable[..., None]:
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
    with settings_and_store(file, allow_few) as (settings, store):
        day = date_of(as_of) or today(store)
        recipe = recipe_of(store, rows, seed)
        with Run(settings, day, recipe, store, started_by=command_line()) as under_way:
            counts = _do(under_way, step)
    if as_json:
        print_json({"as_of": day, "step": step.name, **counts.document()})


def _do(under_way: Run, step: Step) -> Counts:
    started = time.perf_counter()
    with busy(f"{step.name}: {step.summary}"):
        counts = under_way.step(step)
    err.print(f"[green]✓[/] {step.name:<9} {time.perf_counter() - started:5.1f} s  {step.summary}")
    return counts
