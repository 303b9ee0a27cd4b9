"""Manifests, and the proof of what is stored: whatever is altered is named."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import verify_manifest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from tests.commands import call
from tests.databases import new_database
from tests.rows import AS_OF
from vitrina.errors import BatchError, NotInstalled
from vitrina.exports.store_file import load_store
from vitrina.generator.recipe import Recipe
from vitrina.ledger import LedgerEntry, Manifest
from vitrina.marts import Mart, marts
from vitrina.pipeline import Opened, Run
from vitrina.proof import lake_rows, recomputed
from vitrina.proof.chain import Chain
from vitrina.proof.checks import PUBLICATION, Proof, said_by
from vitrina.proof.feed import check_feed
from vitrina.proof.prove import newest_manifest, prove
from vitrina.settings import Settings
from vitrina.store import GENERATED, Batch, Store
from vitrina.stores.addresses import lake_root
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.session import open_session
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.lake import Lake
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.store import postgres

EXAMPLE = Path(__file__).parents[1] / "examples" / "stores" / "online-retail"
EXPORT = "exports/november.csv"
PASSWORD = "hunter2"  # noqa: S105


@dataclass(frozen=True)
class Place:
    """A batch that was published, and where."""

    settings: Settings
    store: Store
    as_of: Any

    @property
    def lake(self) -> Lake:
        return Lake(lake_root(self.settings, self.store), self.as_of)

    @property
    def chain(self) -> Chain:
        return Chain(self.lake.batches)

    @property
    def schema(self) -> str:
        return "vitrina" if self.store.is_generated else f"store_{self.store.name}"

    @property
    def said(self) -> dict[str, Any]:
        """What the newest manifest of the batch says."""
        link = newest_manifest(self.chain.links(), self.as_of, PUBLICATION)
        assert link is not None
        return said_by(link)

    @property
    def environment(self) -> dict[str, str]:
        """For a command."""
        assert self.settings.postgres_dsn is not None
        return {
            "VITRINA_HOME": str(self.settings.home),
            "VITRINA_POSTGRES_DSN": self.settings.postgres_dsn.get_secret_value(),
        }

    def prove(self, **options: Any) -> Proof:
        return prove(self.settings, self.store, self.as_of, **options)

    def wrong(self, **options: Any) -> list[str]:
        """All that a proof finds wrong, and where."""
        found = self.prove(**options)
        return [f"{check.what}: {each}" for check in found.checks for each in check.wrong]

    def sql(self, statement: str) -> None:
        """What only another hand would do to PostgreSQL."""
        assert self.settings.postgres_dsn is not None
        with psycopg.connect(self.settings.postgres_dsn.get_secret_value()) as connection:
            connection.execute(f"SET search_path = {self.schema}".encode())
            connection.execute(statement.encode())

    def ledger(self) -> list[LedgerEntry]:
        with open_postgres(self.settings, self.store) as store:
            return store.ledger()

    def publish(self) -> Manifest:
        with Run(self.settings, self.as_of, store=self.store) as run:
            run.step(run.steps[-1])
        return self.chain.links()[-1]


@pytest.fixture(scope="module")
def settings(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("proof")
    with new_database(postgres_server, "proof") as dsn, ExitStack() as kept:
        # Each proof would start the engine anew.
        with embedded_clickhouse(home / "clickhouse") as address:
            kept.enter_context(open_session(address))
        yield Settings(
            home=home,
            postgres_dsn=SecretStr(dsn),
            max_rejected_share=Decimal("0.3"),
            openlineage_key=SecretStr(PASSWORD),
        )


@pytest.fixture(scope="module")
def generated(spark: SparkSession, settings: Settings) -> Place:
    """A batch of the generated shop."""
    with Run(settings, AS_OF, Recipe(300, 7), opened=Opened(spark=spark)) as run:
        for step in run.steps:
            run.step(step)
    return Place(settings, GENERATED, AS_OF)


@pytest.fixture(scope="module")
def own(spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A batch of a store's own files."""
    folder = tmp_path_factory.mktemp("store") / "online-retail"
    shutil.copytree(EXAMPLE, folder)
    store = load_store(folder / "store.toml")
    as_of = datetime(2026, 12, 1, tzinfo=UTC).date()
    with Run(settings, as_of, store=store, opened=Opened(spark=spark)) as run:
        for step in run.steps:
            run.step(step)
    return Place(settings, store, as_of)


