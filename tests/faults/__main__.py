"""`python -m tests.faults`: rounds of kills for so many seconds; `make faults` calls it."""

import argparse
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.rounds import Faults
from tests.faults.stage import Stage


def main() -> None:
    """Print what was seen; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to go on")
    parser.add_argument("--seed", type=int, help="draws the same kills again")
    parser.add_argument("--airflow", action="store_true", help="with an Airflow first")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10**6) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    # It ends what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="vitrina-faults-") as folder:
        stage = Stage(Path(folder))
        faults = Faults(stage, seed)
        try:
            faults.prepare()
            if chosen.airflow:
                faults.with_airflow()
            deadline = time.monotonic() + chosen.seconds
            while time.monotonic() < deadline:
                faults.round()
        finally:
            print(*faults.tally.lines(), sep="\n", flush=True)
            stage.clear()
    sys.exit(bool(faults.tally.problems))


if __name__ == "__main__":
    main()
