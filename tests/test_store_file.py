"""What a store's file may say: it gives a store, or one line that tells what to mend."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.own_shops import KIOSK, WEEK
from vitrina.columns import Date, FreeText, Integer, Label, Numeric
from vitrina.contract import SALES
from vitrina.errors import SettingsError
from vitrina.exports import reference
from vitrina.exports.feed import feed_schema
from vitrina.exports.orders import IS_REFUND, ROWS_ADDED
from vitrina.exports.source import TAKEN
from vitrina.exports.store_file import load_store, load_stores
from vitrina.steps.clean import number_repeated, versions_of_sales
from vitrina.steps.validate import examples, rejected_rows, type_rows
from vitrina.store import Store

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA = jsonschema.Draft202012Validator(json.loads(reference.schema_text()))

WHOLE = """
name = "berlin"
title = "Berlin shop"
time_zone = "Europe/Berlin"
currency = "EUR"
days = 90

[source]
files = ["exports/*.csv"]

[source.fields]
sale_id = { column = "Order line" }
product_id = { column = "SKU", type = "integer" }
quantity = { column = "Pieces", decimals = 3, minimum = 0.001 }
sale_date = { column = "Ordered at", format = "dd.MM.yyyy" }
sale_amount = { column = "Total", maximum = 9999.99 }
region = { column = "State", allowed = ["Nord", "Süd"], synonyms = { North = "Nord" } }