@contextmanager
def altered(place: Place, there: str, back: str) -> Iterator[None]:
    place.sql(there)
    try:
        yield
    finally:
        place.sql(back)


@contextmanager
def altered_import(
    place: Place, name: str, change: Callable[[pa.Table], pa.Table]
) -> Iterator[None]:
    """Another mart in ClickHouse, until the block ends."""
    mart = next(each for each in marts(place.store.contract) if each.name == name)
    with open_clickhouse(place.settings, place.store) as shown:
        rows = shown.read_mart(mart, place.as_of)
        put(shown, mart, place, change(rows))
    try:
        yield
    finally:
        with open_clickhouse(place.settings, place.store) as shown:
            put(shown, mart, place, rows)


def put(shown: ClickHouse, mart: Mart, place: Place, rows: pa.Table) -> None:
    shown.stage(mart, place.as_of, datetime.now(UTC), rows)
    shown.replace_import(mart, place.as_of)


@contextmanager
def altered_file(path: Path, content: bytes | None) -> Iterator[None]:
    """Another file, or none, until the block ends."""
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def with_cell(rows: pa.Table, name: str, value: Any) -> pa.Table:
    """The rows with another value in the first of a column."""
    place = rows.schema.get_field_index(name)
    field = rows.schema.field(name)
    cells = pa.concat_arrays([pa.array([value], field.type), rows[name].combine_chunks().slice(1)])
    return rows.set_column(place, field, cells)


# What holds


@pytest.mark.parametrize("name", ["generated", "own"])
def test_what_nobody_has_touched_is_proven_down_to_the_feed(
    request: pytest.FixtureRequest, name: str
) -> None:
    place: Place = request.getfixturevalue(name)
    proof = place.prove(from_feed=True)
    assert place.wrong(from_feed=True) == []
    assert proof.holds
    archive = [] if name == "generated" else ["archive"]
    assert [check.what for check in proof.checks] == [
        *("chain", "lake", *archive, "postgresql", "clickhouse", "feed")
    ]


def test_a_manifest_says_what_the_batch_consisted_of(own: Place) -> None:
    said = own.said
    assert (said["store"], said["as_of"]) == ("online_retail", "2026-12-01")
    size = (EXAMPLE / "exports" / "november.csv").stat().st_size
    assert [(each["name"], each["size"]) for each in said["sources"]] == [(EXPORT, size)]
    assert said["fates"] == {
        "rows_in": 10,
        "clean": 7,
        "rejected": 1,
        "set_aside": 2,
        "collapsed": 0,
        "superseded": 0,
    }
    assert [*said["steps"]] == sorted(
        step.name for step in Run(own.settings, own.as_of, store=own.store).steps
    )
    assert (
        said["steps"]["load"]["counts"]["total_sales"]
        + said["steps"]["load"]["counts"]["total_returns"]
        == 7
    )
    written = {
        str(path.relative_to(own.lake.root))
        for path in Path(own.lake.root).rglob("*")
        if path.is_file()
    }
    assert {file["path"] for file in said["files"]} == {
        path for path in written if not Path(path).name.startswith((".", "_"))
    }
    assert PASSWORD not in str(said)
    assert said["engines"].keys() == {"spark", "postgresql", "clickhouse", "arrow"}
    assert said["started_by"].keys() == {"user", "host", "by"}
    assert said["started_by"]["by"] == "Python"
    for mart in marts(own.store.contract):
        table = said["tables"][mart.name]
        assert (table["key"], len(table["columns"])) == ([*mart.key], len(mart.columns))
        assert (
            table["sums"].get("total_sales_amount")
            == said["tables"]["sales_by_region"]["sums"]["total_sales_amount"]
        )


