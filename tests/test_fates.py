"""Rows of a store's files: each is valid, rejected, set aside, collapsed or superseded."""

import datetime
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.exported import exported, leave_feed, own_store
from tests.lakes import clean_lake, clean_sales
from tests.ledgers import ledger_entry
from tests.rows import AS_OF, collected
from tests.shown import show
from vitrina import rules
from vitrina.counts import Cleaned, Validated
from vitrina.errors import FeedError, ReconciliationError
from vitrina.proof.recomputed import OfFiles, counts, recompute_sales, working_memory
from vitrina.steps import clean, load, validate
from vitrina.steps.clean import newest_of_each, versions_of_sales
from vitrina.steps.load import require_enough
from vitrina.steps.validate import rejected_rows, type_rows
from vitrina.store import Batch, Store
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import postgres

OWN = own_store()
WHOLE_IDS = own_store(
    fields={
        "sale_id": {"type": "integer"},
        "region": {"allowed": ["North", "South"]},
        "quantity": {"minimum": 1},
    }
)

Rows = list[dict[str, Any]]


def typed(spark: SparkSession, store: Store, *rows: Mapping[str, Any]) -> list[Any]:
    feed = exported(spark, store.contract, *rows)
    return type_rows(feed, Batch(AS_OF, store)).orderBy("line").collect()


def reasons(spark: SparkSession, store: Store, *rows: Mapping[str, Any]) -> list[Any]:
    return [row.reasons for row in typed(spark, store, *rows)]


# Reasons


def test_a_field_with_a_reason_gets_no_other_and_the_others_are_judged(
    spark: SparkSession,
) -> None:
    assert reasons(
        spark,
        WHOLE_IDS,
        {"sale_amount": "12,345", "problems": ["sale_amount_too_many_decimals"], "quantity": "0"},
        {"sale_date": None, "problems": ["sale_date_malformed"]},
        {"sale_date": "2026-11-23", "problems": ["sale_date_malformed"]},
        {"sale_id": None, "problems": []},
        {"problems": []},
    ) == [
        ["sale_amount_too_many_decimals", "quantity_below_minimum"],
        ["sale_date_malformed"],
        ["sale_date_malformed"],
        ["sale_id_missing"],
        None,
    ]


def test_a_reason_is_of_the_field_whose_whole_name_it_has(spark: SparkSession) -> None:
    store = own_store(
        fields={
            "extra": {
                "product": {"column": "x", "optional": False},
                "product_id_not": {"column": "y", "optional": False},
            }
        }
    )
    found = reasons(spark, store, {"product_id": None, "problems": ["product_id_mangled"]})
    assert found == [["product_id_mangled", "product_missing", "product_id_not_missing"]]


@pytest.mark.parametrize(
    "problem",
    [*sorted(set(rules.RowRule) - {rules.RowRule.currency_other}), rules.wrong_width(9, 8)],
)
def test_a_row_that_could_not_be_read_has_that_reason_alone_and_keeps_its_text(
    spark: SparkSession, problem: str
) -> None:
    nothing = dict.fromkeys(OWN.contract.names)
    row = {**nothing, "problems": [problem], "raw": 'x,"y'}
    feed = exported(spark, OWN.contract, row, {})
    rejected = rejected_rows(type_rows(feed, Batch(AS_OF, OWN)), OWN.contract).collect()
    assert [(each.reasons, each.file, each.line, each.raw) for each in rejected] == [
        ([problem], "a.csv", 2, 'x,"y')
    ]


def test_an_amount_of_another_currency_is_not_judged_and_the_rest_is(spark: SparkSession) -> None:
    assert reasons(
        spark,
        OWN,
        {"sale_amount": "$12.50", "problems": ["currency_other"], "quantity": "one"},
        {"sale_amount": "12.50", "problems": ["currency_other"]},
    ) == [["currency_other", "quantity_not_an_integer"], ["currency_other"]]


