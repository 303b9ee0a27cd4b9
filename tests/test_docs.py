"""What the pages say about files, commands, variables and versions is true.

`tests/showcase.py` goes further: it runs the commands and the batch that the pages show.
"""

import ast
import doctest
import importlib
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer

import vitrina
from tests.pages import PAGES, READMES, ROOT, blocks, commands
from tests.topology.compose import declared
from vitrina import rules
from vitrina.cli import app
from vitrina.contract import SALES
from vitrina.pipeline import STEPS
from vitrina.rules import CONFLICTING_DUPLICATE, Repair, RowRepair, RowRule, Rule, wrong_width
from vitrina.settings import Settings

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)
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
COMMANDS = typer.main.get_group(app).commands
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SCRIPTS = [
    path for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix != ".pyc"
]
# Programs of others that the pages show; these checks know nothing about their options.
OTHERS = {"umask", "airflow", "for", "git", "kubectl", "pg_dump", "pg_restore", "sh"}
# Variables that Docker Compose reads.
COMPOSE = {"COMPOSE_FILE", "COMPOSE_PROFILES"}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))


@pages
def test_every_link_leads_to_a_file_that_is_there(page: Path) -> None:
    for link in links(page):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_the_two_readmes_link_to_each_other_and_to_the_same_pages() -> None:
    english, russian = (set(links(page)) for page in READMES)
    assert english - {"README.ru.md"} == russian - {"README.md"}
    assert "README.ru.md" in english
    assert "README.md" in russian


# Commands


def check_vitrina(words: list[str]) -> None:
    """Parse the arguments as the program does, without running anything."""
    name, *arguments = words
    assert name in COMMANDS, f"no command {name}"
    if any("…" in argument for argument in arguments):
        check_options(words)
        return
    try:
        COMMANDS[name].make_context(name, arguments)
    except click.ClickException as error:
        pytest.fail(f"vitrina {shlex.join(words)}: {error.format_message()}")


def check_options(words: list[str]) -> None:
    name, *arguments = words
    assert name in COMMANDS, f"no command {name}"
    options = {option for each in COMMANDS[name].params for option in each.opts} | {"--help"}
    named = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    assert named <= options, f"vitrina {name} has no {named - options}"


def check_make(words: list[str]) -> None:
    """Each word is a target, or a variable that the Makefile or a script of its own reads."""
    for word in words:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            read = re.compile(rf"\b{name}\b")
            assert any(
                read.search(path.read_text("utf-8")) for path in (ROOT / "Makefile", *SCRIPTS)
            )
        else:
            assert re.search(rf"(?m)^{re.escape(name)}:", MAKEFILE), f"no target {name}"


def check_variable(name: str) -> None:
    """One of Vitrina's settings, or one that compose, a file of `deploy/` or the tests read."""
    if name.removeprefix("VITRINA_").lower() in Settings.model_fields or name in COMPOSE:
        return
    files = [*(ROOT / "deploy").rglob("*"), *ROOT.glob("*.yaml"), ROOT / "tests/conftest.py"]
    texts = [path.read_text("utf-8") for path in files if path.suffix != ".pyc" and path.is_file()]
    assert any(re.search(rf"\b{name}\b", text) for text in texts), f"nothing reads {name}"


def check_variables(words: list[str]) -> None:
    for word in words:
        check_variable(word.partition("=")[0])


def check_docker(words: list[str]) -> None:
    """The service of `docker compose exec` is one of ours, and what runs in it is checked too."""
    if words[:2] == ["compose", "exec"]:
        service, *inner = [word for word in words[2:] if word != "-T"]
        assert service in declared(), f"no service {service}"
        check(inner)


def check_path(words: list[str]) -> None:
    path = words[0]
    assert path == ".venv/bin/activate" or (ROOT / path).exists(), f"no {path}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "vitrina": check_vitrina,
    "make": check_make,
    "docker": check_docker,
    "export": check_variables,
    "cd": check_path,
    "source": check_path,
    ".venv/bin/python": check_path,
}


def check(words: list[str]) -> None:
    """Check one command of a page.

    Raises:
        AssertionError: something in it does not exist, or nothing here knows its program.
    """
    program, *rest = words
    if re.match(r"[A-Z][A-Z0-9_]*=", program):
        check_variables(words)
    elif program in CHECKS:
        CHECKS[program](rest)
    else:
        assert program in OTHERS, f"nothing here knows the program {program}"


@pages
def test_every_command_in_a_block_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        check(words)


@pages
def test_every_command_in_a_sentence_exists_with_its_options(page: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", page.read_text("utf-8"))
    for program, rest in re.findall(r"`(vitrina|make) ([^`]+)`", text):
        words = rest.split()
        if program == "make":
            check_make([word for word in words if re.match(r"[a-z-]+$|[A-Z_]+=", word)])
        elif words[0].isupper():
            assert words[0] == "COMMAND"
        else:
            check_options(words)


# What a run prints, and other blocks


def test_both_readmes_show_the_same_run_step_by_step() -> None:
    shown = [
        [text for _, text in blocks(page, "text") if text.startswith("Batch 20")]
        for page in READMES
    ]
    assert shown[0] == shown[1]
    (run,) = shown[0]
    first_words = [line.split()[0] for line in run.splitlines() if line.strip()]
    steps = [step.name for step in STEPS]
    assert [word for word in first_words if word in steps] == steps
    for part in ("Rejects by reason", "Reconciliation of 20", "✓"):
        assert part in run


def of_pages(kind: str) -> list[Any]:
    """The blocks of this kind on all pages, as parameters."""
    return [
        pytest.param(text, id=f"{name}-{number}")
        for page, name in zip(PAGES, NAMES, strict=True)
        for number, (_, text) in enumerate(blocks(page, kind), 1)
    ]


@pytest.mark.parametrize("text", of_pages("json"))
def test_json_is_json(text: str) -> None:
    assert json.loads(text)


@pytest.mark.parametrize("text", of_pages("python"))
def test_python_is_python(text: str) -> None:
    ast.parse(text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_come_out_as_written(name: str) -> None:
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.attempted > 0
    assert ran.failed == 0


def test_the_newest_release_in_the_changelog_is_the_version_of_the_package() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = headings[1:] if headings[0] == "Unreleased" else headings
    assert releases[0] == vitrina.__version__


def test_the_page_of_the_rules_has_every_reason_and_repair() -> None:
    page = (ROOT / "docs" / "rules.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_<>]+)`", page))
    fields = ("<field>", *SALES.names)
    for rule in (*Rule, *Repair):
        assert any(rules.name(field, rule) in named for field in fields), rule
    assert {*RowRule, *RowRepair, CONFLICTING_DUPLICATE} <= named
    assert f"`{wrong_width(9, 8)}`" in page
