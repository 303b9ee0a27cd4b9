"""Unlikely input ends in an answer or in one line: no traceback, and no password anywhere.

A few examples in each run of the tests; `make fuzz` tries for minutes.
"""

import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import FormatChecker

from tests.commands import Ended, call
from tests.lakes import clean_lake, clean_sales
from tests.rows import AS_OF
from tests.test_cli import COMMANDS
from tests.test_store_file import WHOLE
from vitrina.counts import Cleaned, Generated, Validated, read_result
from vitrina.engine import spark_session
from vitrina.errors import VitrinaError
from vitrina.exports.store_file import load_store
from vitrina.settings import Settings, load_settings
from vitrina.store import GENERATED, Batch
from vitrina.stores.lake import Lake
from vitrina.stores.opening import open_clickhouse, open_postgres

SECRET = "hunter2"  # noqa: S105 - made up
# Nobody listens there, so a command that wants a store ends at once.
NOBODY = "127.0.0.1:1"
ENVIRONMENT = {
    "VITRINA_HOME": "home",
    "VITRINA_POSTGRES_DSN": f"postgresql://loader:{SECRET}@{NOBODY}/shop",
    "VITRINA_CLICKHOUSE_DSN": f"clickhouse://loader:{SECRET}@{NOBODY}/shop",
}


def assert_in_order(ended: Ended, folder: Path) -> None:
    """An answer, or one line of an error; and the password neither shown nor written."""
    assert ended.code in {0, 1}
    lines = ended.err.splitlines()
    if ended.code == 1:
        assert sum(line.startswith("error: ") for line in lines) == 1, ended.err
    assert "Traceback" not in ended.err
    # As a terminal takes it.
    assert SECRET.encode() not in ended.out.encode() + ended.err.encode(errors="backslashreplace")
    for file in folder.rglob("*"):
        assert SECRET not in str(file)
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def assert_one_line(read: Callable[[], object]) -> None:
    """What is refused is told in one line, without the password; so is what led to it.

    The log of a task of Airflow has that as well.
    """
    said, chain = "", ""
    try:
        read()
    except VitrinaError as error:
        said, chain = str(error), "".join(traceback.format_exception(error))
    assert "\n" not in said
    assert SECRET not in said + chain


# The command line

# Without `/` and `~`, nothing is read or written outside of the folder.
words = st.text(st.characters(exclude_characters="\0/~"), max_size=12)
options = sorted(
    {
        name
        for command in COMMANDS.values()
        for each in command.params
        for name in each.opts
        if name.startswith("--")
    }
    - {"--rows", "--serve"}
)
arguments = st.lists(
    st.one_of(
        words,
        st.sampled_from(options),
        st.sampled_from(["postgres", "clickhouse", "SELECT 1", "2026-11-24", ".", "absent.toml"]),
        st.dates().map(str),
        st.integers().map(str),
    ),
    max_size=6,
)


@given(command=st.one_of(st.sampled_from(sorted(COMMANDS)), words), arguments=arguments)
@example(command="inspect", arguments=["\udcff"])
@example(command="summary", arguments=["--as-of", "0001-01-01"])
@example(command="rejects", arguments=["--as-of", "0001-01-01"])
@example(command="rejects", arguments=["--csv", "\udcff"])
def test_no_argument_of_a_command_brings_a_traceback(command: str, arguments: list[str]) -> None:
    with TemporaryDirectory() as folder:
        ended = call(Path(folder), command, *arguments, environment=ENVIRONMENT)
        assert_in_order(ended, Path(folder))


def test_no_option_takes_a_secret_which_a_process_list_would_show() -> None:
    secret = ("password", "secret", "token", "key", "dsn", "address", "url")
    assert options
    assert not [each for each in options if any(word in each for word in secret)]


# The addresses of the stores

