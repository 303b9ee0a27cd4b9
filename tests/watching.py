"""Whether a secret that processes are given in their environment is seen elsewhere."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

# A command that lives for less is seen by chance.
_PAUSE = 0.25


@contextmanager
def process_list(secrets: Iterable[str]) -> Iterator[list[str]]:
    """The command lines with a secret in them, of any process that runs until the block ends."""
    wanted, found, done = tuple(secrets), list[str](), threading.Event()

    def watch() -> None:
        while not done.wait(_PAUSE):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    line = " ".join(process.cmdline())
                    found.extend(line for each in wanted if each in line)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield found
    finally:
        done.set()
        watching.join()


def files_with(secrets: Iterable[str], folder: Path) -> list[Path]:
    """The files below a folder that have a secret in their bytes."""
    wanted = [each.encode() for each in secrets]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(each in path.read_bytes() for each in wanted)]
