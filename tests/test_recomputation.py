"""The pipeline against a second opinion: DuckDB applies `docs/rules.md` to the same raw feed.

Every cell that PostgreSQL, ClickHouse and the lake show must be the recomputed one, for
generated feeds and for one of odd cases. What validation finds in a generated feed must be
what was planted there.
"""

import datetime
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from tests.batches import BATCHES, GENERATED, collect, prepare, read, valid_rows
from tests.databases import new_database
from tests.odd_feed import ODD_TEXTS
from tests.recomputation import FIELDS, MARTS, Table, differences, raw_feed, recompute
from tests.rows import AS_OF, BATCH, GOOD, feed
from vitrina import rules
from vitrina.contract import SALES
from vitrina.generator.feed import make_feed
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.settings import Settings
from vitrina.steps import analyze, clean, validate
from vitrina.store import Batch
from vitrina.stores.clickhouse.embedded import embedded_clickhouse
from vitrina.stores.clickhouse.store import ClickHouse, clickhouse
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres, postgres
from vitrina.visible import visible

Tables = dict[str, Table]


@dataclass(frozen=True)
class Journey:
    """A batch that went all the way: what its feed comes to by the rules, and what is shown."""

    lake: Lake
    by_rules: Tables
    in_lake: Tables
    in_postgres: Tables


@dataclass(frozen=True)
class Journeys:
    """Batches that went, one after the other, through the same stores."""

    of: dict[str, Journey]
    in_clickhouse: dict[str, Tables]