def test_publishing_again_adds_an_equal_manifest_but_for_times_and_names(generated: Place) -> None:
    before = generated.chain.links()[-1]
    one = generated.said
    generated.publish()
    other = generated.said
    assert (other["previous"], other["sequence"]) == (before.sha256, before.sequence + 1)

    def plain(said: dict[str, Any]) -> dict[str, Any]:
        publish = {**said["steps"]["publish"], "started": None, "seconds": None}
        files = [
            # The folder of an attempt has a name of its own, and step.json has times.
            (
                path.split("/")[0] + "/" + path.split("/", 2)[-1],
                None if path == "publish/step.json" else file["sha256"],
            )
            for file in said["files"]
            for path in [file["path"]]
        ]
        return {
            **said,
            **dict.fromkeys(("sequence", "previous", "sealed_at")),
            "steps": {**said["steps"], "publish": publish},
            "files": sorted(files, key=str),
        }

    assert plain(one) == plain(other)
    assert generated.wrong() == []


def test_what_is_no_longer_kept_is_said_and_no_failure(
    generated: Place, spark: SparkSession, tmp_path: Path
) -> None:
    older = replace(generated, as_of=AS_OF.replace(day=17))
    with Run(older.settings, older.as_of, Recipe(50, 3), opened=Opened(spark=spark)) as run:
        for step in run.steps:
            run.step(step)
    proof = older.prove()
    assert [(check.what, check.is_kept) for check in proof.checks][2] == ("postgresql", False)
    assert proof.holds
    assert prove(generated.settings, GENERATED).manifest.as_of == older.as_of
    assert generated.wrong() == []
    assert older.wrong(from_feed=True) == []

    asked = call(tmp_path, "prune", "--keep", "1", environment=generated.environment)
    assert (asked.code, asked.err) == (
        1,
        "error: nothing was deleted: nobody can be asked here; give --yes\n",
    )
    assert "deletes batch 2026-11-17 of the lake" in asked.out
    assert older.wrong() == []
    deleted = call(tmp_path, "prune", "--keep", "1", "--yes", environment=generated.environment)
    assert deleted.code == 0
    proof = older.prove(from_feed=True)
    assert proof.holds
    kept = {check.what: check.is_kept for check in proof.checks}
    assert kept == {
        "chain": True,
        "lake": False,
        "postgresql": False,
        "clickhouse": False,
        "feed": False,
    }
    assert generated.wrong() == []


# What does not

FIRST_DAY = "region = 'East' AND sale_date = '2025-11-24'"
NO_AVERAGE = (
    "postgresql: sales_by_day, sale_date 2025-11-24, region 'East': "
    "moving_average_7_days is 0.00, expected missing"
)
KEEP = "CREATE TABLE kept AS"
ALTER = "UPDATE sale_by_load SET"
REJECT = "INSERT INTO rejects_by_reason_by_load (load_id, reason, rejected_rows)"
WITHOUT_WEST = "DELETE FROM sales_by_region_by_load WHERE region = 'West'"


