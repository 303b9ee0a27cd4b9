"""The walls between the rooms: who may import whom, and what a cheap import must not load."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vitrina"
MODULES = sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_there_are_modules_to_look_at() -> None:
    assert {"settings.py", "lake.py", "validate.py"} <= {path.name for path in MODULES}


@pytest.mark.parametrize("path", sorted((SOURCE / "steps").glob("*.py")), ids=lambda p: p.name)
def test_no_step_imports_another(path: Path) -> None:
    steps = {f"vitrina.steps.{p.stem}" for p in (SOURCE / "steps").glob("*.py")} - {
        f"vitrina.steps.{path.stem}"
    }
    assert not steps & set(imported(path))


@pytest.mark.parametrize("path", sorted((SOURCE / "stores").glob("*.py")), ids=lambda p: p.name)
def test_no_store_imports_a_step(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith("vitrina.steps")]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_only_settings_touches_the_environment(path: Path) -> None:
    if path.name != "settings.py":
        assert not re.search(r"\b(environb?|getenv|putenv)\b", path.read_text())


@pytest.mark.parametrize("module", ["vitrina.cli", "vitrina.pipeline", "vitrina.marts"])
def test_a_cheap_import_loads_no_engine(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    engines = {"pyspark", "pysail", "pandas", "pyarrow", "chdb", "clickhouse_connect", "psycopg"}
    assert not engines & set(loaded)
