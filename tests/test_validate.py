"""The rules of validation, each on a row or two."""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.lakes import generated
from tests.rows import AS_OF, BATCH, GOOD, feed, shop
from vitrina import rules
from vitrina.columns import Integer, Numeric
from vitrina.contract import SALES, Contract, Field
from vitrina.counts import Validated
from vitrina.errors import BatchError, FeedError
from vitrina.steps import validate
from vitrina.steps.validate import rejected_rows, type_rows
from vitrina.store import Batch
from vitrina.stores.lake import Lake

INT64 = 2**63 - 1
# An example is a query, so a few with many rows go a long way.
FEW = settings(max_examples=settings().max_examples // 5)


def reasons(spark: SparkSession, *changes: Mapping[str, str | None]) -> list[list[str]]:
    typed = type_rows(feed(spark, *changes), BATCH)
    return [row.reasons or [] for row in typed.collect()]


FIELDS: list[tuple[str, str | None, list[str]]] = [
    ("sale_id", None, ["sale_id_missing"]),
    ("sale_id", "", ["sale_id_missing"]),
    ("sale_id", " \t", ["sale_id_missing"]),
    ("sale_id", "12a", ["sale_id_not_an_integer"]),
    ("sale_id", "1.0", ["sale_id_not_an_integer"]),
    ("sale_id", "1e3", ["sale_id_not_an_integer"]),
    ("sale_id", "+5", ["sale_id_not_an_integer"]),
    ("sale_id", "1 2", ["sale_id_not_an_integer"]),
    ("sale_id", "٣", ["sale_id_not_an_integer"]),
    ("sale_id", "0", ["sale_id_below_minimum"]),
    ("sale_id", "1", []),
    ("sale_id", str(INT64), []),
    ("sale_id", str(INT64 + 1), ["sale_id_above_maximum"]),
    ("sale_id", "-" + "9" * 40, ["sale_id_below_minimum"]),
    ("customer_id", "2147483647", []),
    ("customer_id", "2147483648", ["customer_id_above_maximum"]),
    ("product_id", "-1", ["product_id_below_minimum"]),
    ("quantity", "0", ["quantity_below_minimum"]),
    ("quantity", "-3", ["quantity_below_minimum"]),
    ("quantity", "10", []),
    ("quantity", "0010", []),
    ("quantity", "11", ["quantity_above_maximum"]),
    ("quantity", "two", ["quantity_not_an_integer"]),
    ("sale_date", "23.11.2026", ["sale_date_malformed"]),
    ("sale_date", "2026-11-23T00:00", ["sale_date_malformed"]),
    ("sale_date", "2026-1-23", ["sale_date_malformed"]),
    ("sale_date", "2026-02-29", ["sale_date_impossible"]),
    ("sale_date", "2026-13-01", ["sale_date_impossible"]),
    ("sale_date", "2026-04-31", ["sale_date_impossible"]),
    ("sale_date", "0000-01-01", ["sale_date_impossible"]),
    ("sale_date", "0001-01-01", ["sale_date_before_the_window"]),
    ("sale_date", "9999-12-31", ["sale_date_in_the_future"]),
    ("sale_date", "2026-11-24", ["sale_date_in_the_future"]),
    ("sale_date", "2026-11-23", []),
    ("sale_date", "2025-11-24", []),
    ("sale_date", "2025-11-23", ["sale_date_before_the_window"]),
    ("sale_amount", "12,50", ["sale_amount_not_a_number"]),
    ("sale_amount", "1e2", ["sale_amount_not_a_number"]),
    ("sale_amount", "12.", ["sale_amount_not_a_number"]),
    ("sale_amount", ".5", ["sale_amount_not_a_number"]),
    ("sale_amount", "NaN", ["sale_amount_not_a_number"]),
    ("sale_amount", "12", []),
    ("sale_amount", "12.5", []),
    ("sale_amount", "12.345", ["sale_amount_too_many_decimals"]),
    ("sale_amount", "12.500", ["sale_amount_too_many_decimals"]),
    ("sale_amount", "0.01", []),
    ("sale_amount", "0", ["sale_amount_below_minimum"]),
    ("sale_amount", "0.00", ["sale_amount_below_minimum"]),
    ("sale_amount", "-12.00", ["sale_amount_below_minimum"]),
    ("sale_amount", "0.009", ["sale_amount_too_many_decimals", "sale_amount_below_minimum"]),
    ("sale_amount", "-1.555", ["sale_amount_too_many_decimals", "sale_amount_below_minimum"]),
    ("sale_amount", "9999999999.99", []),
    ("sale_amount", "9999999999.999", ["sale_amount_too_many_decimals"]),
    ("sale_amount", "10000000000.00", ["sale_amount_above_maximum"]),
    ("sale_amount", "9" * 60 + ".99", ["sale_amount_above_maximum"]),
    ("region", "Nord", ["region_unknown"]),
    ("region", "No rth", ["region_unknown"]),
    ("region", "nORTH", []),
    ("region", "\u00a0West\r", []),
]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[tuple[str, str | None], list[str]]:
    """The reasons for which each field of `FIELDS` is rejected, each in a row of its own."""
    changes = [{field: text} for field, text, _ in FIELDS]
    places = [(field, text) for field, text, _ in FIELDS]
    return dict(zip(places, reasons(spark, *changes), strict=True))


@pytest.mark.parametrize(("field", "text", "expected"), FIELDS)
def test_a_field_is_rejected_for_exactly_the_reasons_that_apply(
    found: dict[tuple[str, str | None], list[str]],
    field: str,
    text: str | None,
    expected: list[str],
) -> None:
    assert found[field, text] == expected


def test_a_row_is_rejected_with_all_its_reasons(spark: SparkSession) -> None:
    bad: dict[str, str | None] = {"quantity": "11", "sale_amount": "-1.555", "region": None}
    assert reasons(spark, bad) == [
        [
            "quantity_above_maximum",
            "sale_amount_too_many_decimals",
            "sale_amount_below_minimum",
            "region_missing",
        ]
    ]


def test_a_valid_row_gets_its_types(spark: SparkSession) -> None:
    row = type_rows(feed(spark, {}), BATCH).collect()[0]
    assert tuple(row[name] for name in SALES.names) == (
        1,
        7,
        3,
        2,
        datetime.date(2026, 11, 23),
        Decimal("19.98"),
        "North",
    )
    assert row.reasons is None
    assert row.repairs is None


def test_case_and_spaces_are_repaired_and_named(spark: SparkSession) -> None:
    rows = type_rows(
        feed(spark, {"region": " sOUTH"}, {"region": "WEST"}, {"quantity": "3 "}), BATCH
    ).collect()
    assert [(row.region, row.quantity, row.repairs) for row in rows] == [
        ("South", 2, ["region_spaces", "region_case"]),
        ("West", 2, ["region_case"]),
        ("North", 3, ["quantity_spaces"]),
    ]


def test_a_rejected_row_keeps_its_raw_text_and_counts_no_repair(spark: SparkSession) -> None:
    bad = {"sale_id": " x ", "region": "north "}
    typed = type_rows(feed(spark, bad, {}), BATCH)
    assert [row.repairs for row in typed.collect()] == [None, None]
    rejected = rejected_rows(typed, SALES).collect()
    assert [row.asDict() for row in rejected] == [
        {**GOOD, **bad, "reasons": ["sale_id_not_an_integer"]}
    ]


@FEW
@given(
    texts=st.lists(
        st.text(alphabet="0123456789-+.eE ,", max_size=14)
        | st.decimals(-1, 10**11, places=2).map(str),
        min_size=20,
        max_size=60,
    )
)
def test_an_amount_is_read_as_python_reads_it_or_not_at_all(
    spark: SparkSession, texts: list[str]
) -> None:
    rows = type_rows(feed(spark, *({"sale_amount": text} for text in texts)), BATCH).collect()
    for text, row in zip(texts, rows, strict=True):
        if row.sale_amount is None:
            assert row.reasons, text
        else:
            exact = Decimal(text.strip())
            assert row.sale_amount == exact
            assert bool(row.reasons) == (not Decimal("0.01") <= exact <= Decimal("9999999999.99"))


@FEW
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(SALES.names),
            st.none()
            | st.text(alphabet="0123456789-.: Northe\t", max_size=24)
            | st.integers().map(str),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_a_row_has_a_reason_against_it_or_a_value_in_every_field(
    spark: SparkSession, changes: list[tuple[str, str | None]]
) -> None:
    rows = type_rows(feed(spark, *({field: text} for field, text in changes)), BATCH).collect()
    for (field, text), row in zip(changes, rows, strict=True):
        if row.reasons is None:
            assert None not in [row[name] for name in SALES.names]
            assert row[f"raw_{field}"] is None
        else:
            assert row.reasons
            assert all(reason.startswith(f"{field}_") for reason in row.reasons)
            assert row[f"raw_{field}"] == text


def test_an_amount_without_decimals_has_them_cut_off_before_its_limits(
    spark: SparkSession,
) -> None:
    whole = replace(SALES["sale_amount"], type=Numeric(9, 0), minimum=1, maximum=99)
    fields = tuple(whole if f.name == "sale_amount" else f for f in SALES.fields)
    changes = [{"sale_amount": text} for text in ("99", "99.0", "100.9")]
    rows = type_rows(feed(spark, *changes), Batch(AS_OF, shop(Contract(fields))))
    assert [row.reasons or [] for row in rows.collect()] == [
        [],
        ["sale_amount_too_many_decimals"],
        ["sale_amount_too_many_decimals", "sale_amount_above_maximum"],
    ]


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        (Numeric(18, 2), ["9999999999999999.99", "-9999999999999999.99", "-0.05", "-0.5", "-5"]),
        (Numeric(30, 2), ["1234567890123456789012345678.91", "-0.05", "7.00", "7"]),
        (Numeric(18, 18), ["0.123456789012345678", "-0.000000000000000001", "0.5"]),
    ],
)
def test_an_amount_keeps_its_sign_and_every_digit(
    spark: SparkSession, type_: Numeric, texts: list[str]
) -> None:
    amount = replace(SALES["sale_amount"], type=type_, minimum=None, maximum=None)
    own = Contract(tuple(amount if f.name == "sale_amount" else f for f in SALES.fields))
    rows = type_rows(
        feed(spark, *({"sale_amount": text} for text in texts)), Batch(AS_OF, shop(own))
    )
    assert [row.sale_amount for row in rows.collect()] == [Decimal(text) for text in texts]


