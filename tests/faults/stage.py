"""Two stores in one home, two batches of each, and how a batch of them is run."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb

from tests.faults import forks
from tests.faults.kills import Target
from tests.own_shop import own_shop
from tests.waiting import wait_for
from vitrina.store import GENERATED, Store
from vitrina.stores.postgres.embedded import data_home, embedded_postgres

NEW = date(2026, 11, 24)
OLD = NEW - timedelta(days=7)
ROWS = 300
# A command that takes longer hangs.
HANG_SECONDS = 60.0


class SparkServer(NamedTuple):
    """A server beside the process that runs the batch."""

    pid: int
    port: int


class Work(NamedTuple):
    """A run of a batch. Of the generated shop, the newest batch has one of two seeds."""

    store: Store
    as_of: date
    seed: int = 0

    def __str__(self) -> str:
        seed = f" (seed {self.seed})" if self.store.is_generated else ""
        return f"{self.store.name} {self.as_of}{seed}"


@dataclass(frozen=True)
class Ended:
    """How a run ended: its code, what it said, how long it took, what its kill hit."""

    code: int
    said: str
    seconds: float
    boundaries: tuple[str, ...]
    """Those that it reached, up to the one at which something was killed, if it was."""
    killed: bool

    @property
    def problem(self) -> str | None:
        """What is wrong with how it ended, if anything is."""
        if "Traceback" in self.said:
            return f"a traceback: {self.said}"
        if self.code not in (0, 1, -signal.SIGKILL):
            return f"it ended with {self.code}: {self.said}"
        return None


@dataclass
class Stage:
    """The home, its stores, and the files that they are read from."""

    folder: Path
    own: Store = field(init=False)
    _last: "Started | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        for path in (self.home, self.temporary, self.folder / "sales"):
            path.mkdir(parents=True)
        if os.geteuid() == 0:
            # Root's data would be elsewhere. Whom the server runs as has to reach them.
            self.folder.chmod(0o711)
            server = self.folder / "server"
            server.mkdir()
            data_home(self.home / "postgres").symlink_to(server)
        self.own = own_shop(self.folder)
        self._sell()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Where the runs have their temporary files."""
        return self.folder / "tmp"

    @property
    def works(self) -> tuple[Work, ...]:
        """What is run in turn, for ever: the stores take turns, and so do their batches."""
        return (
            Work(GENERATED, NEW, 1),
            Work(self.own, NEW),
            Work(GENERATED, OLD, 1),
            Work(self.own, OLD),
            Work(GENERATED, NEW, 2),
            Work(self.own, NEW),
        )

    def start(
        self,
        work: Work,
        *,
        at: int = 0,
        target: Target = Target.PROCESS,
        spark: SparkServer | None = None,
    ) -> "Started":
        """Start a run, which leads a group of processes.

        At the boundary of number `at` it kills the target; nowhere if it is 0.
        """
        self._last = Started(self, work, at, target, spark)
        return self._last

    def clear(self) -> None:
        """End what is still running, and remove what is outside of the folder."""
        if self._last is not None:
            self._last.end()
        # Whoever leaves last stops the server.
        with embedded_postgres(self.home / "postgres"):
            pass
        if os.geteuid() == 0:
            data_home(self.home / "postgres").unlink()

    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("VITRINA_")}
        return kept | {
            "VITRINA_HOME": str(self.home),
            "TMPDIR": str(self.temporary),
        }

    def _sell(self) -> None:
        """Write the files of the store that has some: four lines a day, a few of them returns."""
        sales = duckdb.sql(
            """
            SELECT
                'S' || day || '-' || number AS id, 'P' || (day * 7 + number * 3) % 11 AS sku,
                1 + (day + number) % 3 AS units,
                DATE '2026-11-24' - day::INTEGER AS day,
                (if((day + number) % 21 = 0, -1, 1) * (500 + (day * 37 + number * 11) % 900)
                    * 0.01)::DECIMAL(9, 2) AS total,
                'Kreis ' || (day + number) % 4 AS region,
                'O' || day || '-' || number // 2 AS "order"
            FROM range(1, 60) AS days(day), range(4) AS numbers(number)
            """
        )
        assert sales is not None
        sales.write_csv(str(self.folder / "sales" / "sales.csv"))


class Started:
    """A run that has been started."""

    def __init__(
        self, stage: Stage, work: Work, at: int, target: Target, spark: SparkServer | None
    ) -> None:
        environment = stage.environment()
        if spark is not None:
            environment["VITRINA_SPARK_REMOTE"] = f"sc://127.0.0.1:{spark.port}"
        words = ["run", "--as-of", str(work.as_of)]
        if work.store.is_generated:
            words += ["--rows", str(ROWS), "--seed", str(work.seed)]
        else:
            words += ["--store", str(stage.folder / "store.toml")]
        self._command = forks.Command(
            words, environment, stage.folder, at, target, spark and spark.pid
        )
        self._command.reached.write_text("")
        self._started = time.monotonic()
        self._process = forks.start(self._command)
        self.pid = self._process.pid or 0

    def runs_after(self, seconds: float) -> bool:
        """Whether it still runs then."""
        self._process.join(seconds)
        return self._process.is_alive()

    def end(self) -> None:
        """Kill it, if it still runs."""
        self._process.kill()
        self._process.join()

    def wait(self) -> Ended | None:
        """How it has ended; None if it hangs, and then it is killed."""
        if self.runs_after(HANG_SECONDS):
            self.end()
            return None
        seconds, code = time.monotonic() - self._started, self._process.exitcode or 0
        reached = self._command.reached.read_text().splitlines()
        others = "killed" in reached
        if others:
            # What was killed may be missed only later.
            del reached[reached.index("killed") :]
        said = self._command.said.read_text().splitlines()
        return Ended(
            code,
            "\n".join(line for line in said if "✓" not in line),
            seconds,
            tuple(reached),
            others or code == -signal.SIGKILL,
        )


@contextmanager
def spark_server(folder: Path) -> Iterator[SparkServer]:
    """Sail as a server of its own, until the block ends or it is killed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = forks.start_spark(port, folder)
    try:
        wait_for(lambda: _answers(port), HANG_SECONDS)
        yield SparkServer(process.pid or 0, port)
    finally:
        process.kill()
        process.join()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
