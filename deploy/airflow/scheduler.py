#!/usr/bin/env python3
"""Run Airflow's scheduler, and end it when its heart stops, so that Docker starts it again.

LocalExecutor can block in a write to a pipe for ever. The process then lives and does
nothing, and Docker restarts what has ended, not what is unhealthy.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request

PORT = os.environ.get("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT", "8974")
# Seconds without a heartbeat, or without a database that could have noted one.
PATIENCE = float(os.environ.get("SCHEDULER_PATIENCE", "180"))
# Seconds for tasks to be told, and for the scheduler to leave by itself.
FAREWELL = float(os.environ.get("SCHEDULER_FAREWELL", "30"))
INTERVAL = min(10.0, PATIENCE / 4)


def beats() -> bool:
    """Whether the scheduler's own health check has seen a recent heartbeat."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def end(scheduler: "subprocess.Popen[bytes]") -> None:
    """End the scheduler and every process that it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(scheduler.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            scheduler.wait(FAREWELL)


def main() -> int:
    scheduler = subprocess.Popen(
        ["airflow", "scheduler"],  # noqa: S607
        start_new_session=True,
    )

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    last = time.monotonic()
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return scheduler.wait(INTERVAL)
            if beats():
                last = time.monotonic()
            elif time.monotonic() - last > PATIENCE:
                print(f"No heartbeat of the scheduler for {PATIENCE:g} s: ending it.", flush=True)
                return 1
    finally:
        end(scheduler)


if __name__ == "__main__":
    sys.exit(main())
