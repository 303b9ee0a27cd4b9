"""Airflow's processes: each is started once and stopped together with its children.

Each part leads its own session, so neither Ctrl-C nor closing the terminal reaches it. Its pid
file is also its lock. The part and all its children hold the lock, and the kernel releases it when
the last of them dies, so an old pid is never mistaken for a running part.
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

# A scheduler waits for its tasks, and an API server for open connections.
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
        """The id of its session, the pid of its first process; None if no process lives."""
        with suppress(FileNotFoundError), self.pid_file.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # A new part writes its pid before anything else.
                while not (text := self.pid_file.read_text(encoding="ascii").strip()):
                    time.sleep(_POLL_SECONDS)
                return int(text)
        return None

    def runs(self) -> bool:
        """Whether its first process lives, and not only children that it left behind."""
        session = self.session()
        return session is not None and session in _members(session)

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it unless it runs; first stop what a killed one left behind."""
        if self.runs():
            return
        stop([self])
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.pid_file.open("w") as lock, self.log.open("wb") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The shell writes the pid before it becomes the part, so every running part is known.
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
    """Stop several parts at once with everything that they started; return whether any ran.

    Tasks are killed, because a working task reacts to nothing less. The next scheduler finds them
    and runs them again, which is safe for every step.

    Raises:
        TimeoutError: a process survives even SIGKILL.
    """
    asked: set[int] = set()
    found, began = False, time.monotonic()
    while sessions := [session for part in parts if (session := part.session()) is not None]:
        found = True
        waited = time.monotonic() - began
        if waited > 2 * _STOP_SECONDS:
            raise TimeoutError(f"Airflow's sessions {sessions} do not end")
        for session in sessions:
            members = _members(session)
            # Once its first process is dead, nothing ends the others in good order.
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
    """Whether any part lives, or anything that it started."""
    return any(Part(home, (file.stem,)).session() is not None for file in home.glob("*.pid"))


def _members(session: int) -> dict[int, int]:
    """The processes of a session, each with its process group; a task leads its own group."""
    found = {}
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found[pid] = os.getpgid(pid)
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
