"""The processes that Airflow consists of, each started once and stopped with its children.

A part leads a session of its own, so a closed terminal or a Ctrl-C does not reach it. Its pid
file is also its lock: the part and all its children hold it, and the kernel lets it go when the
last of them dies, so an old pid is never taken for a living part.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Its stubs are not among the pinned packages.
import psutil  # type: ignore[import-untyped]
from airflow_home import AIRFLOW, ROOT

# A scheduler waits for its tasks, an API server for its browsers.
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Part:
    """One of Airflow's commands, run in the background from the folder `home`."""

    home: Path
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.command[0]

    @property
    def pid_file(self) -> Path:
        return self.home / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def session(self) -> int | None:
        """The id of its session, which is that of its first process; None if none lives."""
        with suppress(FileNotFoundError), self.pid_file.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # A part that has just been born writes it first of all.
                while not (text := self.pid_file.read_text(encoding="ascii").strip()):
                    time.sleep(_POLL_SECONDS)
                return int(text)
        return None

    def runs(self) -> bool:
        """Whether it lives, and not only what it left behind."""
        session = self.session()
        return session is not None and session in _members(session)

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it unless it runs, in place of what a killed one left."""
        if self.runs():
            return
        stop([self])
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.pid_file.open("w") as lock, self.log.open("wb") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The shell writes the pid before it becomes the part: none runs that is not known.
            known = ("/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', self.pid_file)
            subprocess.Popen(
                [*known, *AIRFLOW, *self.command],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )


def stop(parts: Sequence[Part]) -> bool:
    """Stop parts and all that they started, at one time, and say whether there were any.

    Tasks are ended by force, since one that works is deaf to anything less. The next scheduler
    finds them and starts them again; each step can be.

    Raises:
        TimeoutError: even force did not end one.
    """
    asked: set[int] = set()
    found, began = False, time.monotonic()
    while sessions := [session for part in parts if (session := part.session()) is not None]:
        found = True
        waited = time.monotonic() - began
        if waited > 2 * _STOP_SECONDS:
            raise TimeoutError(f"of Airflow, the sessions {sessions} do not end")
        for session in sessions:
            members = _members(session)
            # Once its first process is dead, nobody is there to end the others in good order.
            in_order = session in members and waited < _STOP_SECONDS
            for pid, group in members.items():
                if group != session or not in_order:
                    _send(pid, signal.SIGKILL)
                elif pid == session and pid not in asked:
                    _send(pid, signal.SIGTERM)
                    asked.add(pid)
        time.sleep(_POLL_SECONDS)
    for part in parts:
        part.pid_file.unlink(missing_ok=True)
    return found


def anything_runs(home: Path) -> bool:
    """Whether any part, or what it started, lives."""
    return any(Part(home, (file.stem,)).session() is not None for file in home.glob("*.pid"))


def _members(session: int) -> dict[int, int]:
    """The processes of a session, each with its group; a task leads a group of its own."""
    found = {}
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found[pid] = os.getpgid(pid)
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