PUNCTUATION = "@:/?#%[]&= ,;$'\"\\"
passwords = st.text(st.sampled_from(PUNCTUATION + "aé"), max_size=4).flatmap(
    lambda before: st.text(st.sampled_from(PUNCTUATION + "aé"), max_size=4).map(
        lambda after: before + SECRET + after
    )
)
schemes = st.sampled_from(
    ["postgresql://", "postgres://", "clickhouse://", "http://", "https://", "mysql://", "//", ""]
)
parts = st.text(st.sampled_from(PUNCTUATION + "ax1"), max_size=8)


def address_of(scheme: str, password: str, is_quoted: bool, rest: str) -> str:
    written = quote(password, safe="") if is_quoted else password
    return f"{scheme}loader:{written}@{NOBODY}/shop{rest}"


@given(scheme=schemes, password=passwords, is_quoted=st.booleans(), rest=parts)
@example(scheme="postgresql://", password=f"a@{SECRET}", is_quoted=False, rest="")
@example(scheme="clickhouse://", password=SECRET, is_quoted=True, rest="?x=1")
@example(scheme="clickhouse://", password=f"?{SECRET}", is_quoted=False, rest="")
@example(scheme="clickhouse://", password=f"a@b?{SECRET}", is_quoted=False, rest="")
@example(scheme="clickhouse://", password=f"?{SECRET}=", is_quoted=False, rest="")
@example(scheme="postgresql://", password=f"@{SECRET}/", is_quoted=False, rest="")
@example(scheme="postgresql://", password=f"/{SECRET}", is_quoted=False, rest="")
@pytest.mark.parametrize("database", ["postgres", "clickhouse"])
def test_no_address_of_a_store_brings_a_traceback_or_shows_its_password(
    database: str, scheme: str, password: str, is_quoted: bool, rest: str
) -> None:
    address = address_of(scheme, password, is_quoted, rest)
    environment = {**ENVIRONMENT, f"VITRINA_{database.upper()}_DSN": address}
    with TemporaryDirectory() as folder:
        ended = call(Path(folder), "sql", database, "SELECT 1", environment=environment)
        assert_in_order(ended, Path(folder))


@given(scheme=schemes, password=passwords, is_quoted=st.booleans(), rest=parts)
@pytest.mark.parametrize("database", ["postgres", "clickhouse"])
def test_no_error_of_a_store_has_the_password_in_what_led_to_it(
    database: str, scheme: str, password: str, is_quoted: bool, rest: str
) -> None:
    address = address_of(scheme, password, is_quoted, rest)
    connect = {"postgres": open_postgres, "clickhouse": open_clickhouse}[database]

    def open_it() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(f"VITRINA_{database.upper()}_DSN", address)
            with connect(load_settings(), GENERATED):
                pass

    assert_one_line(open_it)


# The other settings

# A file or a folder that is named is shown, and is no secret.
_FILES = {"home", "store", "postgres_password_file", "clickhouse_password_file"}
variables = st.sampled_from(
    sorted(f"VITRINA_{name.upper()}" for name in Settings.model_fields.keys() - _FILES)
)
addresses = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["sc://", "s3://", "http://", "https://", "smtp://"]),
    st.sampled_from(["", "loader:", f"{SECRET}@", f"loader:{SECRET}@"]),
    st.sampled_from([NOBODY, "127.0.0.1:x", "[::1", "", "a.b", ":15002"]),
    st.sampled_from(
        ["", f"/;token={SECRET}", f"/;{SECRET}", f"/{SECRET}", f"?key={SECRET}", "\n", " "]
    ),
)


@given(variable=variables, address=addresses)
def test_no_value_of_a_variable_brings_a_traceback_or_shows_a_password(
    variable: str, address: str
) -> None:
    with TemporaryDirectory() as folder:
        environment = {**ENVIRONMENT, variable: address, "AWS_ENDPOINT_URL": f"http://{NOBODY}"}
        for command in ("status", "summary"):
            ended = call(Path(folder), command, environment=environment)
            assert_in_order(ended, Path(folder))


