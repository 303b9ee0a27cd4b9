"""What the documents say about files, commands and versions is so."""

import doctest
import importlib
import re
from pathlib import Path

import pytest
import typer

import vitrina
from vitrina.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SOURCE = ROOT / "src"
EXAMPLES = [
    *(
        ".".join(module.relative_to(SOURCE).with_suffix("").parts)
        for module in sorted(SOURCE.rglob("*.py"))
        if ">>> " in module.read_text()
    ),
    *(
        script.stem
        for script in sorted((ROOT / "scripts").glob("*.py"))
        if ">>> " in script.read_text()
    ),
]
READMES = ("README.md", "README.ru.md")


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_that_is_there(page: Path) -> None:
    for link in links(page):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_the_two_readmes_name_each_other_and_the_same_pages() -> None:
    english, russian = (set(links(ROOT / name)) for name in READMES)
    assert english - {"README.ru.md"} == russian - {"README.md"}
    assert "README.ru.md" in english
    assert "README.md" in russian


@pytest.mark.parametrize("name", READMES)
def test_the_readme_shows_what_make_run_prints_and_names_every_mart(name: str) -> None:
    text = (ROOT / name).read_text()
    for part in ("Batch 20", "Rejects by reason", "Reconciliation of 20", "✓"):
        assert part in text


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_option_in_a_snippet_exists(page: Path) -> None:
    commands = typer.main.get_group(app).commands
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["vitrina"]:
                continue
            options = {opt for param in commands[words[1]].params for opt in param.opts}
            for word in words[2:]:
                if word.startswith("--"):
                    assert word in options, line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_come_out_as_written(name: str) -> None:
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.attempted > 0
    assert ran.failed == 0


def test_the_newest_release_in_the_changelog_is_the_version_of_the_package() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = headings[1:] if headings[0] == "Unreleased" else headings
    assert releases[0] == vitrina.__version__