def test_a_real_date_is_valid_inside_the_window_alone(spark: SparkSession) -> None:
    first = datetime.date(2024, 1, 1)
    # Every day of five years.
    days = [first + datetime.timedelta(days=n) for n in range(5 * 365 + 2)]
    found = reasons(spark, *({"sale_date": day.isoformat()} for day in days))
    for day, of_day in zip(days, found, strict=True):
        expected = (
            ["sale_date_in_the_future"]
            if day >= AS_OF
            else ["sale_date_before_the_window"]
            if day < AS_OF - datetime.timedelta(days=365)
            else []
        )
        assert of_day == expected, day


def test_a_contract_of_ones_own_is_all_that_has_to_change(spark: SparkSession) -> None:
    amount = replace(SALES["sale_amount"], type=Numeric(9, 3), maximum=Decimal("500.000"))
    own = Contract(
        fields=(
            *[SALES[name] for name in SALES.names[:3]],
            replace(SALES["quantity"], maximum=99),
            SALES["sale_date"],
            amount,
            replace(SALES["region"], allowed=("Урал", "Сибирь")),
            Field("shop_id", Integer(32), "Where it was bought", minimum=100, maximum=200),
        ),
        days=7,
    )
    rows = [
        {"quantity": "99", "sale_amount": "1.125", "region": "урал", "shop_id": "100"},
        {"quantity": "100", "sale_amount": "500.001", "region": "North", "shop_id": "99"},
        {"sale_date": "2026-11-16", "region": "Сибирь", "shop_id": "200"},
    ]
    typed = type_rows(feed(spark, *rows, contract=own), Batch(AS_OF, shop(own))).collect()
    assert (typed[0].sale_amount, typed[0].region) == (Decimal("1.125"), "Урал")
    assert [row.reasons for row in typed] == [
        None,
        [
            "quantity_above_maximum",
            "sale_amount_above_maximum",
            "region_unknown",
            "shop_id_below_minimum",
        ],
        ["sale_date_before_the_window"],
    ]