def test_what_reading_repaired_comes_before_what_validation_repaired(
    spark: SparkSession,
) -> None:
    rows = typed(
        spark,
        WHOLE_IDS,
        {"region": "north ", "repaired": ["trailing_delimiter"]},
        {"repaired": ["product_id_guard"]},
        {"repaired": []},
        {"repaired": ["product_id_guard"], "quantity": "0"},
        {"repaired": ["product_id_guard"], "set_aside": "fee"},
    )
    assert [row.repairs for row in rows] == [
        ["trailing_delimiter", "region_spaces", "region_case"],
        ["product_id_guard"],
        None,
        None,
        None,
    ]


# Values


def test_only_an_empty_text_is_missing_and_a_customer_may_be(spark: SparkSession) -> None:
    words = ["null", "None", "nan", "N/A", "TRUE", "1E3", "0x1F", "NA", "02.янв", "00123"]
    rows = typed(
        spark,
        OWN,
        *[dict.fromkeys(("customer_id", "product_id", "region"), word) for word in words],
        {"customer_id": None},
        {"customer_id": " \t"},
        {"product_id": ""},
    )
    assert [(row.customer_id, row.product_id, row.region) for row in rows[:10]] == [
        (word, word, word) for word in words
    ]
    assert [row.customer_id for row in rows[10:12]] == [None, None]
    assert [row.reasons for row in rows] == [*[None] * 12, ["product_id_missing"]]


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("product_id", "a\x00b", "product_id_malformed"),
        ("product_id", "a\x85b", "product_id_malformed"),
        ("customer_id", "a\u00adb", "customer_id_malformed"),
        ("sale_id", "\ufeff7", "sale_id_malformed"),
        ("product_id", "Mug\n“Ида” 👩\u200d👩", None),
        ("note", "soft\u00adware", None),
        ("note", "a\x1bb", "note_malformed"),
        ("region", "Nor\x00th", "region_unknown"),
        ("region", "Нижний", None),
        ("weight", "0.125", None),
        ("weight", "0.1255", "weight_too_many_decimals"),
        ("weight", None, None),
    ],
)
def test_a_text_is_any_but_one_with_what_cannot_be_seen(
    spark: SparkSession, field: str, text: str, reason: str | None
) -> None:
    extra = {"note": {"column": "n"}, "weight": {"column": "w", "type": "decimal", "decimals": 3}}
    store = own_store(fields={"extra": extra})
    assert reasons(spark, store, {field: text}) == [reason and [reason]]


def test_quantities_have_the_decimals_that_the_store_gives_them(spark: SparkSession) -> None:
    store = own_store(fields={"quantity": {"decimals": 3, "minimum": "-1"}})
    rows = typed(
        spark, store, *[{"quantity": text} for text in ("0.125", "2", "-0.5", "1.0005", "-1.001")]
    )
    assert [(row.quantity, row.reasons) for row in rows] == [
        (Decimal("0.125"), None),
        (Decimal(2), None),
        (Decimal("-0.5"), None),
        (None, ["quantity_too_many_decimals"]),
        (Decimal("-1.001"), ["quantity_below_minimum"]),
    ]


def test_what_no_region_is_called_is_the_other_one_where_there_is_one(spark: SparkSession) -> None:
    store = own_store(fields={"region": {"allowed": ["NA", "Урал"], "other": "Rest"}})
    rows = typed(spark, store, *[{"region": text} for text in ("NA", "урал", "rest", "x ", "")])
    assert [(row.region, row.repairs, row.reasons) for row in rows] == [
        ("NA", None, None),
        ("Урал", ["region_case"], None),
        ("Rest", ["region_case"], None),
        ("Rest", ["region_spaces"], None),
        (None, None, ["region_missing"]),
    ]


