"""The page's file, put in place in one step."""

from pathlib import Path

from vitrina.errors import SettingsError
from vitrina.output import output

# The second is of pages that version 0.1.0 wrote.
_OURS = (
    b'<meta name="generator" content="Vitrina">',
    b'<link rel="icon" href="data:,">\n<style>',
)


def write(page: str, file: Path) -> None:
    """Replace the file by the page; whoever opens it sees the old one or the new one.

    Raises:
        SettingsError: the file cannot be written, or is there and is not such a page.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from error
    with output(file, "--out", ours=_is_page) as stream:
        stream.write(page)


def _is_page(begins: bytes) -> bool:
    return any(mark in begins for mark in _OURS)