@pytest.mark.parametrize(
    ("there", "back", "told"),
    [
        (
            "UPDATE sales_by_region_by_load SET sales_rank = sales_rank + 7 WHERE region = 'East'",
            "UPDATE sales_by_region_by_load SET sales_rank = sales_rank - 7 WHERE region = 'East'",
            "postgresql: sales_by_region, region 'East': sales_rank is ",
        ),
        (
            f"UPDATE sales_by_day_by_load SET moving_average_7_days = 0 WHERE {FIRST_DAY}",
            f"UPDATE sales_by_day_by_load SET moving_average_7_days = NULL WHERE {FIRST_DAY}",
            NO_AVERAGE,
        ),
        (
            f"{KEEP} SELECT * FROM sales_by_region_by_load WHERE region = 'West'; {WITHOUT_WEST}",
            "INSERT INTO sales_by_region_by_load TABLE kept; DROP TABLE kept",
            "postgresql: sales_by_region, region 'West': the row is missing",
        ),
        (
            "UPDATE sale_by_load SET sale_amount = sale_amount + 0.01 WHERE sale_id = 5",
            "UPDATE sale_by_load SET sale_amount = sale_amount - 0.01 WHERE sale_id = 5",
            "postgresql: sale, sale_id 5: sale_amount is ",
        ),
        (
            "UPDATE sale_by_load SET sale_date = sale_date + 4000 WHERE sale_id = 5",
            "UPDATE sale_by_load SET sale_date = sale_date - 4000 WHERE sale_id = 5",
            "postgresql: sale, sale_id 5: sale_date is ",
        ),
        (
            "UPDATE sale_by_load SET sale_id = -5 WHERE sale_id = 5",
            "UPDATE sale_by_load SET sale_id = 5 WHERE sale_id = -5",
            "postgresql: sale, sale_id 5: the row is missing",
        ),
        (
            "UPDATE batch_by_load SET rejected = rejected + 1, clean = clean - 1",
            "UPDATE batch_by_load SET rejected = rejected - 1, clean = clean + 1",
            "postgresql: the ledger of PostgreSQL: clean is ",
        ),
        (
            f"{REJECT} SELECT load_id, 'made_up', 3 FROM batch WHERE is_current",
            "DELETE FROM rejects_by_reason_by_load WHERE reason = 'made_up'",
            "postgresql: the ledger of PostgreSQL: rejected as made_up is 3, expected 0",
        ),
        (
            "UPDATE control_totals_by_load SET total_returns = 7 WHERE table_name = 'sales_by_day'",
            "UPDATE control_totals_by_load SET total_returns = 0 WHERE table_name = 'sales_by_day'",
            "postgresql: the ledger of PostgreSQL: total_returns of sales_by_day in ",
        ),
        (
            "UPDATE batch_by_load SET published_at = published_at + interval '1 hour'",
            "UPDATE batch_by_load SET published_at = published_at - interval '1 hour'",
            "chain: batch 2026-11-24 was published at ",
        ),
    ],
)
def test_what_was_altered_in_postgresql_is_named(
    generated: Place, there: str, back: str, told: str
) -> None:
    with altered(generated, there, back):
        found = generated.wrong()
    assert found
    assert found[0].startswith(told), found
    assert generated.wrong() == []


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "sales_by_region",
            lambda rows: with_cell(rows, "share", Decimal("0.5")),
            "clickhouse: sales_by_region, region 'East': share is 0.500000, expected ",
        ),
        (
            "sales_by_region_product",
            lambda rows: with_cell(rows, "abc_class", "Z"),
            ": abc_class is 'Z', expected 'C'",
        ),
        (
            "sales_by_region",
            lambda rows: rows.slice(1),
            "clickhouse: sales_by_region, region 'East': the row is missing",
        ),
        (
            "sales_by_region",
            lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
            "clickhouse: sales_by_region, region 'East': the row should not be there",
        ),
        (
            "sales_by_day",
            lambda rows: with_cell(rows, "average_sale_amount", Decimal("0.00")),
            "average_sale_amount is 0.00, expected missing",
        ),
    ],
)
def test_what_was_altered_in_clickhouse_is_named(
    generated: Place, name: str, change: Callable[[pa.Table], pa.Table], told: str
) -> None:
    with altered_import(generated, name, change):
        (found,) = generated.wrong()
    assert told in found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"collapsed": 9}, "clickhouse: the ledger of ClickHouse: collapsed is 9, expected "),
        ({}, "clickhouse: the ledger of ClickHouse: rejected as made_up is 3, expected 0"),
    ],
)
def test_what_was_altered_in_clickhouses_ledger_is_named(
    generated: Place, change: dict[str, Any], told: str
) -> None:
    (entry,) = [each for each in generated.ledger() if each.as_of == AS_OF]
    rejects = dict(generated.said["rejects"])
    other = rejects if change else {**rejects, "made_up": 3}
    with open_clickhouse(generated.settings, GENERATED) as shown:
        shown.record_batch(replace(entry, **change), datetime.now(UTC), [], other)
    (found,) = generated.wrong()
    assert found.startswith(told)
    with open_clickhouse(generated.settings, GENERATED) as shown:
        shown.record_batch(entry, datetime.now(UTC), [], rejects)
    assert generated.wrong() == []