def test_numbers_and_letters_of_other_kinds_are_not_read_as_ours(spark: SparkSession) -> None:
    quantities = ["２", "٣", "²", "1_0", "+1"]
    ids = ["9007199254740993", "92233720368547758070", "18\u00ad006", "true"]
    assert reasons(
        spark,
        WHOLE_IDS,
        *[{"quantity": text} for text in quantities],
        *[{"sale_id": text} for text in ids],
        {"sale_date": "２０２６-11-01"},
        {"sale_date": AS_OF.isoformat()},
        {"region": "N\u043erth"},
        {"region": "Nor\x00th"},
    ) == [
        *[["quantity_not_an_integer"]] * 5,
        None,
        ["sale_id_above_maximum"],
        *[["sale_id_not_an_integer"]] * 2,
        ["sale_date_malformed"],
        ["sale_date_in_the_future"],
        ["region_unknown"],
        ["region_unknown"],
    ]


def test_returns_and_gifts_are_sales_where_the_store_sets_no_minimum(spark: SparkSession) -> None:
    rows = typed(
        spark,
        OWN,
        {"quantity": "-2", "sale_amount": "-5.10"},
        {"quantity": "0"},
        {"quantity": "120"},
    )
    assert [(row.quantity, row.sale_amount, row.reasons) for row in rows] == [
        (-2, Decimal("-5.10"), None),
        (0, Decimal("19.98"), None),
        (120, Decimal("19.98"), None),
    ]


# Set aside


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path), AS_OF)


def validated(spark: SparkSession, lake: Lake, store: Store, *rows: Any, **more: Any) -> Validated:
    leave_feed(spark, lake, store, *rows, **more)
    return validate.run(spark, lake, Batch(AS_OF, store), Decimal("0.5"))


def test_a_row_set_aside_is_neither_valid_nor_rejected_whatever_it_holds(
    spark: SparkSession, lake: Lake
) -> None:
    rows: Rows = [
        {"set_aside": "cancelled", "quantity": "?"},
        {"set_aside": "cancelled", "problems": ["sale_date_malformed"]},
        {"set_aside": "total row", "sale_id": None},
        {"quantity": "?"},
        {},
    ]
    counts = validated(spark, lake, OWN, *rows)
    assert counts == Validated(
        rows_in=5,
        valid=1,
        rejected=1,
        repaired=0,
        reasons={"quantity_not_an_integer": 1},
        repairs={},
        set_aside=3,
        why_set_aside={"cancelled": 2, "total row": 1},
    )
    report = lake.read_document("validate", "report.json")
    assert report is not None
    assert report["why_set_aside"] == {"cancelled": 2, "total row": 1}
    left = lake.read(spark, lake.dataset("validate", "typed"))
    assert collected(left.where("set_aside IS NOT NULL"), "line", "sale_id", "file") == [
        (2, "2", "a.csv"),
        (3, "3", "a.csv"),
        (4, None, "a.csv"),
    ]


def test_rows_set_aside_neither_raise_nor_lower_the_share_of_rejects(
    spark: SparkSession, lake: Lake
) -> None:
    fee, bad = {"set_aside": "fee"}, {"quantity": "?"}
    assert validated(spark, lake, OWN, *[fee] * 8, bad, {}).rejected == 1
    with pytest.raises(
        FeedError,
        match=r"2 of 3 rows were rejected \(66.7%\).*"
        r"mostly quantity_not_an_integer 2 \(first a.csv, line 10\)\.",
    ):
        validated(spark, lake, OWN, *[fee] * 8, bad, bad, {})


def test_the_most_frequent_whys_are_counted_by_name_and_the_rest_together(
    spark: SparkSession, lake: Lake
) -> None:
    whys = ["often", "often", *(f"at {minute:02}" for minute in range(60))]
    counts = validated(spark, lake, OWN, {}, *[{"set_aside": why} for why in whys])
    assert list(counts.why_set_aside.items())[:2] == [("often", 2), ("at 00", 1)]
    assert len(counts.why_set_aside) == 51
    assert counts.why_set_aside["other"] == 11
    assert sum(counts.why_set_aside.values()) == counts.set_aside == 62


