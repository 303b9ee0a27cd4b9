"""The Python API, which does what the commands do."""

import datetime
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vitrina
from tests.homes import home_folder
from tests.postgres_data import PostgresData
from tests.test_store_file import WHOLE
from vitrina.settings import load_settings
from vitrina.store import GENERATED

DOCS = Path(__file__).parents[1] / "docs"
AS_OF = datetime.date(2026, 11, 24)


def test_the_page_s_second_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_data: PostgresData
) -> None:
    _, example = re.findall(r"(?s)```python\n(.*?)```", (DOCS / "api.md").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with home_folder(tmp_path / "data") as home:
        postgres_data.copy_to(home / "postgres")
        exec(example, names)  # noqa: S102 - it is the page's
    summary = names["summary"]
    assert isinstance(summary, vitrina.Summary)
    assert (summary.store, summary.as_of) == (GENERATED, AS_OF)
    assert [*summary.results] == ["generate", "validate", "clean", "load", "analyze", "publish"]
    assert {total.engine for total in summary.totals} == {"spark", "postgresql", "clickhouse"}
    assert summary.document()["store"] == "vitrina"


def test_a_recipe_is_not_for_a_store_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text(WHOLE, "utf-8")
    with pytest.raises(vitrina.VitrinaError, match="a recipe is for the generated shop"):
        vitrina.run(vitrina.load_store(file), recipe=vitrina.Recipe())


def test_a_mistake_in_the_store_s_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(vitrina.VitrinaError, match=r"absent\.toml cannot be read"):
        vitrina.run(tmp_path / "absent.toml", settings=load_settings())
    with pytest.raises(vitrina.VitrinaError, match="is a folder; name one store in it"):
        vitrina.run(tmp_path, settings=load_settings())


def test_every_name_is_there() -> None:
    for name in vitrina.__all__:
        assert getattr(vitrina, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'runs'"):
        _ = vitrina.runs


def test_importing_it_loads_next_to_nothing() -> None:
    code = "import vitrina, sys; print(*(name for name in sys.modules if '.' in name))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in loaded if name.startswith(("vitrina.", "pydantic."))] == []
