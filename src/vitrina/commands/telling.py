"""What commands tell the user, and ask."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vitrina.commands.options import store_option
from vitrina.errors import SettingsError
from vitrina.printed import err, out, print_json

if TYPE_CHECKING:
    from vitrina.summary import Summary


def agreed(question: str, otherwise: str) -> bool:
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


def program() -> str:
    """The command that starts this program from the current folder."""
    found, here = shutil.which("vitrina"), Path(sys.argv[0]).absolute()
    if found is not None and Path(found).absolute() == here:
        return "vitrina"
    return shlex.quote(os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here))


def print_summary(found: "Summary", file: Path | None, as_json: bool) -> None:
    from vitrina.summary import render

    if as_json:
        print_json(found.document())
    else:
        out.print(render(found, program(), store_option(file)))