def test_examples_of_rejects_say_where_they_stand_and_show_what_is_invisible(
    spark: SparkSession, lake: Lake
) -> None:
    rows: Rows = [
        {"line": 30, "region": "Nor\x00th", "file_number": 1},
        {"line": 9, "region": "N\u043erth", "file_number": 2},
        {"line": 10, "region": "?\u200b", "file_number": 1},
        {"line": 11, "problems": ["not_json"], "raw": "{\ufeff", "file_number": 1},
        *[{"line": line} for line in range(40, 50)],
    ]
    validated(spark, lake, WHOLE_IDS, *rows)
    report = lake.read_document("validate", "report.json")
    assert report is not None
    shown = [
        (row["file"], row["line"], row["region"]) for row in report["examples"]["region_unknown"]
    ]
    assert shown == [
        ("a.csv", 10, "?⟨U+200B⟩"),
        ("a.csv", 30, "Nor⟨U+0000⟩th"),
        ("b.csv", 9, "N⟨U+043E⟩rth"),
    ]
    assert report["examples"]["not_json"] == [{"file": "a.csv", "line": 11, "raw": "{⟨U+FEFF⟩"}]


# Versions of one sale


def fates_of(
    spark: SparkSession, store: Store, *rows: Mapping[str, Any], partitions: int = 1
) -> tuple[list[Any], list[Any]]:
    """File and line of the clean sales; file, line and fate of repeated ones."""
    batch = Batch(AS_OF, store)
    # Collected, so that they are typed once.
    typed_once = type_rows(exported(spark, store.contract, *rows), batch).toArrow()
    rows_typed = spark.createDataFrame(typed_once).repartition(partitions)
    versions = versions_of_sales(rows_typed, batch)
    found = versions.toArrow()
    versions = spark.createDataFrame(found if found.num_rows else [], versions.schema)
    newest = newest_of_each(rows_typed, versions, store.contract)
    return collected(newest, "file", "line"), collected(versions, "file", "line", "fate")


# From two files: the later corrects the earlier.
CORRECTED: Rows = [
    {"sale_id": "1", "quantity": "2", "line": 2, "file_number": 1},
    {"sale_id": "2", "line": 3, "file_number": 1},
    {"sale_id": "3", "set_aside": "pending", "line": 4, "file_number": 1},
    {"sale_id": "1", "quantity": "1", "line": 2, "file_number": 2},
    {"sale_id": "2", "set_aside": "cancelled", "line": 3, "file_number": 2},
    {"sale_id": "3", "line": 4, "file_number": 2},
    {"sale_id": "4", "line": 5, "file_number": 2},
]


@pytest.mark.parametrize("partitions", [1, 3])
def test_the_newest_file_wins_and_what_is_cancelled_there_is_gone(
    spark: SparkSession, partitions: int
) -> None:
    clean_rows, repeated = fates_of(spark, OWN, *CORRECTED, partitions=partitions)
    assert clean_rows == [("b.csv", 2), ("b.csv", 4), ("b.csv", 5)]
    assert repeated == [
        ("a.csv", 2, "superseded"),
        ("a.csv", 3, "superseded"),
        ("a.csv", 4, "superseded"),
        ("b.csv", 2, "clean"),
        ("b.csv", 3, "set_aside"),
        ("b.csv", 4, "clean"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("9", "10"),
        ("-1", "0.5"),
        ("2026-11-09T10:00:00", "2026-11-12T09:00:00"),
        (None, "1"),
        (None, "2026-11-09"),
    ],
)
def test_a_declared_version_outweighs_the_order_of_files(
    spark: SparkSession, old: str | None, new: str
) -> None:
    rows: Rows = [
        {"sale_id": "1", "quantity": "1", "version": new, "file_number": 1},
        {"sale_id": "1", "quantity": "2", "version": old, "file_number": 2},
    ]
    assert fates_of(spark, OWN, *rows)[0] == [("a.csv", 2)]


