"""Ctrl-C and SIGTERM at several moments: a command ends in seconds, and says what to run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homes import home_folder
from tests.postgres_data import PostgresData
from vitrina.stores.postgres.embedded import data_home

# Python ignores Ctrl-C where the tests run in the background.
CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
COMMAND = CTRL_C + "from vitrina.cli import main; main()"
# A query that would take hours.
COMPUTE = f"""{CTRL_C}
import sys
from pathlib import Path
from vitrina.engine import spark_session
from vitrina.settings import Settings
with spark_session(Settings(home=Path(sys.argv[1]), spark_remote=None)) as spark:
    spark.range(1).count()
    print("open", file=sys.stderr, flush=True)
    spark.range(10**13).selectExpr("sum(id % 7)").collect()
"""
# Ctrl-C while the commands are imported.
IMPORT = f"""{CTRL_C}
import os, sys
class Press:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
from vitrina.entry import main
main()
"""
SECONDS = 10


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData) -> Iterator[Path]:
    with home_folder(tmp_path_factory.mktemp("home")) as home:
        postgres_data.copy_to(home / "postgres")
        yield home


def interrupted(
    home: Path, code: str, arguments: list[str], line: str, pause: float, sent: signal.Signals
) -> tuple[int, list[str]]:
    """Signal a process and its children some time after a line of it; its code and its last lines.

    It is in a file: given to Python as an argument, PySpark takes it for a doctest.
    """
    script = home / "script.py"
    script.write_text(code, "utf-8")
    with subprocess.Popen(
        [sys.executable, script, *arguments],
        env=os.environ | {"VITRINA_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        try:
            for said in process.stderr:
                if line in said:
                    break
            time.sleep(pause)
            os.killpg(process.pid, sent)
            _, rest = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return process.returncode, rest.splitlines()


@pytest.mark.parametrize(
    ("after", "sent"), [("✓ generate", signal.SIGINT), ("✓ load", signal.SIGTERM)]
)
def test_a_command_ends_with_the_line_that_says_what_to_run(
    home: Path, after: str, sent: signal.Signals
) -> None:
    arguments = ["run", "--rows", "2000", "--as-of", "2026-11-24"]
    code, said = interrupted(home, COMMAND, arguments, after, 0, sent)
    assert code == 130, said
    [line] = [line for line in said if "✓" not in line]
    assert line.startswith("interrupted; readers see what they saw before the step ")
    assert line.endswith("; run the same command again, nothing is doubled")
    # The server has stopped as well.
    assert not (data_home(home / "postgres") / "socket").exists()


def test_a_query_is_given_up(home: Path) -> None:
    code, said = interrupted(home, COMPUTE, [str(home)], "open", 0.3, signal.SIGINT)
    assert code == -signal.SIGINT, said
    assert said[-1] == "KeyboardInterrupt"


def test_a_command_that_is_still_being_imported_ends_in_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT, "--version"], capture_output=True, text=True, check=False
    )
    line = "interrupted before anything was done; run the same command again\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", line)
