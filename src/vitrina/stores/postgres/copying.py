"""Sales on their way into their staging table: in shares, each by a thread and a connection."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial

import pyarrow as pa
from psycopg import sql

from vitrina.contract import Contract
from vitrina.stores.postgres.beside import PATIENCE, in_thread
from vitrina.stores.postgres.connection import connect
from vitrina.stores.postgres.session import Session, columns, translated


def copy_sales(
    session: Session, staging: str, contract: Contract, shares: Sequence[Iterable[pa.RecordBatch]]
) -> None:
    """Copy each share by a thread and a connection of its own."""
    stop = threading.Event()
    pending = {in_thread(partial(_copy, session, staging, contract, rows, stop)) for rows in shares}
    try:
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()
    except BaseException:
        stop.set()
        wait(pending, PATIENCE)
        raise


def _copy(
    session: Session,
    staging: str,
    contract: Contract,
    share: Iterable[pa.RecordBatch],
    stop: threading.Event,
) -> None:
    # Imported late, for NumPy: other statements need none.
    from vitrina.stores.postgres.binary import HEADER, TRAILER, encoded

    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(session.schema, staging), columns(contract.names)
    )
    with (
        translated(session.address),
        connect(session.address) as connection,
        connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        copy.write(HEADER)
        for rows in share:
            if stop.is_set():
                raise InterruptedError
            copy.write(encoded(rows, contract.fields))
        copy.write(TRAILER)
