"""Start the programs of the topology, wait for them, and stop them all."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil  # type: ignore[import-untyped]

START_SECONDS = 300
# Longer than any of them takes to stop what it has started.
STOP_SECONDS = 90

_NO_SESSION = 0


@dataclass
class Processes:
    """Running programs, each with a log in `folder`; stopped in reverse order at the end."""

    folder: Path
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        sessions = self._sessions()
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self._running.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - time.monotonic()))
        # Also kill what they have started, even if they have ended themselves.
        while members := [pid for pid in psutil.pids() if _session(pid) in sessions]:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self._running.values():
                process.poll()
            time.sleep(0.05)

    def _sessions(self) -> set[int]:
        """The sessions of all programs and of their children, which may lead their own."""
        sessions = {process.pid for process in self._running.values()}
        for process in self._running.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                children = psutil.Process(process.pid).children(recursive=True)
                sessions.update(_session(child.pid) for child in children)
        return sessions - {_NO_SESSION, os.getsid(0)}

    def start(self, name: str, command: Sequence[Any], environment: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, name: str, command: Sequence[Any], environment: Mapping[str, str]) -> None:
        """Start a program and wait until it ends.

        Raises:
            RuntimeError: it failed; with the end of its log.
        """
        self.start(name, command, environment)
        if self._running[name].wait():
            raise RuntimeError(f"{name} failed:\n{self.log(name)}")

    def wait(self, name: str, is_well: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until a program is healthy.

        Raises:
            RuntimeError: it has ended, or is not healthy in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_well():
            if self._running[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not become healthy:\n{self.log(name)}")
            time.sleep(0.2)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def has_ended(self, name: str) -> int | None:
        """The exit code of a program that has ended."""
        return self._running[name].poll()

    def log(self, name: str, lines: int = 60) -> str:
        text = (self.folder / f"{name}.log").read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def answers(url: str) -> bool:
    """Whether the address answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: "subprocess.Popen[bytes]", sign: signal.Signals = signal.SIGTERM) -> None:
    """Ask a program to end; kill it if it does not."""
    process.send_signal(sign)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _session(pid: int) -> int:
    """The session of a living process."""
    try:
        is_dead = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return _NO_SESSION if is_dead else os.getsid(pid)
    except (ProcessLookupError, PermissionError, psutil.Error):
        return _NO_SESSION
