"""Processes of runs and of Spark servers, forked from one that has imported all they need.

To import it takes longer than half a run. What a fork would break is not imported: chDB and the
driver that loads the sales.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

from tests.faults.boundaries import Boundaries
from tests.faults.kills import Target, kill
from vitrina import cli
from vitrina.settings import configure_grpc, load_settings

configure_grpc()
# Where there is no main file, PySpark takes this for its own tests, and looks for a whole Spark.
vars(sys.modules["__main__"]).setdefault("__file__", __file__)
for _module in (
    "pyspark.sql.connect.session",
    "vitrina.proof.manifest",
    "vitrina.steps.analyze",
    "vitrina.steps.clean",
    "vitrina.steps.extract",
    "vitrina.steps.generate",
    "vitrina.steps.load",
    "vitrina.steps.publish",
    "vitrina.steps.validate",
    "vitrina.stores.clickhouse.store",
    "vitrina.stores.postgres.embedded",
    "vitrina.stores.postgres.store",
    "vitrina.summary",
):
    __import__(_module)

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


class Command(NamedTuple):
    """A command of `vitrina`, and what is killed meanwhile."""

    words: list[str]
    environment: dict[str, str]
    folder: Path
    """Where it works, and has what it says and the boundaries that it reaches, in files."""
    at: int = 0
    """The number of the boundary at which it kills the target; nowhere if it is 0."""
    target: Target = Target.PROCESS
    spark: int | None = None
    """The id of the Spark server beside it."""

    @property
    def reached(self) -> Path:
        return self.folder / "reached.log"

    @property
    def said(self) -> Path:
        return self.folder / "said.log"

    def steps_done(self) -> int:
        """How many steps it has said the end of."""
        return self.said.read_text().count("✓") if self.said.exists() else 0


def start(command: Command) -> ForkServerProcess:
    """Start a run, which leads a group of processes."""
    return _started(_run, command)


def start_spark(port: int, folder: Path) -> ForkServerProcess:
    """Start Sail as a server of its own."""
    return _started(_serve, port, folder)


def _started(work: Callable[..., None], *arguments: object) -> ForkServerProcess:
    process = _FORKS.Process(target=work, args=arguments)
    process.start()
    return process


def _run(command: Command) -> None:
    _separate(command.folder, command.said)
    os.environ.clear()
    os.environ.update(command.environment)
    sys.argv = ["vitrina", *command.words]
    boundaries = Boundaries(
        command.reached,
        command.at,
        lambda: kill(command.target, load_settings().folder, os.getpid(), command.spark),
    )
    boundaries.watch()
    cli.main()


def _serve(port: int, folder: Path) -> None:
    _separate(folder, Path(os.devnull))
    from pysail.spark import SparkConnectServer

    SparkConnectServer("127.0.0.1", port).start(background=False)


def _separate(folder: Path, said: Path) -> None:
    """Make this process as one that a shell has started in a folder, and that speaks to a file."""
    os.setsid()
    os.chdir(folder)
    for path, descriptor in ((Path(os.devnull), 0), (Path(os.devnull), 1), (said, 2)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
