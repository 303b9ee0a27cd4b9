"""The walls between the rooms: who may import whom, and what a cheap import must not load."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vitrina"
MODULES = sorted(SOURCE.rglob("*.py"))
# A statement: its verb, and what must follow it somewhere.
SQL = re.compile(
    r"\b(SELECT\b.+\bFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|(CREATE|ALTER|DROP) TABLE)\b",
    re.DOTALL,
)
COMMAND = re.compile(r'\bsql (postgres|clickhouse) "')


def imported(path: Path, *, for_types: bool = True) -> Iterator[str]:
    """The modules that a module imports, anywhere in it; each name of a module counts too."""
    tree = ast.parse(path.read_text())
    if not for_types:
        tree.body = [node for node in tree.body if not is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def is_for_types(node: ast.stmt) -> bool:
    """Whether this is `if TYPE_CHECKING:`, whose imports never run."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def imports_from(path: Path, *rooms: str) -> set[str]:
    """What a module imports from these rooms of Vitrina."""
    inside = tuple(f"vitrina.{room}." for room in rooms)
    return {name for name in imported(path) if f"{name}.".startswith(inside)}


def texts(path: Path) -> Iterator[str]:
    """The texts in a module's code, without its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = id(node) in docstrings
            # Commands that people are shown are no SQL of ours.
            if not is_docstring and not COMMAND.search(node.value):
                yield node.value


def modules(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((SOURCE / room).rglob("*.py"))]


def shown(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_there_are_modules_to_look_at() -> None:
    assert {"settings.py", "lake.py", "validate.py"} <= {path.name for path in MODULES}
    for room in ("steps", "stores", "stores/postgres", "generator"):
        assert len(modules(room)) > 3, room
    for room in (
        "stores/clickhouse",
        "observability",
        "dashboard",
        "dashboard/page",
        "dashboard/grafana",
    ):
        assert len(modules(room)) > 2, room


@pytest.mark.parametrize("path", modules("steps"), ids=shown)
def test_no_step_imports_another_nor_the_pipeline(path: Path) -> None:
    assert imports_from(path, "steps", "pipeline") == set()


@pytest.mark.parametrize("path", modules("steps"), ids=shown)
def test_a_step_takes_a_store_by_its_face(path: Path) -> None:
    faces = (
        "vitrina.stores.lake",
        "vitrina.stores.postgres.store",
        "vitrina.stores.clickhouse.store",
    )
    assert {name for name in imports_from(path, "stores") if not name.startswith(faces)} == set()


@pytest.mark.parametrize("path", modules("stores"), ids=shown)
def test_no_store_knows_what_is_done_with_it(path: Path) -> None:
    others = ("steps", "pipeline", "observability", "dashboard", "summary", "cli", "commands")
    assert imports_from(path, *others, "generator") == set()


@pytest.mark.parametrize("path", modules("generator"), ids=shown)
def test_the_generator_knows_neither_a_step_nor_a_store(path: Path) -> None:
    assert imports_from(path, "steps", "stores", "pipeline") == set()


@pytest.mark.parametrize("path", modules("observability"), ids=shown)
def test_observability_knows_neither_a_step_nor_the_inside_of_a_store(path: Path) -> None:
    assert imports_from(path, "steps") == set()
    found = imports_from(path, "stores")
    assert {name for name in found if not name.startswith("vitrina.stores.addresses")} == set()


@pytest.mark.parametrize("path", modules("proof"), ids=shown)
def test_a_proof_knows_neither_a_step_nor_the_inside_of_a_store(path: Path) -> None:
    assert imports_from(path, "steps", "engine", "generator") == set()
    inside = ("vitrina.stores.postgres.store", "vitrina.stores.clickhouse.store")
    found = imports_from(path, "stores.postgres", "stores.clickhouse")
    assert {name for name in found if not name.startswith(inside)} == set()


def test_the_recomputation_takes_nothing_but_what_is_declared() -> None:
    declared = ("columns", "contract", "errors", "marts")
    ours = {
        name.removeprefix("vitrina.").partition(".")[0]
        for name in imported(SOURCE / "proof" / "recomputed.py")
        if name.startswith("vitrina.")
    }
    assert ours <= {*declared}


@pytest.mark.parametrize("path", modules("dashboard"), ids=shown)
def test_the_dashboard_knows_neither_a_step_nor_how_a_batch_runs(path: Path) -> None:
    assert imports_from(path, "steps", "pipeline", "counts", "generator") == set()


@pytest.mark.parametrize("path", modules("dashboard/page", "dashboard/grafana"), ids=shown)
def test_what_draws_contains_no_sql(path: Path) -> None:
    assert [text for text in texts(path) if SQL.search(text)] == []


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_only_stores_panels_and_the_recomputation_contain_sql(path: Path) -> None:
    if not shown(path).startswith(("stores/", "dashboard/", "proof/recomputed.py")):
        assert [text for text in texts(path) if SQL.search(text)] == []


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_only_settings_touches_the_environment(path: Path) -> None:
    if path.name != "settings.py":
        assert not re.search(r"\b(environb?|getenv|putenv)\b", path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_s_private_names_stay_in_it(path: Path) -> None:
    private = [name for name in imported(path) if re.search(r"^vitrina\.(.+\.)?_[^_]", name)]
    assert private == []


@pytest.mark.parametrize("module", ["vitrina.cli", "vitrina.pipeline", "vitrina.marts"])
def test_a_cheap_import_loads_nothing_that_takes_long(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    engines = {"pyspark", "pysail", "pandas", "pyarrow", "chdb", "clickhouse_connect", "psycopg"}
    # `vitrina --help` reads no settings.
    assert not {*engines, "pydantic"} & set(loaded)


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5 matches `(?:…)*+` wrongly: python/cpython#106052."""
    texts = [
        (path.name, node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    ]
    wrong = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")
    assert wrong.search("a(?:b|c)*+")
    assert not wrong.search(r"[^)]*+")
    assert [name for name, text in texts if wrong.search(text)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    by_name = {
        ".".join(("vitrina", *path.relative_to(SOURCE).with_suffix("").parts)): path
        for path in MODULES
    }
    circles = TopologicalSorter(
        {
            name: by_name.keys() & set(imported(path, for_types=False)) - {name}
            for name, path in by_name.items()
        }
    )
    circles.prepare()  # It raises CycleError, which names the modules.