def test_copies_of_the_newest_collapse_and_others_are_superseded(spark: SparkSession) -> None:
    rows: Rows = [
        {"sale_id": "1", "customer_id": None, "file_number": 1},
        {"sale_id": "1", "quantity": "9", "file_number": 1},
        {"sale_id": "1", "quantity": "9", "file_number": 2},
        {"sale_id": "1", "customer_id": None, "file_number": 3},
        {"sale_id": "1", "quantity": "?", "file_number": 3},
    ]
    assert fates_of(spark, OWN, *rows) == (
        [("c.csv", 5)],
        [
            ("a.csv", 2, "collapsed"),
            ("a.csv", 3, "superseded"),
            ("b.csv", 4, "superseded"),
            ("c.csv", 5, "clean"),
        ],
    )


def test_fees_of_a_sale_that_is_added_up_do_not_cancel_it(spark: SparkSession) -> None:
    store = own_store(add_up={"by": ["sale_id"]})
    rows: Rows = [
        {"sale_id": "1", "file_number": 1},
        {"sale_id": "1", "set_aside": "fee", "file_number": 1},
        {"sale_id": "1", "set_aside": "fee", "file_number": 2},
    ]
    assert fates_of(spark, store, *rows)[0] == [("a.csv", 2)]


def newest_by_hand(rows: Rows) -> Counter[str]:
    """The rules of versions once more, sale by sale."""
    found: Counter[str] = Counter()
    for sale_id in {row["sale_id"] for row in rows}:
        newest, *older = sorted(
            (row for row in rows if row["sale_id"] == sale_id),
            key=lambda row: (int(row["version"] or -1), row["file_number"], row["line"]),
            reverse=True,
        )
        found["set_aside" if newest["set_aside"] else "clean"] += 1
        for row in older:
            compared = [
                (each["quantity"], each["version"], each["set_aside"]) for each in (row, newest)
            ]
            same = compared[0] == compared[1] and not newest["set_aside"]
            found["collapsed" if same else "superseded"] += 1
    return found


NOT_CLEAN = ("set_aside", "collapsed", "superseded")


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "sale_id": st.sampled_from("12"),
                "quantity": st.sampled_from("12"),
                "version": st.sampled_from([None, "9", "10"]),
                "file_number": st.integers(1, 3),
                "set_aside": st.sampled_from([None, None, "cancelled"]),
            }
        ),
        min_size=1,
        max_size=9,
    ),
    partitions=st.integers(1, 4),
)
@settings(max_examples=8)
def test_each_row_has_the_fate_that_the_rules_give_it(
    spark: SparkSession, rows: Rows, partitions: int
) -> None:
    placed = [{**row, "line": line} for line, row in enumerate(rows, 2)]
    clean_rows, repeated = fates_of(spark, OWN, *placed, partitions=partitions)
    expected = newest_by_hand(placed)
    counted = Counter(fate for _, _, fate in repeated)
    assert len(clean_rows) == expected["clean"]
    assert counted["collapsed"] == expected["collapsed"]
    assert counted["superseded"] == expected["superseded"]
    assert len(clean_rows) + sum(expected[fate] for fate in NOT_CLEAN) == len(rows)
    with working_memory() as database:
        feed = exported(spark, OWN.contract, *placed).toArrow()
        recompute_sales(database, feed, OWN.contract, AS_OF, OfFiles(adds_up=False))
        by_duckdb = counts(database)
    assert {fate: by_duckdb[fate] for fate in ("clean", "collapsed", "superseded")} == {
        fate: expected[fate] for fate in ("clean", "collapsed", "superseded")
    }
    if repeated:
        alone = sum(row["set_aside"] is not None for row in placed) - sum(
            placed[line - 2]["set_aside"] is not None for _, line, _ in repeated
        )
        assert counted["set_aside"] + alone == expected["set_aside"]


def cleaned(
    spark: SparkSession, lake: Lake, store: Store, *rows: Mapping[str, Any], share: str = "0.5"
) -> Cleaned:
    validated(spark, lake, store, *rows)
    return clean.run(spark, lake, Batch(AS_OF, store), Decimal(share))


