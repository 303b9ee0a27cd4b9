"""The pages of the documentation, and what they show: blocks of code, and the commands in them."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = (ROOT / "README.md", ROOT / "README.ru.md")
FOLDERS = (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / "deploy")
PAGES = sorted(page for folder in FOLDERS for page in folder.glob("*.md"))
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, *kinds: str, below: str = "") -> Iterator[tuple[str, str]]:
    """The kind and the text of each block of these kinds; of one section, if its title is given."""
    text = page.read_text("utf-8")
    if below:
        _, found, text = text.partition(f"\n## {below}\n")
        assert found, f"{page.name} has no section {below}"
        text = text.partition("\n## ")[0]
    for _, kind, inside in _BLOCK.findall(text):
        if kind in kinds:
            yield kind, inside


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in the page's blocks for a shell; variables set before it first.

    Of ```` ```console ````, the lines after `$` alone. What follows `|`, `;`, `&&` or a word of
    the shell's own is a command of its own; a redirection belongs to none.
    """
    for kind, text in blocks(page, "sh", "bash", "console"):
        typed = re.findall(r"(?m)^\$ (.*)", text) if kind == "console" else text.splitlines()
        for line in _joined(typed):
            yield from _split(line)


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with those joined that a backslash or an open quote continues."""
    held = ""
    for line in lines:
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        try:
            shlex.split(held, comments=True)
        except ValueError:
            held += "\n"
            continue
        yield held
        held = ""
    assert not held, f"a quote is open: {held}"


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in ("<", ">", ">>"):
            next(lexer)
        elif word in (";", "|", "&&", "&") or (not words and word in ("do", "done")):
            if words:
                yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words
