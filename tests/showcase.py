"""What the pages show and what measures speed, run at its own size; `make bench-check` calls it.

The benchmarks run small: they must work, and their figures say nothing.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tests.homes import home_folder
from tests.pages import PAGES, READMES, ROOT, blocks, commands

BENCHMARKS = ROOT / "benchmarks"
VITRINA = Path(sys.executable).with_name("vitrina")
# The arguments of each benchmark for a run of seconds; `pipeline.py` runs `by_hand.py`.
SMALL = {
    "pipeline.py": ("--rounds", "1", "5000"),
    "panels.py": ("1",),
    "extract.py": ("--rounds", "1", "100000"),
    "own_sales.py": ("--rounds", "1", "5000"),
    "guard.py": ("5000",),
    # It runs the peers too, and compares the marts of all.
    "compare.py": ("--rounds", "1", "5000"),
}
# What those run, and what they share.
PARTS = {
    "by_hand.py",
    "dlt_load.py",
    "feeds.py",
    "limits.py",
    "pandas_sqlalchemy.py",
    "peer.py",
    "plot.py",
    "polars_adbc.py",
    "relay.py",
    "spark_jdbc.py",
}
# The batch of the README's picture: `make run` takes a million rows unless told otherwise.
AS_OF = re.compile(r"(?m)^Batch (\d{4}-\d\d-\d\d)$")
ROWS = "1000000"


def run(home: Path, *command: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a program in a home folder as in a terminal of 100 columns."""
    return subprocess.run(
        command,
        cwd=home,
        env=os.environ | {"VITRINA_HOME": str(home), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def vitrina(home: Path, *arguments: str) -> str:
    """What `vitrina` prints; the test fails if the program does."""
    ended = run(home, VITRINA, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def as_of() -> str:
    found = AS_OF.search(READMES[0].read_text("utf-8"))
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, as_of: str) -> Iterator[Path]:
    """A home folder with the batch that the README shows."""
    with home_folder(tmp_path_factory.mktemp("shown")) as home:
        vitrina(home, "run", "--rows", ROWS, "--as-of", as_of)
        yield home


def without_seconds(line: str) -> str:
    """The line without the seconds at its end, which differ from run to run."""
    return re.sub(r"\s+\d+\.\d$", "", " ".join(line.split()))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_readme_shows_what_a_run_prints(home: Path, as_of: str, readme: Path) -> None:
    printed = vitrina(home, "summary", "--as-of", as_of).splitlines()
    rest = iter([without_seconds(line) for line in printed])
    (shown,) = [text for _, text in blocks(readme, "text") if AS_OF.search(text)]
    lines = [without_seconds(line) for line in shown.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 10
    for line in lines:
        # In this order, with others between them.
        assert line in rest, line


@pytest.fixture
def exports(home: Path) -> Iterator[None]:
    """What the pages call your exports, and the file that describes them."""
    example = ROOT / "examples" / "stores" / "online-retail"
    shutil.copytree(example / "exports", home / "exports")
    shutil.copy(example / "store.toml", home)
    yield
    shutil.rmtree(home / "exports")
    (home / "store.toml").unlink(missing_ok=True)


def shown_commands() -> list[str]:
    """Every command of Vitrina that a page shows and that ends by itself, as it is written."""
    shown = {
        shlex.join(words): None
        for page in PAGES
        for words in commands(page)
        if words[0] == "vitrina" and not {"--serve", "…"} & {*words}
    }
    return [*shown]


@pytest.mark.parametrize("command", shown_commands())
def test_a_command_that_a_page_shows_works(
    home: Path, exports: None, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    words = shlex.split(command)[1:]
    if words[0] == "inspect":
        (home / "store.toml").unlink()  # it replaces none
    elif "--store" in words:
        # One reject of ten rows is more than a run lets pass, and the days are of its November.
        monkeypatch.setenv("VITRINA_MAX_REJECTED_SHARE", "0.2")
        if "rejects" in words:
            for step in ("extract", "validate"):
                vitrina(home, step, "--store", "store.toml")
        if "--withdraw" in words:
            vitrina(home, "extract", "--store", "store.toml")
            words.append("--yes")  # nobody answers here
    if words[0] == "prove" and "--as-of" in words:
        day = words[words.index("--as-of") + 1]
        vitrina(home, "run", "--rows", "1000", "--as-of", day)
    vitrina(home, *words)


def test_every_benchmark_is_run_here() -> None:
    assert {path.name for path in BENCHMARKS.glob("*.py")} == {*SMALL, *PARTS}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_its_table(home: Path, name: str) -> None:
    ended = run(home, sys.executable, BENCHMARKS / name, *SMALL[name])
    assert "\n|---|" in ended.stdout, ended.stderr
    # One that finds something slow says so by its exit code, and here everything may be.
    assert "Traceback" not in ended.stderr, ended.stderr


def test_marts_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from compare import differences

    columns = ("region", "total_sales", "total_returns", "average_sale_amount", "sales_rank")

    def mart(*rows: tuple[str, int, int, str, int]) -> pa.Table:
        values = [[*column] for column in zip(*rows, strict=True)]
        values[3] = [Decimal(text) for text in values[3]]
        return pa.table(dict(zip(columns, values, strict=True)))

    ours = mart(("East", 2, 0, "1.50", 1), ("West", 0, 0, "0.00", 2))
    assert differences(ours, mart(("East", 2, 0, "1.51", 1))) == 0  # rounded otherwise
    assert differences(ours, mart(("East", 2, 0, "1.52", 1))) == 1
    assert differences(ours, mart(("East", 2, 0, "1.50", 2))) == 1
    assert differences(ours, mart(("North", 2, 0, "1.50", 1))) == 2


@pytest.mark.timeout(900)
def test_no_step_takes_far_longer_than_usual(home: Path) -> None:
    ended = run(home, sys.executable, BENCHMARKS / "guard.py")
    assert ended.returncode == 0, ended.stdout + ended.stderr
