"""ClickHouse over HTTP with a password and the loader's grants: the same as embedded."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import clickhouse_connect
import pytest
import trustme
from clickhouse_connect.driver.exceptions import DatabaseError
from pyspark.sql import SparkSession
from spark_server import free_port

from tests.rows import AS_OF
from tests.servers.clickhouse import clickhouse_server
from vitrina.contract import SALES
from vitrina.errors import StoreError, StoreUnavailable, VitrinaError
from vitrina.generator.recipe import Recipe
from vitrina.marts import marts
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.settings import Settings
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.postgres.store import postgres

TABLES = {mart.name: ", ".join(mart.names) for mart in marts(SALES)} | {
    "control_totals": "engine, table_name, total_sales, total_quantity, total_sales_amount",
    "rejects_by_reason": "reason, rejected_rows",
    "batch": "rows_in, clean, rejected, repaired, collapsed, total_sales_amount",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with clickhouse_server(folder, "127.0.0.1", "p-assword", free_port()) as dsn:
        yield dsn


def contents(store: ClickHouse) -> dict[str, list[tuple[Any, ...]]]:
    """Every cell of every table but the times of day."""
    return {
        table: store.query(f"SELECT import_date, {columns} FROM {table} ORDER BY ALL")[1]
        for table, columns in TABLES.items()
    }


def test_a_batch_over_http_is_the_batch_embedded_cell_by_cell(
    spark: SparkSession, database: str, address: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    with postgres(database) as source:
        with (
            embedded_clickhouse(tmp_path / "clickhouse") as dsn,
            clickhouse(dsn) as store,
            Run(settings, AS_OF, Recipe(3_000), opened=Opened(spark, source, store)) as run,
        ):
            for step in STEPS:
                run.step(step)
            embedded = contents(store)
        with (
            clickhouse(address) as store,
            Run(settings, AS_OF, opened=Opened(spark, source, store)) as run,
        ):
            run.step(STEPS[-1])
            # A second time takes the first one's place.
            run.step(STEPS[-1])
            assert contents(store) == embedded
    assert all(embedded.values())


def test_a_wrong_password_is_refused_and_not_shown(address: str) -> None:
    wrong = address.replace("p-assword", "a-guess")
    with pytest.raises(StoreError, match="Authentication failed") as error, clickhouse(wrong):
        pass
    assert "a-guess" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("conect_timeout=3", "'conect_timeout' is no option of an address; did you mean connect_"),
        ("%d0%b6=hunter2", "'ж' is no option of an address; known are access_token, ca_cert"),
        ("host=elsewhere", "'host' is no option"),
        ("query_limit=7", "'query_limit' is no option"),
        ("connect_timeout=soon", "Invalid value 'soon' for option connect_timeout"),
        ("send_receive_timeout=-1", "VITRINA_CLICKHOUSE_DSN: Attempted to set read timeout to -1"),
    ],
)
def test_an_option_that_the_driver_lacks_is_told(address: str, option: str, complaint: str) -> None:
    with pytest.raises(VitrinaError, match=complaint) as raised, clickhouse(f"{address}?{option}"):
        pass
    text = str(raised.value)
    assert "\n" not in text
    assert "p-assword" not in text
    assert "hunter2" not in text


class Echo(BaseHTTPRequestHandler):
    """A server, or a proxy before it, that shows the request that it refuses."""

    def do_POST(self) -> None:
        said = "\r\n".join(f"{name}: {value}" for name, value in self.headers.items())
        body = f"Code: 999. Refused: {said!r} by the proxy".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - the class looks for these names

    def log_message(self, *said: object) -> None:
        pass


@pytest.mark.parametrize("login", ["loader:p%40ss%3Aword@", ""])
def test_what_a_server_echoes_of_our_credentials_is_cut_out(login: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        token = "" if login else "?access_token=eyJhbGciOi.secret-token"
        dsn = f"clickhouse://{login}127.0.0.1:{server.server_port}/vitrina{token}"
        with pytest.raises(StoreError, match=r"(Basic|Bearer) \*\*\*") as raised, clickhouse(dsn):
            pass
    finally:
        server.shutdown()
        server.server_close()
    for secret in ("p@ss", "p%40ss", b64encode(b"loader:p@ss:word").decode(), "secret-token"):
        assert secret not in str(raised.value)


def test_a_query_may_read_and_not_write(address: str) -> None:
    with clickhouse(address) as store:
        store.create_tables(SALES)
        names, before = store.query("SELECT count() AS n FROM batch")
        assert names == ("n",)
        for statement in ("DROP TABLE batch", "SELECT 1; SELECT 2", "SELECT 1 INTO OUTFILE 'x'"):
            with pytest.raises(StoreError, match=r"^ClickHouse: "):
                store.query(statement)
        assert store.query("SELECT count() AS n FROM batch")[1] == before


@pytest.mark.parametrize(
    "statement",
    [
        "DROP DATABASE vitrina",
        "CREATE DATABASE other",
        "ALTER TABLE batch DROP COLUMN source",
        "ALTER TABLE batch MODIFY COLUMN seed String",
        "RENAME TABLE batch TO other.batch",
        "CREATE USER other",
        "GRANT SELECT ON vitrina.* TO default",
        "SELECT * FROM url('http://127.0.0.1:1', 'CSV')",
        "SELECT * FROM file('/etc/passwd', 'CSV')",
        "TRUNCATE DATABASE vitrina",
    ],
)
def test_the_loader_may_not(address: str, statement: str) -> None:
    with clickhouse(address) as store:
        store.create_tables(SALES)
    with (
        closing(clickhouse_connect.get_client(dsn=address)) as client,
        pytest.raises(DatabaseError, match="ACCESS_DENIED"),
    ):
        client.command(statement)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks TLS alone, at a port that does not say so."""
    folder = tmp_path_factory.mktemp("secure")
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate = folder / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with clickhouse_server(folder, "127.0.0.1", "p-assword", free_port(), certificate) as dsn:
        yield f"{dsn}?ca_cert={folder / 'ca.crt'}"


@pytest.mark.parametrize("scheme", ["clickhouses", "https"])
def test_tls_is_spoken_where_the_address_says_so(secure: str, scheme: str) -> None:
    with clickhouse(secure.replace("clickhouses", scheme)) as store:
        store.create_tables(SALES)
        assert store.query("SELECT currentDatabase()")[1] == [("vitrina",)]


def test_a_certificate_of_an_unknown_authority_is_refused(secure: str) -> None:
    unknown = secure.partition("?")[0]
    with pytest.raises(StoreUnavailable, match="certificate verify failed"), clickhouse(unknown):
        pass


@pytest.mark.parametrize("scheme", ["clickhouse", "http"])
def test_without_tls_a_server_that_wants_it_does_not_answer(secure: str, scheme: str) -> None:
    plain = secure.partition("?")[0].replace("clickhouses", scheme)
    with pytest.raises(StoreUnavailable, match=r"closed conn|reset by"), clickhouse(plain):
        pass
