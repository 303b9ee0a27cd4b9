#!/usr/bin/env python3
"""Stop with one line where the host is less than what the images take.

The containers see the processor and the memory of the machine that Docker runs on, which may be
a virtual one. Docker's own version and Compose's are checked from outside, by `deploy/check`.
"""

import os
import platform
import sys
from pathlib import Path

# What x86-64-v3 has over the first x86-64, by the names that Linux gives: ClickHouse takes it.
V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
# A machine of 8 GB shows somewhat less to its programs.
MEMORY = 7 * 2**30


def complaints(machine: str, proc: Path) -> list[str]:
    """What is missing, a line each; `proc` is Linux's folder of that name."""
    found = []
    if machine == "x86_64":
        lines = (proc / "cpuinfo").read_text("utf-8").splitlines()
        flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
        if missing := sorted(V3.difference(flags)):
            found.append(
                "Vitrina needs a processor of x86-64-v3 (2013 or later, and a virtual machine "
                f"that passes its features on); this one lacks {', '.join(missing)}."
            )
    (total,) = (
        int(line.split()[1]) * 1024
        for line in (proc / "meminfo").read_text("utf-8").splitlines()
        if line.startswith("MemTotal:")
    )
    if total < MEMORY:
        found.append(
            f"Vitrina needs 8 GB of memory; Docker has {total / 1e9:.1f} GB here "
            "(Docker Desktop: Settings, Resources)."
        )
    return found


if __name__ == "__main__":
    sys.exit("\n".join(complaints(platform.machine(), Path(os.environ.get("PROC", "/proc")))) or 0)