def test_the_reasons_that_can_be_given_are_those_that_are_declared(spark: SparkSession) -> None:
    integers = ("sale_id", "customer_id", "product_id", "quantity")
    wrong: list[dict[str, str | None]] = [
        dict.fromkeys(SALES.names),
        dict.fromkeys(SALES.names, "x"),
        {**dict.fromkeys(integers, "0"), "sale_amount": "0.001", "sale_date": "2026-02-30"},
        {**dict.fromkeys((*integers, "sale_amount"), "9" * 20), "sale_date": "2026-11-24"},
        {"sale_date": "2025-11-23"},
    ]
    found = {reason for row in reasons(spark, *wrong) for reason in row}
    assert found == {*rules.reasons(SALES)} - {*rules.RowRule, rules.CONFLICTING_DUPLICATE}


def leave_feed(spark: SparkSession, lake: Lake, *changes: Mapping[str, str | None]) -> None:
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, *changes), "csv")
        left.counts = generated(len(changes)).document()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "озеро с пробелом"), AS_OF)


def run(spark: SparkSession, lake: Lake, share: str = "1") -> Validated:
    return validate.run(spark, lake, BATCH, Decimal(share))


def test_the_report_counts_rows_and_reasons_and_shows_five_examples(
    spark: SparkSession, lake: Lake
) -> None:
    many = [{"sale_id": str(n), "quantity": "0"} for n in range(1, 8)]
    both = {"sale_id": "9", "quantity": "0", "region": None}
    leave_feed(spark, lake, *many, both, {}, {"region": "east"})
    counts = run(spark, lake)
    assert counts == Validated(
        rows_in=10,
        valid=2,
        rejected=8,
        repaired=1,
        reasons={"quantity_below_minimum": 8, "region_missing": 1},
        repairs={"region_case": 1},
    )
    report = lake.read_document("validate", "report.json")
    assert report is not None
    examples = report.pop("examples")
    assert report == counts.document() == lake.result("validate")["counts"]
    assert [row["sale_id"] for row in examples["quantity_below_minimum"]] == list("12345")
    assert examples["region_missing"] == [{**GOOD, **both}]


