"""Make the environments that the make targets use. The system's Python alone runs this script.

    set_up.py run      .venv          all that a run takes
    set_up.py dev      .venv          and what tests and checks take
    set_up.py spark    .venv-spark    Apache Spark, for a test server
    set_up.py airflow  .venv-airflow  what Airflow's image has, for a test
    set_up.py bench    .venv-bench    what Vitrina is measured against

Each call brings an environment to the state that the requirements describe, from any state.
If nothing is to be done, it takes a tenth of a second. An environment that is incomplete, was
copied from another folder or belongs to another Python is made again from scratch.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
FOLDERS = {
    "run": ".venv",
    "dev": ".venv",
    "spark": ".venv-spark",
    "airflow": ".venv-airflow",
    "bench": ".venv-bench",
}
# Environments that need the one with uv first.
BESIDE_DEV = ("spark", "airflow", "bench")
# A set that a larger one contains.
PART_OF = {"run": "dev"}

# Settings of pip, uv and Python that would install elsewhere, or install other packages.
FOREIGN = (
    "CONDA_PREFIX",
    "PIP_CONSTRAINT",
    "PIP_NO_BINARY",
    "PIP_PREFIX",
    "PIP_REQUIREMENT",
    "PIP_ROOT",
    "PIP_TARGET",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_EXCLUDE_NEWER",
    "UV_NO_BINARY",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_PYTHON",
    "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
)


def digest(name: str) -> str:
    """A hash of everything that decides what an environment contains and where it is."""
    facts = hashlib.sha256()
    for file in (f"{name}.txt", "build.txt", "uv.txt"):
        facts.update((REQUIREMENTS / file).read_bytes())
    for path in (ROOT / "pyproject.toml", Path(__file__)):
        facts.update(path.read_bytes())
    facts.update(os.fsencode(ROOT))
    return facts.hexdigest()


def interpreter(python: Path) -> str | None:
    """The version and home of an environment's Python; None if it does not run."""
    code = "import sys; print(sys.version, sys.base_prefix)"
    try:
        result = subprocess.run(
            [python, "-I", "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return result.stdout if result.returncode == 0 else None


@contextlib.contextmanager
def only_one(folder: str) -> Iterator[None]:
    """Let only one set-up of a folder run at a time; the lock ends with the process."""
    with (ROOT / f"{folder}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another set-up of {folder} ...", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def pip_setting(python: Path, name: str) -> str | None:
    """A setting from pip's own files, such as the address of a company's index."""
    result = subprocess.run(
        [python, "-m", "pip", "config", "get", f"global.{name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None if result.returncode == 0 else None


def installer_environment(python: Path) -> dict[str, str]:
    """The environment variables for pip and uv: the user's, without those in `FOREIGN`."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONNOUSERSITE="1")
    if "UV_CACHE_DIR" not in environment:
        home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/")) / ".cache"
        # The home folder may be missing or belong to another user.
        if not environment.get("HOME") or not writable(Path(home) / "uv"):
            environment["UV_CACHE_DIR"] = str(ROOT / ".uv-cache")
    # uv does not read pip's files. A mirror for pip serves uv as well.
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        mirror = environment.get("PIP_INDEX_URL") or pip_setting(python, "index-url")
        if mirror:
            environment["UV_DEFAULT_INDEX"] = mirror
    if not environment.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS"}:
        bundle = environment.get("PIP_CERT") or pip_setting(python, "cert")
        if bundle and Path(bundle).is_file():
            environment["SSL_CERT_FILE"] = bundle
        elif sys.platform == "darwin" or ssl.get_default_verify_paths().cafile:
            environment["UV_SYSTEM_CERTS"] = "1"
    return environment


def run(*command: str | Path, environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def install(name: str, folder: Path, environment: dict[str, str]) -> None:
    """Install a set of requirements into an environment, by hash, with uv."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    uv: tuple[str | Path, ...] = (
        ROOT / ".venv/bin/uv",
        "pip",
        "install",
        "--python",
        folder / "bin/python",
        *quiet,
    )
    # Spark is published as source only. The tools that build it, and this project, are pinned too.
    build = ("--build-constraint", REQUIREMENTS / "build.txt")
    run(
        *uv,
        *("--require-hashes", "--requirement", REQUIREMENTS / f"{name}.txt", *build),
        environment=environment,
    )
    if name != "spark":
        # Not by its path: the folder's name may contain characters that a requirement may not.
        run(*uv, "--no-deps", "--editable", ".", *build, environment=environment)


def set_up(name: str) -> None:
    """Bring an environment to the state that its requirements describe."""
    folder = ROOT / FOLDERS[name]
    stamp = folder / "vitrina.json"
    python = folder / "bin/python"
    try:
        state: dict[str, str] = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        state = {}
    base = interpreter(Path(sys.executable))
    # The stamp is removed while packages change, so a half-made environment has none.
    fits = bool(state) and state.get("root") == str(ROOT) and interpreter(python) == base
    wanted = [name, PART_OF[name]] if name in PART_OF else [name]
    if fits and any(state.get(each) == digest(each) for each in wanted):
        return
    if not fits and folder.exists():
        print(f"{FOLDERS[name]} is incomplete or from elsewhere; making it again", file=sys.stderr)
        shutil.rmtree(folder)
    stamp.unlink(missing_ok=True)

    if not folder.exists():
        print(
            f"Setting up {FOLDERS[name]} with Python {platform.python_version()} ...",
            file=sys.stderr,
        )
        pip = ["--without-pip"] if name == "spark" else []
        clean = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        run(sys.executable, "-I", "-m", "venv", *pip, folder, environment=clean)
    environment = installer_environment(ROOT / ".venv/bin/python")
    # Spark's source, its build and its wheel are 1.4 GB. A registry without cache headers makes uv
    # keep them once more for each checkout, so they are not kept at all.
    build_cache = folder / "uv-cache"
    if name == "spark":
        environment["UV_CACHE_DIR"] = str(build_cache)
    else:
        run(
            *(python, "-m", "pip", "install", "--quiet", "--no-cache-dir"),
            *("--require-hashes", "--only-binary", ":all:"),
            *("--requirement", REQUIREMENTS / "uv.txt"),
            environment=environment,
        )
    print(f"Installing requirements/{name}.txt ...", file=sys.stderr)
    install(name, folder, environment)
    shutil.rmtree(build_cache, ignore_errors=True)

    # Forget any other set: its pins may have changed since it was installed.
    state = {"root": str(ROOT), name: digest(name)}
    fresh = stamp.with_suffix(".new")
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(stamp)


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in FOLDERS:
        sys.exit(f"usage: set_up.py {' | '.join(FOLDERS)}")
    if sys.platform not in ("linux", "darwin") or "musl" in str(
        getattr(sys.implementation, "_multiarch", "")
    ):
        sys.exit("The embedded engine and stores have wheels for Linux with glibc and for macOS.")
    for name in ["dev", sys.argv[1]] if sys.argv[1] in BESIDE_DEV else [sys.argv[1]]:
        try:
            with only_one(FOLDERS[name]):
                set_up(name)
        except KeyboardInterrupt:
            sys.exit("\nInterrupted. Run the same command again to continue.")
        except subprocess.CalledProcessError as error:
            sys.exit(
                f"Set-up failed ({Path(error.cmd[0]).name} exited with {error.returncode}; "
                "see its message above). Run the same command to try again."
            )


if __name__ == "__main__":
    main()