@given(address=addresses)
@example(f"sc://loader:{SECRET}@{NOBODY}")
@example(f"sc://{NOBODY}/;token={SECRET}")
def test_no_address_of_spark_brings_a_traceback_or_shows_a_password(address: str) -> None:
    def connect() -> None:
        with spark_session(Settings(spark_remote=address)):
            pass

    if address.startswith("sc://"):
        assert_one_line(connect)


# store.toml

LINES = WHOLE.strip().splitlines()
values = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(
        ["[]", "{}", '[""]', "{ column = 1 }", '{ columns = ["a", "b"] }', "2026-11-24"]
    ),
    st.text(max_size=8),
)


@given(line=st.sampled_from(range(len(LINES))), value=values, secret=st.booleans())
def test_no_store_file_brings_a_traceback(line: int, value: str, secret: bool) -> None:
    lines = list(LINES)
    name = lines[line].partition(" = ")[0]
    lines[line] = f"{name} = {value}"
    if secret:
        lines.insert(line, f'password = "{SECRET}"')
    with TemporaryDirectory() as folder:
        file = Path(folder, "store.toml")
        file.write_text("\n".join(lines), "utf-8", errors="surrogateescape")
        assert_one_line(lambda: load_store(file))


@given(content=st.binary(max_size=40))
def test_no_bytes_instead_of_a_store_file_bring_a_traceback(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "store.toml")
        file.write_bytes(content)
        assert_one_line(lambda: load_store(file))


# The parameters of the DAG


@given(
    text=st.one_of(
        st.text(max_size=12),
        st.dates().map(str),
        st.dates().map(lambda day: day.strftime("%Y%m%d")),
    )
)
@example("2026-W48-2")
@example("20261124")
def test_a_date_that_airflow_accepts_as_a_parameter_is_one_that_a_task_can_read(text: str) -> None:
    # Late: it imports Airflow, and every worker imports this module.
    from vitrina.observability.alerts import batch_date

    if FormatChecker().conforms(text, "date"):
        assert str(date.fromisoformat(batch_date(text, None, datetime.now(UTC)))) == text


# The documents of the lake

STEPS = {"generate": Generated, "validate": Validated, "clean": Cleaned}
kinds = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    batch = Batch(AS_OF)
    return clean_lake(tmp_path_factory.mktemp("lake"), batch, clean_sales(batch, 3))


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a document is, by the keys that lead to it."""
    yield above
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, each in inner:
        yield from places(each, (*above, key))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    key, *rest = place
    copy = value.copy()
    copy[key] = changed(value[key], tuple(rest), new)
    return copy


def read(lake: Lake) -> None:
    """Read what the steps left, as the next ones do."""
    for step, counts in STEPS.items():
        read_result(lake.result(step), counts)
    lake.handed_over(lake.result("clean"), "clean", 3)
    lake.dataset("clean", "clean")


@contextmanager
def replaced(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


@given(step=st.sampled_from(sorted(STEPS)), data=st.data(), new=kinds)
def test_no_value_in_a_document_of_the_lake_brings_a_traceback(
    lake: Lake, step: str, data: st.DataObject, new: Any
) -> None:
    file = Path(lake.root, step, "step.json")
    document = json.loads(file.read_text())
    place = data.draw(st.sampled_from(sorted(places(document), key=str)))
    with replaced(file, json.dumps(changed(document, place, new)).encode()):
        assert_one_line(lambda: read(lake))


@given(
    step=st.sampled_from(sorted(STEPS)), content=st.binary(max_size=20), kept=st.integers(0, 999)
)
@example("clean", b"[" * 100_000, 0)
def test_no_torn_document_of_the_lake_brings_a_traceback(
    lake: Lake, step: str, content: bytes, kept: int
) -> None:
    file = Path(lake.root, step, "step.json")
    with replaced(file, file.read_bytes()[:kept] + content):
        assert_one_line(lambda: read(lake))