def test_what_is_counted_comes_most_frequent_first_then_by_name(
    spark: SparkSession, lake: Lake
) -> None:
    leave_feed(spark, lake, {"region": "?"}, {"quantity": "0"}, {"sale_id": None}, {"sale_id": ""})
    assert list(run(spark, lake).reasons.items()) == [
        ("sale_id_missing", 2),
        ("quantity_below_minimum", 1),
        ("region_unknown", 1),
    ]


def test_spaces_quotes_and_commas_come_through_the_feed_as_they_are(
    spark: SparkSession, lake: Lake
) -> None:
    odd = ' a,"b" ; \\ '
    leave_feed(spark, lake, {"region": odd}, {"region": " North "}, {"region": None})
    run(spark, lake)
    rejects = lake.read(spark, lake.dataset("validate", "rejects")).collect()
    assert {row.region for row in rejects} == {odd, None}


def test_too_many_rejects_stop_the_batch_and_name_the_dominant_reasons(
    spark: SparkSession, lake: Lake
) -> None:
    leave_feed(spark, lake, {}, {"quantity": "0"}, {"quantity": "0"}, {"region": "?"})
    with pytest.raises(FeedError, match=r"3 of 4 rows were rejected \(75.0%\).*74.*") as refused:
        run(spark, lake, "0.74")
    assert "quantity_below_minimum 2, region_unknown 1" in str(refused.value)
    assert "report.json" in str(refused.value)
    assert lake.read_document("validate", "report.json") is not None
    with pytest.raises(BatchError, match="run: vitrina validate --as-of 2026-11-24"):
        lake.result("validate")
    assert run(spark, lake, "0.75").rejected == 3


def test_an_empty_feed_is_refused(spark: SparkSession, lake: Lake) -> None:
    leave_feed(spark, lake)
    with pytest.raises(FeedError, match="no rows"):
        run(spark, lake)