[source.fields.extra]
channel = { column = "Channel" }
due = { column = "Due", type = "date" }
"""


def written(folder: Path, text: str, name: str = "store.toml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def refusal(folder: Path, text: str) -> str:
    """What is said of a file, which is one line."""
    with pytest.raises(SettingsError) as refused:
        load_store(written(folder, text))
    said = str(refused.value)
    assert said.startswith(f"{folder / 'store.toml'}")
    assert said.isprintable()
    return said.removeprefix(f"{folder / 'store.toml'}: ").removesuffix("; see docs/store-file.md")


def test_a_file_gives_the_store_that_it_describes(tmp_path: Path) -> None:
    store = load_store(str(written(tmp_path, "\ufeff" + WHOLE)))
    assert (store.name, store.title) == ("berlin", "Berlin shop")
    assert (store.time_zone, store.currency) == ("Europe/Berlin", "EUR")
    assert not store.is_generated
    assert store.feed_step == "extract"
    contract = store.contract
    assert contract.days == 90
    assert {name: contract[name].type for name in contract.names} == {
        "sale_id": FreeText(),
        "customer_id": FreeText(),
        "product_id": Integer(64),
        "quantity": Numeric(15, 3),
        "sale_date": Date(),
        "sale_amount": Numeric(14, 2),
        "region": Label(),
        "channel": FreeText(),
        "due": Date(),
    }
    assert [name for name in contract.names if contract[name].nullable] == [
        *("customer_id", "channel", "due")
    ]
    assert contract.regions == ("Nord", "Süd")
    # As it is written, not as the nearest float is.
    assert str(contract["sale_amount"].maximum) == "9999.99"
    assert store.source is not None
    assert store.source.folder == tmp_path
    assert store.source.columns == (
        *("Order line", "SKU", "Pieces", "Ordered at", "Total", "State", "Channel", "Due"),
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("currency", "curency", "curency is not a key; did you mean currency?"),
        ("minimum", "minimm", "source.fields.quantity.minimm is not a key; did you mean minimum?"),
        (
            'column = "Channel"',
            'column = "Channel", typ = "text"',
            "source.fields.extra.channel.typ is not a key; did you mean type?",
        ),
        (
            "[source]",
            '[source]\nrows = [{ column = "a", fatee = "sale" }]',
            "source.rows.0.fatee is not a key; did you mean fate?",
        ),
        (
            "days",
            "zzz",
            "zzz is not a key; known are name, title, time_zone, currency, days, source",
        ),
        ('title = "Berlin shop"', "", "title is missing: What people call it, on dashboards"),
        ('region = { column = "State",', "region = {", "source.fields.region: give one of column"),
        ("Europe/Berlin", "Berlin", "time_zone: Berlin is no time zone of the IANA"),
        ('"berlin"', '"Ber lin"', "name: String should match pattern"),
        ("channel =", "region =", "source.fields.extra: region is a name of Vitrina's own"),
        ("channel =", "file =", "source.fields.extra: file is a name of Vitrina's own"),
        ("[source]", '[source]\nfolder = "/"', "source.folder is not a key"),
        ("0.001", "0.0001", "source.fields.quantity: minimum has more decimals than the field, 3"),
        (
            "minimum = 0.001",
            "minimum = 2, maximum = 1",
            "source.fields.quantity: minimum is above maximum, so no value is allowed",
        ),
        ('North = "Nord"', 'North = "Nrod"', "synonyms: Nrod is not one of allowed"),
        ('allowed = ["Nord", "Süd"]', 'other = "x"', "give allowed as well"),
        ("dd.MM.yyyy", "dd.MM", "'dd.MM' has not a day, a month and a year"),
        ("[source]", '[source.csv]\nencoding = "cp9"\n[source]', "encoding is none that Python"),
        ("[source]", "[source.csv]\ndelimiter = '\"'\n[source]", "delimiter is neither the quote"),
        ('"berlin"', "[[[", "is not TOML: "),
        ('"berlin"', "[" * 5000, "is not TOML: "),
        ("90", "9" * 5000, "is not TOML: "),
    ],
)
def test_a_mistake_is_one_line_with_its_key_and_what_is_right(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in WHOLE
    assert told in refusal(tmp_path, WHOLE.replace(old, new, 1))


@pytest.mark.parametrize("format_", ["unix", "dd.MM.yyyy HH:mm", "MM/dd/yyyy hh:mm a"])
def test_times_need_a_time_zone(tmp_path: Path, format_: str) -> None:
    text = WHOLE.replace("dd.MM.yyyy", format_)
    assert load_store(written(tmp_path, text)).time_zone == "Europe/Berlin"
    said = refusal(tmp_path, text.replace("time_zone", "#"))
    assert said == "time_zone is missing: source.fields.sale_date has times, whose day it decides"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ('postgres = "postgresql://loader:hunter2@db/shop"', "give a table, such as shop.orders"),
        ('files = ["s3://key:hunter2@bucket/a"]', "keys go into the environment"),
        ('files = ["https://hunter2@shop.example/a.csv"]', "an address is s3://bucket/path"),
        ('postgres_dsn_variable = "postgresql://hunter2@db"', "String should match pattern"),
        ('password = "hunter2"', "source.password is not a key"),
    ],
)
def test_a_file_holds_no_secret_and_shows_none(tmp_path: Path, place: str, told: str) -> None:
    said = refusal(tmp_path, WHOLE.replace('files = ["exports/*.csv"]', place))
    assert told in said
    assert "hunter2" not in said


def test_the_variable_of_an_address_is_no_setting_misspelt(tmp_path: Path) -> None:
    table = 'postgres = "shop.orders"\npostgres_dsn_variable = "SHOP_DSN"'
    text = WHOLE.replace('files = ["exports/*.csv"]', table)
    assert load_store(written(tmp_path, text)).source is not None
    said = refusal(tmp_path, text.replace("SHOP_DSN", "VITRINA_SHOP_DSN"))
    assert "names that begin with VITRINA_ are settings" in said


def test_a_file_that_is_absent_or_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml cannot be read: No such file"):
        load_store(tmp_path / "absent.toml")
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory"):
        load_store(tmp_path)
    (tmp_path / "a.toml").write_bytes(WHOLE.encode("utf-16"))
    with pytest.raises(SettingsError, match="is not in UTF-8"):
        load_store(tmp_path / "a.toml")
    with pytest.raises(SettingsError, match="cannot be read: embedded null"):
        load_store("a\0.toml")


# A folder of stores


def test_the_stores_of_a_folder_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    written(tmp_path, WHOLE, "1.toml")
    written(tmp_path, WHOLE.replace('"berlin"', '"aachen"'), "2.toml")
    written(tmp_path, "nothing of ours", "notes.txt")
    found = load_stores(tmp_path)
    assert [(each.name, each.file.name, each.error) for each in found] == [
        ("aachen", "2.toml", ""),
        ("berlin", "1.toml", ""),
    ]
    assert [each.store and each.store.name for each in found] == ["aachen", "berlin"]


def test_a_broken_store_keeps_its_name_and_takes_no_other_away(tmp_path: Path) -> None:
    written(tmp_path, WHOLE, "1.toml")
    written(tmp_path, 'name = "cologne"\nfiles = [', "2.toml")
    written(tmp_path, "[", "Dresden-Neu.toml")
    found = load_stores(tmp_path)
    assert [(each.name, each.store is None) for each in found] == [
        ("berlin", False),
        ("cologne", True),
        ("dresden_neu", True),
    ]
    assert f"{tmp_path / '2.toml'} is not TOML" in found[1].error


def test_of_two_files_with_one_name_neither_is_read(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        written(tmp_path, WHOLE, name)
    (found,) = load_stores(tmp_path)
    assert (found.name, found.store) == ("berlin", None)
    for name in ("a.toml", "b.toml"):
        assert str(tmp_path / name) in found.error
    assert "have the same name, berlin" in found.error


def test_a_folder_without_stores_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has no store in it"):
        load_stores(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_stores(tmp_path / "absent")


# Whatever a file says

KEYS = (
    *("name", "title", "time_zone", "currency", "days", "source", "files", "fields", "csv", "rows"),
    *("format", "missing", "column", "columns", "constant", "multiply", "minimum", "extra"),
    *("sale_id", "quantity", "region", "allowed", "synonyms", "order", "versions", "refund"),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["berlin", "iso", "csv", "Europe/Berlin", "EUR", "order", "return"]),
        st.dates(),
        st.datetimes(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4),
    ),
    max_leaves=12,
)


def in_toml(value: Any) -> str:
    """A value as TOML has it, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return f"{{ {', '.join(f'{in_toml(k)} = {in_toml(v)}' for k, v in value.items())} }}"
        case list():
            return f"[{', '.join(map(in_toml, value))}]"
        case str():
            return '"' + "".join(f"\\U{ord(letter):08X}" for letter in value) + '"'
        case int() | float():
            return str(value)
        case _:
            return str(value.isoformat())


