"""Programs that build images, and run them."""

import shutil
import subprocess


def is_there(program: str, *asked: str) -> bool:
    """Whether a program is there and its engine can be spoken to, asked for `info` or for this."""
    if shutil.which(program) is None:
        return False
    answer = subprocess.run(
        [program, *(asked or ("info",))], capture_output=True, timeout=60, check=False
    )
    # Without its engine Docker's client succeeds all the same in some versions, and says so here.
    return answer.returncode == 0 and b"Cannot connect" not in answer.stderr
