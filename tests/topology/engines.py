"""Programs that build and run images."""

import shutil
import subprocess


def is_there(program: str, *asked: str) -> bool:
    """Whether a program exists and its engine answers to `info`, or to the words given."""
    if shutil.which(program) is None:
        return False
    answer = subprocess.run(
        [program, *(asked or ("info",))], capture_output=True, timeout=60, check=False
    )
    # Some versions of Docker's client exit with 0 even without an engine, and only print this.
    return answer.returncode == 0 and b"Cannot connect" not in answer.stderr