def tables_of(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in a document there are tables."""
    yield path
    for key, each in table.items():
        if isinstance(each, dict):
            yield from tables_of(each, (*path, key))


def put(document: dict[str, Any], path: tuple[Any, ...], key: str, value: Any) -> None:
    for part in path:
        document = document[part]
    document[key] = value


TABLES = [*tables_of(tomllib.loads(WHOLE))]


@given(st.lists(st.tuples(st.sampled_from(TABLES), st.sampled_from(KEYS), VALUES), max_size=3))
def test_any_document_gives_a_store_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Any, ...], str, Any]]
) -> None:
    document = tomllib.loads(WHOLE)
    for path, key, value in changes:
        try:
            put(document, path, key, value)
        except (KeyError, TypeError):
            # An earlier change has replaced the table.
            continue
    text = "\n".join(f"{in_toml(key)} = {in_toml(value)}" for key, value in document.items())
    found = outcome(written(tmp_path_factory.mktemp("any"), text))
    if isinstance(found, str):
        assert found.isprintable()
    else:
        # The schema is no stricter than what reads the file.
        assert SCHEMA.is_valid(json.loads(json.dumps(tomllib.loads(text), default=str)))


def outcome(file: Path) -> Store | str:
    """The store, or what is said instead; any other exception is a failure."""
    try:
        return load_store(file)
    except SettingsError as refused:
        return str(refused)


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_any_bytes_give_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    file = tmp_path_factory.mktemp("bytes") / "store.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SettingsError) as refused:
        load_store(file)
    assert str(refused.value).isprintable()


# For editors and for people


def test_the_published_schema_and_the_page_are_those_of_the_models() -> None:
    for file in (reference.SCHEMA_FILE, DOCS / "store.schema.json"):
        assert file.read_text("utf-8") == reference.schema_text(), "run: make store-file"
    page = (DOCS / "store-file.md").read_text("utf-8")
    assert page.endswith(reference.tables()), "run: make store-file"
    assert not re.search(r"(?m)^\| `\w+` \|  \|", page), "a key without a description"


def test_the_schema_takes_the_example_of_the_page_and_no_misspelt_key(tmp_path: Path) -> None:
    page = (DOCS / "store-file.md").read_text("utf-8")
    found = re.search(r"(?s)```toml\n(.*?)```", page)
    assert found is not None
    assert load_store(written(tmp_path, found[1])).name == "berlin"
    document = tomllib.loads(found[1])
    SCHEMA.validate(document)
    document["source"]["fiels"] = []
    assert not SCHEMA.is_valid(document)


def test_no_field_of_a_store_hides_a_column_of_the_feed() -> None:
    assert {*feed_schema(SALES).names} <= TAKEN


def test_no_field_of_a_store_hides_a_column_that_a_step_makes(spark: SparkSession) -> None:
    contract = KIOSK.contract
    # An engine takes no schema from no rows.
    row = pa.Table.from_pylist([{"file": "a.csv", "line": 2}], feed_schema(contract))
    feed = spark.createDataFrame(row)
    typed = type_rows(feed, WEEK)
    versions = versions_of_sales(typed, WEEK)
    rejected = rejected_rows(typed, contract)
    numbered = number_repeated(typed, contract)
    frames = [typed, versions, rejected, examples(rejected, contract), numbered]
    made = {name for frame in frames for name in frame.columns} - {*contract.names}
    assert {"fate", "copies", "reason", "example", "raw_region"} <= made
    assert {name for name in made if not name.startswith("raw_")} <= TAKEN
    assert {IS_REFUND, ROWS_ADDED} <= TAKEN


@pytest.mark.parametrize(
    "name",
    [
        *("file", "line", "file_number", "version", "raw", "set_aside", "problems", "repaired"),
        *("reasons", "repairs", "fits", "copies", "fate", "raw_price", "text_price", "ctid"),
    ],
)
def test_a_name_that_a_step_uses_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, WHOLE.replace("channel =", f"{name} ="))
    assert said == (f"source.fields.extra: {name} is a name of Vitrina's own; choose another")


def test_reading_a_file_loads_no_engine_and_no_arrow(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    code = (
        "import sys; from vitrina.exports.store_file import load_store; "
        "load_store(sys.argv[1]); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pyspark", "pyarrow", "pandas", "numpy", "psycopg"} & {*loaded}
