"""The pins agree with pyproject.toml, and the set-up finds a suitable Python.

`make check-lock` goes further: it asks the index whether every pin has a wheel on every
supported Python and platform.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from lock import FILES, pins
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vitrina

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = {path.stem: path.read_text("utf-8") for path in ROOT.glob("requirements/*.txt")}


def group(name: str) -> Iterator[str]:
    for entry in PROJECT["dependency-groups"][name]:
        if isinstance(entry, dict):
            yield from group(entry["include-group"])
        else:
            yield entry


def declared(name: str) -> list[Requirement]:
    """What pyproject.toml requires for one requirements file."""
    project = PROJECT["project"]
    extras = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    entries = {
        "uv": [*group("bootstrap")],
        "build": [*group("build")],
        "run": [*project["dependencies"], *extras],
        "dev": [*project["dependencies"], *extras, *group("dev")],
        "spark": [*group("spark-server")],
        "airflow": [
            *project["dependencies"],
            *project["optional-dependencies"]["airflow"],
            *group("airflow-server"),
        ],
        "spark-image": [*group("spark-image")],
        "bench": [*group("bench")],
    }[name]
    return [Requirement(entry) for entry in entries]


def pinned(name: str) -> list[Requirement]:
    return [Requirement(line) for line in pins(REQUIREMENTS[name])]


@pytest.mark.parametrize("name", FILES)
def test_every_declared_dependency_is_pinned_within_its_bounds(name: str) -> None:
    versions: dict[str, set[str]] = {}
    for pin in pinned(name):
        version = str(pin.specifier).removeprefix("==")
        versions.setdefault(canonicalize_name(pin.name), set()).add(version)
    for wanted in declared(name):
        found = versions.get(canonicalize_name(wanted.name), set())
        assert found, f"{wanted} is not in requirements/{name}.txt: run `make lock`"
        assert all(wanted.specifier.contains(version) for version in found), (wanted, found)


@pytest.mark.parametrize("name", FILES)
def test_every_pin_is_exact_and_hashed_and_names_no_host(name: str) -> None:
    text = REQUIREMENTS[name]
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^#.*\n", "", text))
    assert all(re.match(r"[a-z0-9._-]+==\S+", entry.strip()) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_runs_and_tests_use_the_same_versions() -> None:
    assert set(pins(REQUIREMENTS["run"])) <= set(pins(REQUIREMENTS["dev"]))


def test_images_and_tests_use_the_same_versions() -> None:
    tested = {*pinned("dev"), *pinned("spark")}
    versions: dict[str, set[str]] = {}
    for pin in tested:
        versions.setdefault(pin.name, set()).add(str(pin.specifier))
    for name in ("airflow", "spark-image"):
        others = {
            str(pin)
            for pin in pinned(name)
            if pin.name in versions and str(pin.specifier) not in versions[pin.name]
        }
        # The version that Flask-AppBuilder requires.
        assert others <= {"python-dateutil==2.9.0.post0"}, name


def test_no_image_has_an_embedded_engine_or_store() -> None:
    embedded = {
        Requirement(e).name for e in PROJECT["project"]["optional-dependencies"]["embedded"]
    }
    for name in ("airflow", "spark-image"):
        names = {pin.name for pin in pinned(name)}
        assert not names & embedded, name
    assert "pyspark" not in {pin.name for pin in pinned("airflow")}


def test_no_two_packages_own_a_file() -> None:
    """The one installed last would decide what is imported."""
    owners: dict[str, set[str]] = {}
    for name in {pin.name for pin in pinned("dev") if pin.marker is None or pin.marker.evaluate()}:
        for file in distribution(name).files or ():
            owners.setdefault(str(file), set()).add(name)
    assert len(owners) > 10_000
    assert not {file: names for file, names in owners.items() if len(names) > 1}


def test_pip_installs_the_uv_that_installs_the_rest() -> None:
    assert set(pins(REQUIREMENTS["uv"])) <= set(pins(REQUIREMENTS["dev"]))


def test_spark_and_its_client_have_one_minor_version_and_are_never_together() -> None:
    spark = {pin.name: str(pin.specifier) for pin in pinned("spark")}
    client = {pin.name: str(pin.specifier) for pin in pinned("dev")}
    assert spark["pyspark"].split(".")[:2] == client["pyspark-client"].split(".")[:2]
    assert "pyspark-client" not in spark
    assert "pyspark" not in client


def test_the_package_and_its_metadata_state_one_version() -> None:
    assert vitrina.__version__ == PROJECT["project"]["version"]


def test_every_direct_dependency_is_explained() -> None:
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    names = {
        entry.name
        for file in ("build", "dev", "spark", "airflow", "bench")
        for entry in declared(file)
    }
    missing = sorted(name for name in names if f"`{name}`" not in text)
    assert not missing


def find_python(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROOT / "scripts/find-python"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def test_a_named_python_is_used() -> None:
    result = find_python(PYTHON=sys.executable)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).samefile(sys.executable)


def test_a_named_python_that_is_missing_is_not_replaced() -> None:
    result = find_python(PYTHON="/nowhere/python3.12")
    assert result.returncode == 1
    assert "there is no program /nowhere/python3.12" in result.stderr


def test_an_old_python3_is_skipped_for_a_newer_one(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", "echo 'it is version 3.9' >&2; exit 1")
    good = fake_python(tmp_path, "python3.12", f'exec "{sys.executable}" "$@"')
    for tool in ("sh", "tail"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    result = find_python(PATH=str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    good.unlink()
    result = find_python(PATH=str(tmp_path))
    assert result.returncode == 1
    assert "python3: it is version 3.9" in result.stderr
