"""A query on a connection of its own, while the session does something else."""

import time
from collections.abc import Iterator

import pytest
from psycopg import sql

from tests.waiting import wait_for
from vitrina.errors import StoreError
from vitrina.stores.postgres.beside import asked_beside
from vitrina.stores.postgres.session import Session, open_session

SLEEP = sql.SQL("SELECT pg_sleep({})")


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with open_session(database, "public") as session:
        yield session


def others(session: Session) -> int:
    [(number,)] = session.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    return int(number)


def test_the_query_runs_while_the_block_does(session: Session) -> None:
    with asked_beside(session, sql.SQL("SELECT {}, {}").format(1, "one")) as answer:
        assert session.execute("SELECT 2") == [(2,)]
        assert others(session) == 1
        assert answer.result() == [(1, "one")]
    wait_for(lambda: others(session) == 0)


def test_a_query_that_fails_fails_where_it_is_waited_for(session: Session) -> None:
    wrong = sql.SQL("SELECT 1 / {}").format(0)
    with (
        pytest.raises(StoreError, match="division by zero"),
        asked_beside(session, wrong) as answer,
    ):
        answer.result()
    wait_for(lambda: others(session) == 0)


def test_a_block_that_fails_calls_the_query_off(session: Session) -> None:
    began = time.monotonic()
    with pytest.raises(KeyError), asked_beside(session, SLEEP.format(60)) as answer:
        raise KeyError
    assert time.monotonic() - began < 30
    assert isinstance(answer.exception(timeout=0), StoreError)
    wait_for(lambda: others(session) == 0)
