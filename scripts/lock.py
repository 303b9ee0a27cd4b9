"""Compile `requirements/*.txt` from pyproject.toml, or check the files.

lock.py            compile; pinned versions stay as long as they fit
lock.py --upgrade  compile with the newest versions
lock.py --check    fail when a file is stale, or a package lacks a wheel on a
                   supported Python and platform
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("requirements")

# The order matters: each file takes the versions of the files that it names with `-c`.
FILES: dict[str, list[str]] = {
    "uv": ["--group", "bootstrap"],
    "build": ["--group", "build"],
    "dev": ["pyproject.toml", "--all-extras", "--group", "dev", "-c", "uv.txt"],
    "run": ["pyproject.toml", "--all-extras", "-c", "dev.txt"],
    "spark": ["--group", "spark-server", "-c", "dev.txt", "-c", "build.txt"],
    "bench": ["--group", "bench", "-c", "dev.txt", "-c", "build.txt"],
    # The images of deploy/.
    "airflow": ["pyproject.toml", "--extra=airflow", "--group=airflow-server", "-c", "dev.txt"],
    "spark-image": ["--group", "spark-image", "-c", "spark.txt"],
}

# Spark is published as source only. It is Python around jars and builds anywhere.
SOURCE_ONLY = {
    "dev": "pyspark-client",
    "spark": "pyspark",
    "bench": "pyspark",
    "airflow": "pyspark-client",
    "spark-image": "pyspark",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_28",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
)
# Those of the images in deploy/, and of the benchmarks.
IMAGE_PYTHON = "3.12"
IMAGE_PLATFORMS = PLATFORMS[:2]


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this environment's uv in the project's folder."""
    program = Path(sys.executable).with_name("uv")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def compile_file(name: str, folder: Path, *, upgrade: bool) -> None:
    """Write `folder/NAME.txt`, keeping the versions already there unless `upgrade`."""
    sources = [
        (folder / argument).as_posix() if argument.endswith(".txt") else argument
        for argument in FILES[name]
    ]
    result = uv(
        "pip",
        "compile",
        *sources,
        *("--output-file", (folder / f"{name}.txt").as_posix()),
        *("--custom-compile-command", "make lock"),
        *("--universal", "--python-version", PYTHONS[0]),
        *("--generate-hashes", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *(["--upgrade"] if upgrade else []),
        "--quiet",
    )
    if result.returncode:
        sys.exit(f"requirements/{name}.txt cannot be compiled:\n{result.stderr}")


def pins(text: str) -> list[str]:
    r"""The pinned versions with their markers, without the hashes.

    >>> pins("a==1 ; python_version < '3.12' \\\\\n    --hash=sha256:00\n# by make\n")
    ["a==1 ; python_version < '3.12'"]
    """
    return [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-z0-9]", line)]


def stale_files() -> Iterable[str]:
    """What a new compilation that prefers the pinned versions would change.

    Hashes are ignored: a project may add wheels to a version after its release.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in FILES:
            current = (ROOT / FOLDER / f"{name}.txt").read_text(encoding="utf-8")
            (folder / f"{name}.txt").write_text(current, encoding="utf-8")
            compile_file(name, folder, upgrade=False)
            fresh = pins((folder / f"{name}.txt").read_text(encoding="utf-8"))
            for line in sorted(set(fresh) ^ set(pins(current))):
                state = "missing" if line in fresh else "superfluous"
                yield f"requirements/{name}.txt: {state}: {line} (run `make lock`)"


def missing_wheels(target: tuple[str, str, str]) -> str | None:
    """The first package of a file without a wheel for one Python on one platform."""
    name, python, platform = target
    command = (
        *("pip", "compile", (FOLDER / f"{name}.txt").as_posix()),
        *("--python-version", python, "--python-platform", platform),
        *("--only-binary", ":all:", "--no-binary", SOURCE_ONLY[name]),
        *("--no-deps", "--no-header", "--quiet"),
    )
    # Published wheels stay, so the cache is enough. Asking the index about every package
    # takes far longer.
    result = uv(*command, "--offline")
    if result.returncode:
        result = uv(*command)
    return (
        f"{name}.txt, Python {python}, {platform}:\n{result.stderr}" if result.returncode else None
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--check", action="store_true", help="change nothing, report")
    options = parser.parse_args()
    if not options.check:
        for name in FILES:
            compile_file(name, FOLDER, upgrade=options.upgrade)
        return
    targets = [
        *product(("dev", "spark"), PYTHONS, PLATFORMS),
        *product(("airflow", "spark-image", "bench"), (IMAGE_PYTHON,), IMAGE_PLATFORMS),
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:  # they mostly wait
        problems = [problem for problem in pool.map(missing_wheels, targets) if problem]
    problems += stale_files()
    if problems:
        sys.exit("\n".join(problems))
    print(f"Up to date, with wheels for {len(PYTHONS)} Pythons on {len(PLATFORMS)} platforms.")


if __name__ == "__main__":
    main()
