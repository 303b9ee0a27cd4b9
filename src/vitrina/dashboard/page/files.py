"""The page's file, put in place in one step."""

import os
from pathlib import Path

from vitrina.errors import SettingsError


def write(page: str, file: Path) -> None:
    """Replace the file by the page; whoever opens it sees the old one or the new one.

    Raises:
        SettingsError: the file cannot be written.
    """
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"the page cannot be written to {file}: {error}") from error
