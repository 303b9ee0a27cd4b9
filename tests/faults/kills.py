"""What can be killed, and how it is found."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from vitrina.stores.postgres.embedded import data_home


class Target(StrEnum):
    """What a kill hits."""

    PROCESS = "process"
    GROUP = "process group"
    POSTMASTER = "postmaster"
    BACKEND = "backend"
    SPARK = "Spark's server"


def kill(target: Target, home: Path, run: int, spark: int | None) -> bool:
    """Kill it by SIGKILL. Whether it was there to be killed.

    `run` is the id of the process that runs the batch, `spark` that of the server beside it.
    """
    with suppress(ProcessLookupError):
        match target:
            case Target.PROCESS:
                os.kill(run, signal.SIGKILL)
                return True
            case Target.GROUP:
                os.killpg(run, signal.SIGKILL)
                return True
            case Target.SPARK if spark is not None:
                os.kill(spark, signal.SIGKILL)
                return True
            case Target.POSTMASTER | Target.BACKEND:
                found = postmaster(home)
                if found is not None and target is Target.BACKEND:
                    found = next(_backends(found), None)
                if found is not None:
                    os.kill(found, signal.SIGKILL)
                    return True
    return False


def postmaster(home: Path) -> int | None:
    """The id of the first process of the home's PostgreSQL, if it runs."""
    cluster = (data_home(home / "postgres") / "cluster").resolve()
    try:
        pid = int((cluster / "postmaster.pid").read_text().split()[0])
        # A dead server's id may be another process's by now.
        return pid if Path(psutil.Process(pid).cwd()) == cluster else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def _backends(server: int) -> Iterator[int]:
    """The server's processes that serve a client."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(server).children():
            with suppress(psutil.NoSuchProcess):
                if "[local]" in " ".join(child.cmdline()):
                    yield child.pid


def processes_of(folder: Path, home: Path) -> list[str]:
    """The processes that work in this folder or for PostgreSQL of this home, in words."""
    places = {folder.resolve(), (data_home(home / "postgres") / "cluster").resolve()}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if Path(process.cwd()) in places:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
    return found