@pytest.fixture(scope="module")
def journeys(
    spark: SparkSession, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Journeys:
    home = tmp_path_factory.mktemp("recomputation")
    with (
        new_database(postgres_server, "recomputation") as dsn,
        postgres(dsn, keep=len(BATCHES)) as target,
        # Only while the batches travel: a process has one ClickHouse at a time.
        embedded_clickhouse(home / "clickhouse") as shown,
        clickhouse(shown) as window,
    ):
        of = {name: travel(spark, name, str(home / "lake"), target, window) for name in BATCHES}
        # Last, since a later import must leave the earlier ones as they are.
        in_clickhouse = {name: read_clickhouse(window, batch) for name, batch in BATCHES.items()}
    return Journeys(of, in_clickhouse)


def travel(
    spark: SparkSession, name: str, root: str, target: Postgres, window: ClickHouse
) -> Journey:
    """Take a batch through all steps."""
    lake, batch = prepare(spark, name, root), BATCHES[name]
    opened = Opened(spark, target, window)
    with Run(Settings(lake=root), batch.as_of, opened=opened) as run:
        for step in STEPS[3:]:
            run.step(step)
    target.show(batch.as_of)
    return Journey(
        lake,
        recompute(raw_feed(root, batch.as_of), batch.as_of),
        read_lake(spark, lake),
        read_postgres(target),
    )


def read_lake(spark: SparkSession, lake: Lake) -> Tables:
    """The datasets that validation and cleaning leave, under the names of the recomputed."""
    return {
        "valid": collect(valid_rows(read(spark, lake, "validate", "typed"))),
        "rejects": collect(read(spark, lake, "validate", "rejects")),
        "conflicts": collect(read(spark, lake, "clean", "conflicts")),
        "sale": collect(read(spark, lake, "clean", "clean")),
    }


def read_postgres(store: Postgres) -> Tables:
    """What readers of the batch that is shown see."""
    entry = store.current_batch()
    assert entry is not None
    queries = {
        "sale": f"SELECT {', '.join(FIELDS)} FROM sale",
        "reasons": "SELECT reason, rejected_rows FROM rejects_by_reason "
        f"WHERE as_of = '{entry.as_of}'",
        "ledger": f"SELECT {_LEDGER} FROM batch WHERE is_current",
        **{mart: f"TABLE {mart}" for mart in MARTS},
    }
    return {name: Table.of(*store.query(query)) for name, query in queries.items()}


def read_clickhouse(store: ClickHouse, batch: Batch) -> Tables:
    """What readers of a batch's import see."""
    of_import = f"WHERE import_date = '{batch.as_of}'"
    queries = {
        "reasons": f"SELECT reason, rejected_rows FROM rejects_by_reason {of_import}",
        "ledger": f"SELECT {_LEDGER} FROM batch {of_import}",
        **{
            mart: f"SELECT * EXCEPT (import_date, imported_at) FROM {mart} {of_import}"
            for mart in MARTS
        },
    }
    return {name: Table.of(*store.query(query)) for name, query in queries.items()}


_LEDGER = "rows_in, clean, rejected, repaired, collapsed, total_sales_amount"


def all_differences(by_rules: Tables, found: Tables, where: str) -> list[str]:
    return [
        difference
        for name, table in found.items()
        for difference in differences(name, by_rules[name], table, where)
    ]


@pytest.mark.parametrize("name", BATCHES)
def test_every_cell_in_postgresql_is_as_the_rules_say(journeys: Journeys, name: str) -> None:
    journey = journeys.of[name]
    assert all_differences(journey.by_rules, journey.in_postgres, "PostgreSQL") == []


@pytest.mark.parametrize("name", BATCHES)
def test_every_cell_in_clickhouse_is_as_the_rules_say(journeys: Journeys, name: str) -> None:
    by_rules = journeys.of[name].by_rules
    assert all_differences(by_rules, journeys.in_clickhouse[name], "ClickHouse") == []


@pytest.mark.parametrize("name", BATCHES)
def test_every_row_in_the_lake_is_as_the_rules_say(journeys: Journeys, name: str) -> None:
    journey = journeys.of[name]
    assert all_differences(journey.by_rules, journey.in_lake, "the lake") == []


@pytest.mark.parametrize("name", BATCHES)
def test_the_steps_count_what_the_rules_count(journeys: Journeys, name: str) -> None:
    by_rules, lake = journeys.of[name].by_rules, journeys.of[name].lake
    (counts,) = by_rules["counts"].dicts()
    reasons: dict[str, int] = dict(by_rules["reasons"].rows)
    assert reasons.pop(rules.CONFLICTING_DUPLICATE, 0) == counts["conflicting"]
    examples: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(by_rules["examples"].dicts(), key=lambda row: row["example"]):
        shown = {field: row[field] and visible(row[field]) for field in FIELDS}
        examples.setdefault(row["reason"], []).append(shown)
    report = {
        **{name: counts[name] for name in ("rows_in", "valid", "rejected", "repaired")},
        "reasons": reasons,
        "repairs": dict(by_rules["repairs"].rows),
        "set_aside": 0,
        "why_set_aside": {},
    }
    assert lake.result("validate")["counts"] == report
    assert lake.read_document("validate", "report.json") == {**report, "examples": examples}
    found = lake.result("clean")["counts"]
    assert Decimal(found.pop("total_sales_amount")) == counts["total_sales_amount"]
    assert (found.pop("total_returns"), found.pop("total_returns_amount")) == (0, "0")
    assert (found.pop("superseded"), found.pop("superseded_set_aside")) == (0, 0)
    assert found == {
        "rows_in": counts["valid"],
        **{name: counts[name] for name in ("clean", "collapsed", "conflicting", "total_quantity")},
    }


@pytest.mark.parametrize("name", GENERATED)
def test_validation_finds_each_planted_defect_by_its_name_and_nothing_else(
    spark: SparkSession, journeys: Journeys, name: str
) -> None:
    lake, in_lake = journeys.of[name].lake, journeys.of[name].in_lake
    truth = lake.read_document("generate", "truth.json")
    assert truth is not None
    planted = make_feed(spark, *GENERATED[name]).collect()
    defects = Counter(row.defect for row in planted if row.defect is not None)
    assert {each: of["rows"] for each, of in truth["defects"].items() if of["rows"]} == defects
    label = {each: of["found_as"] for each, of in truth["defects"].items()}

    rejected, repaired = Counter[Any](), Counter[Any]()
    collapsed, conflicting = Counter[int](), Counter[str]()
    for *texts, defect in planted:
        match label.get(defect):
            case None:
                pass
            case "collapsed":
                collapsed[int(texts[0])] += 1
            case rules.CONFLICTING_DUPLICATE:
                conflicting[texts[0]] += 1
            case repair if repair.endswith(("_spaces", "_case")):
                repaired[int(texts[0]), (repair,)] += 1
            case reason:
                rejected[*texts, (reason,)] += 1

    assert Counter(in_lake["rejects"].rows) == rejected
    valid = in_lake["valid"].dicts()
    assert Counter((row["sale_id"], row["repairs"]) for row in valid if row["repairs"]) == repaired
    contents = Counter(tuple(row[field] for field in FIELDS) for row in valid)
    surplus = {content[0]: copies - 1 for content, copies in contents.items() if copies > 1}
    assert Counter(surplus) == collapsed
    assert Counter(row["sale_id"] for row in in_lake["conflicts"].dicts()) == conflicting


TEXTS = pa.schema(dict.fromkeys(FIELDS, pa.string()))

# Mostly good fields, and few ids, so that rows survive and meet. Many rows at once, because each
# feed takes a dozen queries.
ROWS = st.lists(
    st.fixed_dictionaries(
        {"sale_id": st.sampled_from(["1", "2", " 3", "0"])},
        optional={
            name: st.sampled_from(texts) for name, texts in ODD_TEXTS.items() if name != "sale_id"
        },
    )
    | st.fixed_dictionaries(
        {
            "sale_id": st.integers(1, 40).map(str),
            "product_id": st.integers(1, 3).map(str),
            "sale_date": st.dates(
                AS_OF - datetime.timedelta(20), AS_OF - datetime.timedelta(1)
            ).map(str),
            "sale_amount": st.decimals("0.01", "99.99", places=2).map(str),
            "region": st.sampled_from(SALES.regions),
        }
    ),
    min_size=30,
    max_size=100,
)


@settings(max_examples=settings().max_examples // 5)
@given(changes=ROWS)
def test_any_feed_is_split_and_summed_up_as_the_rules_say(
    spark: SparkSession, changes: list[dict[str, str | None]]
) -> None:
    rows: list[dict[str, str | None]] = [{**GOOD, **change} for change in changes]
    by_rules = recompute(pa.Table.from_pylist(rows, TEXTS), AS_OF)

    def held(frame: DataFrame) -> DataFrame:
        """The rows without what they were made from, as if read from the lake."""
        return spark.createDataFrame(frame.toArrow(), frame.schema)

    typed = held(validate.type_rows(feed(spark, *changes), BATCH))
    valid = typed.where("reasons IS NULL").select(*SALES.names)
    numbered = held(clean.number_repeated(valid, SALES))
    sales = held(clean.one_row_per_sale(valid, numbered, SALES))
    frames = {
        "valid": valid_rows(typed),
        "rejects": validate.rejected_rows(typed, SALES),
        "conflicts": clean.conflicts(numbered, SALES),
        "sale": sales,
        **{mart.name: frame for mart, frame in analyze.mart_rows(sales, BATCH).items()},
    }
    found = {name: collect(frame) for name, frame in frames.items()}
    assert all_differences(by_rules, found, "Spark") == []

    collapsed = sum(row.copies - 1 for row in numbered.collect())
    kept = [len(found[name].rows) for name in ("sale", "rejects", "conflicts")]
    assert len(changes) == sum(kept) + collapsed
    amount = sum(row["sale_amount"] for row in found["sale"].dicts())
    for name in MARTS:
        mart = found[name].dicts()
        assert sum(row["total_sales"] for row in mart) == len(found["sale"].rows)
        assert sum(row["total_sales_amount"] for row in mart) == amount
