"""Sales on their way into their staging table: in shares, each by a thread and a connection."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

from vitrina.columns import arrow_schema
from vitrina.contract import Contract
from vitrina.stores.postgres.connection import Silence, connecting
from vitrina.stores.postgres.session import Session, refuse

_CONNECTION_FAILURE = "08006"
"""PostgreSQL's SQLSTATE for a connection that was lost."""

# How often the server is looked at, and how long the other threads have once one has failed.
_LOOK_SECONDS = 0.5
_PATIENCE = 10.0


def copy_sales(
    session: Session, staging: str, contract: Contract, shares: Sequence[Iterable[pa.RecordBatch]]
) -> None:
    """Copy each share by a thread and a connection of its own."""
    stop = threading.Event()
    copies = {}
    for rows in shares:
        share = _Share(session, rows, stop)
        copies[_in_thread(partial(share.copy, staging, contract))] = share
    pending = set(copies)
    try:
        while pending:
            done, pending = wait(pending, _LOOK_SECONDS, FIRST_COMPLETED)
            for each in done:
                each.result()
            for each in pending:
                copies[each].require_work()
    except BaseException:
        stop.set()
        wait(pending, _PATIENCE)
        raise


class _Share:
    """A share of the sales, and the connection that copies it."""

    def __init__(
        self, session: Session, rows: Iterable[pa.RecordBatch], stop: threading.Event
    ) -> None:
        self._session, self._rows, self._stop = session, rows, stop
        self._failure: Exception | None = None
        self._silence = Silence(session.address)
        self._process = 0
        self._is_servers_turn = False

    def copy(self, staging: str, contract: Contract) -> None:
        # Imported late: a forked child that inherits the driver hangs.
        from adbc_driver_manager import AdbcStatusCode
        from adbc_driver_postgresql import dbapi as adbc

        session = self._session
        try:
            with connecting(session.address):
                connection = adbc.connect(make_conninfo(**session.address))
            with connection, connection.cursor() as cursor:
                # What a server says that is ending would be printed.
                cursor.execute("SET client_min_messages = error")
                cursor.execute("SELECT pg_backend_pid()")
                [(self._process,)] = cursor.fetchall()
                rows = pa.RecordBatchReader.from_batches(
                    arrow_schema(contract.fields), self._stream()
                )
                cursor.adbc_ingest(staging, rows, mode="append", db_schema_name=session.schema)
                connection.commit()
        except adbc.Error as error:
            if self._failure is not None:
                raise self._failure from None
            # Of a connection that is lost while rows are sent the driver knows no SQLSTATE.
            lost = error.status_code == AdbcStatusCode.IO and error.sqlstate is None
            sqlstate = _CONNECTION_FAILURE if lost else error.sqlstate
            refuse(error, sqlstate, str(error), session.address)

    def require_work(self) -> None:
        """Give the server up if it has been silent for long.

        The driver waits for it without end, in a thread that ends with the process.

        Raises:
            psycopg.OperationalError: it is silent.
        """
        if self._is_servers_turn:
            try:
                self._silence.require_work(self._process)
            except psycopg.OperationalError:
                # It leads to the same server, and what fails is cleaned up by it.
                self._session.connection.close()
                raise

    def _stream(self) -> Iterator[pa.RecordBatch]:
        try:
            for rows in self._rows:
                if self._stop.is_set():
                    raise InterruptedError
                self._hand_over()
                yield rows
                self._is_servers_turn = False
            self._hand_over()
        except Exception as error:
            # The driver would make a text of it.
            self._failure = error
            raise

    def _hand_over(self) -> None:
        self._silence.ends()
        self._is_servers_turn = True


def _in_thread(work: Callable[[], None]) -> "Future[None]":
    """Begin work in a thread for which nobody has to wait, not even Python at its end."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return done
