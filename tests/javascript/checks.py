"""The page's script keeps the rules of its linter and its types; `make lint` calls it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent
PAGE = "src/vitrina/dashboard/page"
# What ESLint asks for.
NODE = (20, 19)


@pytest.fixture(scope="module")
def tools(pytestconfig: pytest.Config) -> Path:
    """The folder with the pinned tools, installed once for each lock file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or version(node) < NODE:
        pytest.skip("no Node 20.19 or newer with npm: the page's JavaScript is NOT checked")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("javascript")
    lock, installed = TOOLS / "package-lock.json", folder / "installed"
    if not installed.exists() or installed.read_text() != lock.read_text():
        for name in ("package.json", "package-lock.json", "eslint.config.js"):
            shutil.copy(TOOLS / name, folder / name)
        ended = run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder)
        if ended.returncode and "CI" not in os.environ:
            pytest.skip("npm cannot install its tools: the page's JavaScript is NOT checked")
        assert ended.returncode == 0, ended.stderr
        installed.write_text(lock.read_text())
    shutil.copy(TOOLS / "eslint.config.js", folder / "eslint.config.js")
    return folder


def version(node: str) -> tuple[int, ...]:
    major, minor, _ = run(node, "--version").stdout.removeprefix("v").split(".")
    return int(major), int(minor)


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def tool(tools: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(str(tools / "node_modules" / ".bin" / name), *arguments)


def test_the_script_keeps_the_rules(tools: Path) -> None:
    config = str(tools / "eslint.config.js")
    ended = tool(tools, "eslint", "--max-warnings=0", "--config", config, PAGE)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_script_keeps_its_types(tools: Path) -> None:
    ended = tool(tools, "tsc", "--project", "tests/javascript/tsconfig.json")
    assert ended.returncode == 0, ended.stdout


def test_a_mistake_is_noticed(tools: Path, tmp_path: Path) -> None:
    for source in (ROOT / PAGE).glob("*.js"):
        shutil.copy(source, tmp_path)
    shutil.copy(TOOLS / "page.d.ts", tmp_path)
    (tmp_path / "wrong.js").write_text("// @ts-check\nvar wrong = money('1');\nwrogn += 1;\n")
    config = str(tools / "eslint.config.js")
    ended = run(
        str(tools / "node_modules" / ".bin" / "eslint"),
        "--config",
        config,
        "wrong.js",
        folder=tmp_path,
    )
    assert "no-var" in ended.stdout
    settings = (TOOLS / "tsconfig.json").read_text()
    (tmp_path / "tsconfig.json").write_text(
        settings.replace("../../src/vitrina/dashboard/page/", "")
    )
    said = tool(tools, "tsc", "--project", str(tmp_path / "tsconfig.json")).stdout
    assert "not assignable to parameter of type 'bigint'" in said
    assert "Cannot find name 'wrogn'" in said


def test_every_file_of_the_script_is_checked() -> None:
    for path in (ROOT / PAGE).glob("*.js"):
        assert path.read_text().startswith("// @ts-check\n"), path.name
        assert "@ts-ignore" not in path.read_text()


def test_the_tools_are_pinned_without_an_address() -> None:
    lock = (TOOLS / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert re.findall(r'"[\w@/]+": "\d+\.\d+\.\d+"', (TOOLS / "package.json").read_text())