def test_a_gift_is_a_sale_and_only_what_is_below_nothing_a_return(
    spark: SparkSession, lake: Lake
) -> None:
    given_away = {"sale_id": "2", "quantity": "3", "sale_amount": "0"}
    taken_back = {"sale_id": "3", "quantity": "-2", "sale_amount": "-0.01"}
    counts = cleaned(spark, lake, OWN, {"sale_id": "1"}, given_away, taken_back)
    assert (counts.total_quantity, counts.total_sales_amount) == (5, Decimal("19.98"))
    assert (counts.total_returns, counts.total_returns_amount) == (1, Decimal("0.01"))


def test_the_step_counts_each_fate_and_keeps_file_and_line(spark: SparkSession, lake: Lake) -> None:
    copy = {**CORRECTED[-1], "line": 6}
    counts = cleaned(spark, lake, OWN, *CORRECTED, copy)
    assert counts == Cleaned(
        rows_in=6,
        clean=3,
        collapsed=1,
        conflicting=0,
        total_quantity=5,
        total_sales_amount=Decimal("59.94"),
        superseded=3,
        superseded_set_aside=1,
    )
    left = lake.read(spark, lake.dataset("clean", "clean"))
    assert collected(left, "sale_id", "quantity", "file", "line") == [
        ("1", 1, "b.csv", 2),
        ("3", 2, "b.csv", 4),
        ("4", 2, "b.csv", 6),
    ]


def order(lines: int, **more: Any) -> Rows:
    return [{"sale_id": "536365", "product_id": str(line), **more} for line in range(lines)]


def test_an_orders_number_as_the_sales_id_stops_the_batch_with_the_remedy(
    spark: SparkSession, lake: Lake
) -> None:
    with pytest.raises(
        FeedError,
        match=r"^3 of 5 rows repeat a sale_id of the same file \(60.0%\), more than the 50% "
        r"that VITRINA_MAX_REJECTED_SHARE allows: 536365 is in a.csv 4 times; sale_id is probably "
        r'an order.s number: with place = "order" in \[source.fields.sale_id\]',
    ):
        cleaned(spark, lake, OWN, *order(4), {})
    assert cleaned(spark, lake, OWN, *order(4), {}, share="0.6").superseded == 3


@pytest.mark.parametrize("column", ["file_number", "version"])
def test_a_sale_may_be_in_many_files_and_in_many_versions_of_one(
    spark: SparkSession, lake: Lake, column: str
) -> None:
    places: list[Any] = [1, 2, 3] if column == "file_number" else ["1", "2", "3"]
    rows = [{"sale_id": "1", column: place} for place in places]
    counts = cleaned(spark, lake, OWN, *rows, share="0")
    # Another version is no copy, whatever its fields hold.
    fate = "collapsed" if column == "file_number" else "superseded"
    assert (counts.clean, getattr(counts, fate)) == (1, 2)


def test_a_sale_that_a_fee_of_the_same_file_hides_is_a_repeat(
    spark: SparkSession, lake: Lake
) -> None:
    rows = [row for n in "12" for row in ({"sale_id": n}, {"sale_id": n, "set_aside": "fee"})]
    with pytest.raises(FeedError, match="2 of 3 rows repeat a sale_id"):
        cleaned(spark, lake, OWN, *rows, {})


# The law, in the ledger


FATES = ("rows_in", "clean", "rejected", "set_aside", "collapsed", "superseded")


def loaded(spark: SparkSession, lake: Lake, store: Store, dsn: str, **more: Any) -> Any:
    batch = Batch(lake.as_of, store)
    validate.run(spark, lake, batch, Decimal("0.5"))
    clean.run(spark, lake, batch, Decimal("0.5"))
    with postgres(dsn) as target:
        load.run(lake, target, batch, **more)
        entry = target.newest_load(batch.as_of)
        show(target, batch)
        return entry