def test_an_import_that_is_gone_is_named(generated: Place) -> None:
    with open_clickhouse(generated.settings, GENERATED) as shown:
        shown.withdraw(AS_OF)
    assert generated.wrong() == ["clickhouse: ClickHouse lists no import of 2026-11-24"]
    generated.publish()
    assert generated.wrong() == []


@pytest.mark.parametrize(
    "pattern", ["generate/*/feed/*", "clean/*/clean/*", "validate/report.json"]
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_of_the_lake_that_was_altered_is_named(
    generated: Place, pattern: str, is_there: bool
) -> None:
    path = max(Path(generated.lake.root).glob(pattern), key=lambda each: each.stat().st_size)
    with altered_file(path, path.read_bytes()[:-1] + b"\0" if is_there else None):
        found = generated.wrong()
    what = "is not the file that was published" if is_there else "is missing"
    assert [each for each in found if each.startswith(f"lake: {path} {what}")] == found[:1]


def test_a_mart_is_compared_cell_by_cell_as_long_as_one_copy_is_left(generated: Place) -> None:
    (path,) = Path(generated.lake.root).glob("publish/*/sales_by_region/rows.csv")
    with (
        altered_file(path, b""),
        altered(
            generated,
            "UPDATE sales_by_region_by_load SET sales_rank = 9 WHERE sales_rank = 1",
            "UPDATE sales_by_region_by_load SET sales_rank = 1 WHERE sales_rank = 9",
        ),
    ):
        found = generated.wrong()
    assert found[0].startswith(f"lake: {path} is not the file")
    assert found[1].startswith("postgresql: sales_by_region: its 4 rows are not the 4 that were")
    assert len(found) == 2


def test_an_archived_file_that_was_altered_is_named(own: Place) -> None:
    (source,) = own.said["sources"]
    path = Path(own.lake.batches, "archive", source["sha256"])
    with altered_file(path, path.read_bytes() + b"\n"):
        (changed,) = own.wrong()
    with altered_file(path, None):
        (missing,) = own.wrong()
    assert changed == f"archive: {path} ({EXPORT}) is not the file that was read"
    assert missing == f"archive: {path} ({EXPORT}) is missing"


def test_a_cell_that_was_published_wrong_differs_from_the_recomputed_one(
    generated: Place, tmp_path: Path
) -> None:
    """The manifest and all the stores agree, and are all wrong."""
    said = generated.said
    said["tables"]["sales_by_region"]["sha256"] = "of other rows"
    said["fates"]["collapsed"] += 1
    batch = Batch(AS_OF)
    with open_clickhouse(generated.settings, GENERATED) as shown:
        tables = {mart.name: shown.read_mart(mart, AS_OF) for mart in marts(batch.contract)}
    tables["sales_by_region"] = with_cell(tables["sales_by_region"], "total_returns", 5)
    check = check_feed(generated.lake, batch, said, lambda mart: tables[mart.name], tmp_path, 512)
    of_fates, of_mart = check.wrong
    assert of_fates.startswith("the manifest: collapsed is ")
    assert of_mart == (
        "sales_by_region as published, region 'East': total_returns is 5, expected 0"
    )


def test_another_contract_than_then_is_named(generated: Place) -> None:
    longer = replace(GENERATED, contract=replace(GENERATED.contract, days=364))
    (found,) = prove(generated.settings, longer, AS_OF).checks[0].wrong
    assert found.startswith("the store's file or its contract is no longer the one")


@pytest.mark.parametrize("at_a_time", [7, 100, 1_000_000])
def test_sales_are_compared_and_hashed_alike_however_few_at_a_time(
    generated: Place, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(lake_rows, "_AT_A_TIME", at_a_time)
    # Sealed by the first, compared with that by the others.
    assert generated.wrong(from_feed=True, seal_sales=True) == []
    with altered(
        generated,
        f"{ALTER} sale_date = sale_date - 1, quantity = quantity + 1 WHERE sale_id = 77",
        f"{ALTER} sale_date = sale_date + 1, quantity = quantity - 1 WHERE sale_id = 77",
    ):
        found = generated.wrong()
    assert found
    assert all(each.startswith("postgresql: sale, sale_id 77: ") for each in found)


# The chain


def test_a_manifest_that_was_altered_or_dropped_in_either_place_is_named(generated: Place) -> None:
    while len(generated.chain.links()) < 3:
        generated.publish()
    _, second, *_ = generated.chain.links()
    path = Path(generated.chain.file(second.sequence))
    with altered_file(path, path.read_bytes().replace(b'"clean"', b'"claen"')):
        found = generated.wrong()
    assert f"chain: {path} is not the manifest that PostgreSQL has" in found
    assert (
        "chain: the lake: manifest 3 does not follow manifest 2: one of the two was changed"
        in found
    )
    with altered_file(path, b"{"):
        assert f"chain: {path} is no manifest" in generated.wrong()
    with altered_file(path, None):
        found = generated.wrong()
    assert f"chain: {path} is missing; PostgreSQL has it" in found
    assert "chain: the lake: manifest 2 is missing" in found
    with altered(
        generated,
        "CREATE TABLE kept AS SELECT * FROM manifest WHERE sequence = 2; "
        "DELETE FROM manifest WHERE sequence = 2",
        "INSERT INTO manifest TABLE kept; DROP TABLE kept",
    ):
        found = generated.wrong()
    assert found == [
        "chain: PostgreSQL: manifest 2 is missing",
        "chain: PostgreSQL: manifest 2 is missing; the lake has it",
    ]
    with altered(
        generated,
        "UPDATE manifest SET document = replace(document, 'clean', 'claen') WHERE sequence = 1",
        "UPDATE manifest SET document = replace(document, 'claen', 'clean') WHERE sequence = 1",
    ):
        found = generated.wrong()
    assert "chain: PostgreSQL: manifest 1 was changed" in found
    with altered(
        generated,
        "CREATE TABLE kept AS TABLE manifest; UPDATE manifest SET document = '{'",
        "DELETE FROM manifest; INSERT INTO manifest TABLE kept; DROP TABLE kept",
    ):
        found = generated.wrong()
    assert "chain: PostgreSQL: manifest 1 was changed" in found
    assert all(each.startswith("chain: ") for each in found), "the lake has the manifests, too"
    assert generated.wrong() == []


def test_the_last_manifest_dropped_in_both_places_is_noticed_by_its_publication(
    generated: Place,
) -> None:
    last = generated.publish()
    path = Path(generated.chain.file(last.sequence))
    with (
        altered_file(path, None),
        altered(
            generated,
            "CREATE TABLE kept AS SELECT * FROM manifest ORDER BY sequence DESC LIMIT 1; "
            "DELETE FROM manifest USING kept WHERE manifest.sequence = kept.sequence",
            "INSERT INTO manifest TABLE kept; DROP TABLE kept",
        ),
    ):
        found = generated.wrong()
    assert found[0].startswith("chain: batch 2026-11-24 was published at ")
    assert found[0].endswith("has no manifest of that; run: vitrina publish --as-of 2026-11-24")


@pytest.mark.parametrize("lost", ["lake", "ledger"])
def test_the_chain_goes_on_where_one_of_its_copies_was_lost(generated: Place, lost: str) -> None:
    before = generated.chain.links()
    if lost == "lake":
        shutil.rmtree(generated.chain.root)
    else:
        generated.sql("DELETE FROM manifest")
    last = generated.publish()
    assert generated.chain.links() == [*before, last]
    assert generated.wrong() == []


def test_manifests_that_are_added_at_once_follow_each_other(database: str) -> None:
    with postgres(database) as store:
        store.create_tables(GENERATED.contract)

    def append() -> None:
        with postgres(database) as store:
            store.append_manifest(AS_OF, lambda number, before: f"{number} after {before}")

    with ThreadPoolExecutor(6) as pool:
        for added in [pool.submit(append) for _ in range(6)]:
            added.result()
    with postgres(database) as store:
        links = store.manifests()
    assert [link.sequence for link in links] == [1, 2, 3, 4, 5, 6]
    assert [link.previous for link in links] == [None, *(link.sha256 for link in links[:-1])]


def test_a_batch_without_a_manifest_is_told_what_to_run(generated: Place) -> None:
    day = AS_OF.replace(year=2020)
    with pytest.raises(BatchError, match="batch 2020-11-24 has no manifest; run: vitrina publish"):
        prove(generated.settings, GENERATED, day)


# An auditor


def test_an_auditor_verifies_every_table_once_its_sales_are_sealed(
    own: Place, tmp_path: Path
) -> None:
    assert own.wrong(seal_sales=True) == []
    assert own.wrong(seal_sales=True) == []
    assert said_by(own.chain.links()[-1])["kind"] == "sales"
    assert said_by(own.chain.links()[-2])["kind"] == "publication"
    said = {
        name: table for link in own.chain.links() for name, table in said_by(link)["tables"].items()
    }
    dsn = own.settings.postgres_dsn
    assert dsn is not None
    with psycopg.connect(dsn.get_secret_value()) as connection:
        connection.execute(f"SET search_path = {own.schema}".encode())
        for name, table in said.items():
            columns = ", ".join(f'"{each["name"]}"' for each in table["columns"])
            texts = {each["name"] for each in table["columns"] if each["type"] == "text"}
            key = ", ".join(
                f'"{each}"' + (' COLLATE "C"' if each in texts else "") for each in table["key"]
            )
            query = f"SELECT {columns} FROM {name} ORDER BY {key}"
            statement = f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)"
            with (
                (tmp_path / f"{name}.csv").open("wb") as file,
                connection.cursor() as cursor,
                cursor.copy(statement.encode()) as copy,
            ):
                for chunk in copy:
                    file.write(chunk)
    assert {"sale", "sales_by_day"} <= said.keys()
    chain = own.chain.root
    assert verify_manifest.main(chain, "2026-12-01", str(tmp_path)) == []
    sales = (tmp_path / "sale.csv").read_text("utf-8")
    (tmp_path / "sale.csv").write_text(sales.replace("2026", "2025", 1), "utf-8")
    (found,) = verify_manifest.main(chain, "2026-12-01", str(tmp_path))
    assert found.startswith("sale: ")


# The command


def test_the_command_names_what_differs_and_ends_with_1(generated: Place, tmp_path: Path) -> None:
    environment = generated.environment
    ended = call(tmp_path, "prove", "--as-of", "2026-11-24", environment=environment)
    assert ended.code == 0
    assert "✓ chain" in ended.out
    assert "✓ clickhouse" in ended.out
    with altered(
        generated,
        "UPDATE sale SET quantity = quantity + 1 WHERE sale_id = 3",
        "UPDATE sale SET quantity = quantity - 1 WHERE sale_id = 3",
    ):
        ended = call(tmp_path, "prove", "--as-of", "2026-11-24", "--json", environment=environment)
    assert ended.code == 1
    assert ended.json["holds"] is False
    (wrong,) = next(each["wrong"] for each in ended.json["checks"] if each["what"] == "postgresql")
    assert wrong.startswith("sale, sale_id 3: quantity is ")


def test_without_duckdb_only_the_recomputation_is_refused(
    generated: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputed, "find_spec", lambda _: None)
    with pytest.raises(
        NotInstalled, match=r"DuckDB is not installed; run: pip install 'vitrina\[proof\]'"
    ):
        generated.prove(from_feed=True)
    assert generated.prove().holds