def test_every_row_that_came_in_is_in_the_ledger_under_its_fate(
    spark: SparkSession, lake: Lake, database: str
) -> None:
    rows = [*CORRECTED, {**CORRECTED[-1], "line": 6}, {"quantity": "?"}, {"customer_id": None}]
    # Eleven lines: two were added to others, and one row was made of an order's refund.
    leave_feed(spark, lake, OWN, *rows, rows_in=11, refunds=1, added_up=2)
    entry = loaded(spark, lake, OWN, database)
    assert {name: getattr(entry, name) for name in FATES} == {
        "rows_in": 12,
        "clean": 4,
        "rejected": 1,
        "set_aside": 1,
        "collapsed": 3,
        "superseded": 3,
    }
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT sale_id, customer_id FROM vitrina.sale ORDER BY sale_id"
        ).fetchall()
    assert found == [("1", "7"), ("11", None), ("3", "7"), ("4", "7")]


def test_a_row_that_extract_lost_stops_the_load(
    spark: SparkSession, lake: Lake, database: str
) -> None:
    leave_feed(spark, lake, OWN, {}, {}, rows_in=3)
    with pytest.raises(ReconciliationError, match=r"the step extract has 3, clean .* has 2;"):
        loaded(spark, lake, OWN, database)


# Few sales


@pytest.mark.parametrize(
    ("clean_rows", "before", "passes"),
    [
        (1, {}, True),
        (0, {}, False),
        (5, {17: 10}, True),
        (4, {17: 10}, False),
        (5, {10: 100, 17: 10}, True),
        (4, {10: 1, 17: 10}, False),
        (0, {17: 0}, False),
        (1, {17: 0}, True),
        # Another load of the batch itself, and a batch after it, are none before it.
        (1, {24: 100, 25: 100}, True),
    ],
)
def test_a_batch_has_at_least_half_of_the_sales_of_the_batch_before(
    clean_rows: int, before: dict[int, int], passes: bool
) -> None:
    ledger = [ledger_entry(AS_OF.replace(day=day), clean=sales) for day, sales in before.items()]
    entry = ledger_entry(AS_OF, clean=clean_rows)
    if passes:
        require_enough(entry, ledger)
        return
    with pytest.raises(FeedError, match=rf"^batch 2026-11-24 has {clean_rows} sales.*ALLOW_FEW"):
        require_enough(entry, ledger)


def test_few_sales_are_loaded_only_when_told_to(
    spark: SparkSession, tmp_path: Path, database: str
) -> None:
    week_before = AS_OF - datetime.timedelta(7)
    old, new = Lake(str(tmp_path), week_before), Lake(str(tmp_path), AS_OF)
    row = {"sale_date": (week_before - datetime.timedelta(1)).isoformat()}
    leave_feed(spark, old, OWN, *[row] * 5)
    assert loaded(spark, old, OWN, database).clean == 5
    leave_feed(spark, new, OWN, row, row)
    with pytest.raises(
        FeedError, match=r"^batch 2026-11-24 has 2 sales, and batch 2026-11-17 has 5; of 2 rows 0"
    ):
        loaded(spark, new, OWN, database)
    with postgres(database) as store:
        assert [(each.as_of, each.is_current) for each in store.ledger()] == [(week_before, True)]
    for _ in range(2):
        assert loaded(spark, new, OWN, database, allow_few=True).as_of == AS_OF
    # The earlier batch once more: the newer one is none before it.
    assert loaded(spark, old, OWN, database).as_of == week_before


def test_how_few_sales_are_generated_is_nobodys_mistake(tmp_path: Path, database: str) -> None:
    for days, sales in ((7, 5), (0, 0)):
        batch = Batch(AS_OF - datetime.timedelta(days))
        lake = clean_lake(tmp_path, batch, clean_sales(batch, sales))
        with postgres(database) as store:
            load.run(lake, store, batch)
            assert {each.as_of: each.clean for each in store.ledger()}[batch.as_of] == sales
