"""The generated feed: the same everywhere, believable, and dirty exactly as it says.

The sample is the same at every run, so a test here passes always or never. A hypothesis is
rejected below 1 in 10,000; each is tested beside one that is slightly off and must fail.
"""

import datetime
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.rows import shop
from vitrina import columns
from vitrina.contract import SALES, Contract, Field
from vitrina.errors import SettingsError
from vitrina.generator import defects, retail
from vitrina.generator.draw import shuffled
from vitrina.generator.feed import count_defects, defect_shares, make_feed, truth
from vitrina.generator.recipe import Dirt, Recipe
from vitrina.rules import CONFLICTING_DUPLICATE
from vitrina.steps import generate
from vitrina.steps.validate import type_rows
from vitrina.store import Batch
from vitrina.stores.lake import Lake

# Every worker loads every module, and scipy takes two seconds: it is loaded where it is used.

AS_OF = datetime.date(2026, 11, 24)
BATCH = Batch(AS_OF)
CLEAN = Dirt(Decimal(0), Decimal(0), Decimal(0))
FILTHY = Dirt(Decimal("0.4"), Decimal("0.3"), Decimal("0.2"))
ALPHA = 1e-4
SAMPLE = 288_000  # 24 customers in each class: an even number, so that shared bits would show

Floats = npt.NDArray[np.float64]
Outcome = tuple[str, tuple[str, ...], tuple[str, ...]]


def changed(**changes: dict[str, Any]) -> tuple[Field, ...]:
    """The fields of a sale, some with other limits."""
    return tuple(replace(field, **changes.get(field.name, {})) for field in SALES.fields)


OTHER = Contract(
    (
        *changed(
            region={"allowed": ("Москва", "Урал", "Сибирь", "Юг", "KAZAN", "Крым")},
            quantity={"maximum": 5},
            sale_id={"minimum": 1_000},
            sale_amount={"type": columns.Numeric(14, 3), "minimum": Decimal("1.5")},
        ),
        Field("till", columns.Integer(32), "Where it was paid", minimum=-3, maximum=9),
        Field("tip", columns.Numeric(8, 2), "Given", minimum=Decimal("-1.50"), maximum=Decimal(20)),
        Field("paid_by", columns.Label(), "How", allowed=("card", "cash")),
        Field("shipped_on", columns.Date(), "When"),
    ),
    days=90,
)
OTHER_BATCH = Batch(datetime.date(2024, 2, 29), shop(OTHER))


def rows(
    spark: SparkSession, batch: Batch, recipe: Recipe, partitions: int | None = None
) -> list[tuple[str | None, ...]]:
    """The feed in the order of its text, `defect` last."""
    found = make_feed(spark, batch, recipe, partitions)
    names = [*batch.contract.names, "defect"]
    texts = [tuple(row[name] for name in names) for row in found.toArrow().to_pylist()]
    return sorted(texts, key=repr)


def judge(spark: SparkSession, feed: DataFrame, batch: Batch) -> DataFrame:
    """What validation makes of a feed; `defect`, or "none", stays beside each row."""
    contract = batch.contract
    names = [name for name, _ in defect_shares(batch, FILTHY)]
    tag = Field("defect", columns.Label(), "What was done to it", allowed=("none", *names))
    tagged = feed.withColumn("defect", F.coalesce("defect", F.lit("none")))
    # Through Arrow, as the steps go through files: in one plan, what makes a field is worked
    # out anew wherever validation names it.
    stored = spark.createDataFrame(tagged.toArrow())
    return type_rows(
        stored, Batch(batch.as_of, shop(replace(contract, fields=(*contract.fields, tag))))
    )


def outcomes(judged: DataFrame) -> Counter[Outcome]:
    """How many rows had which defect, and were given which reasons and repairs."""
    found = judged.select("defect", "reasons", "repairs").toArrow().to_pylist()
    return Counter(
        (row["defect"], tuple(row["reasons"] or ()), tuple(row["repairs"] or ())) for row in found
    )


def expected_outcomes(planted: dict[str, Any]) -> Counter[Outcome]:
    """The one reason or the one repair that `truth.json` promises for each row."""
    expected: Counter[Outcome] = Counter()
    for name, each in planted["defects"].items():
        if name.endswith("_copy"):
            expected[name, (), ()] = each["rows"]
        elif name.endswith(("_spaces", "_case")):
            expected[name, (), (each["found_as"],)] = each["rows"]
        else:
            expected[name, (each["found_as"],), ()] = each["rows"]
    expected["none", (), ()] = planted["feed_rows"] - expected.total()
    return +expected


# The same everywhere


@pytest.mark.parametrize("batch", [BATCH, OTHER_BATCH], ids=["ours", "another contract"])
def test_the_rows_depend_on_neither_partitions_nor_the_run(
    spark: SparkSession, batch: Batch
) -> None:
    recipe = Recipe(2_000, dirt=FILTHY)
    once = rows(spark, batch, recipe, 1)
    assert len(once) > 2_300
    for partitions in (2, 7, None):
        assert rows(spark, batch, recipe, partitions) == once


FIRST_ROWS = [
    ("1", "1", "1618", "1", "2026-02-07", "32.93", "North", None),
    ("2", "1", "1694", "1", "2025-11-25", "19.13", "North", None),
    ("3", "1", "1350", "2", "2026-06-14", "60.60", "West", None),
    ("4", "1", "1350", "4", "2026-11-22", "121.20", "North", None),
    ("5", "1", "607", "1", "2026-01-19", "26.38", "North", None),
]
DIGEST = "4109c16beaf1b165f713a555e5141ea03d0478d1a4a5f693fa46eb63019f612f"


def test_a_batch_stays_what_it_is_on_any_engine(spark: SparkSession) -> None:
    assert rows(spark, BATCH, Recipe(5, dirt=CLEAN)) == FIRST_ROWS
    everything = repr(rows(spark, OTHER_BATCH, Recipe(1_000, 7, FILTHY)))
    assert hashlib.sha256(everything.encode()).hexdigest() == DIGEST


def test_another_seed_makes_another_shop(spark: SparkSession) -> None:
    ours, other = (typed(spark, BATCH, Recipe(5_000, seed, CLEAN)) for seed in (42, 43))
    assert_drawn_anew(ours, other)
    homes = [each.drop_duplicates("customer_id").set_index("customer_id") for each in (ours, other)]
    assert homes[0]["region"].eq(homes[1]["region"]).mean() < 0.5
    prices = [each.groupby("product_id")["price"].max() for each in (ours, other)]
    assert prices[0].eq(prices[1]).mean() < 0.1


def test_another_date_makes_other_sales_in_the_same_shop(
    sample: pd.DataFrame, a_week_later: pd.DataFrame, homes: "pd.Series[str]"
) -> None:
    assert_drawn_anew(sample, a_week_later)
    ours, later = (
        each.groupby(["product_id", "week"])["price"].agg(["min", "max"])
        for each in (sample, a_week_later)
    )
    both = ours.join(later, rsuffix="_later", how="inner")
    assert len(both) > 1_000
    assert (both.max(axis="columns") == both.min(axis="columns")).all()
    homes_later = regulars(a_week_later)
    shared = homes.index.intersection(homes_later.index)
    assert len(shared) > 1_000
    assert (homes[shared] == homes_later[shared]).mean() > 0.999


def assert_drawn_anew(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Sales of the same number have no more in common than chance gives."""
    ours, others = one.set_index("sale_id"), other.set_index("sale_id")
    for name, common in (("customer_id", 0.01), ("product_id", 0.05), ("day", 0.01)):
        assert ours[name].eq(others[name]).mean() < common, name
    assert ours["quantity"].eq(others["quantity"]).mean() < 0.5


# Believable


@pytest.fixture(scope="module")
def sample(spark: SparkSession) -> pd.DataFrame:
    return typed(spark, BATCH, Recipe(SAMPLE, dirt=CLEAN))


@pytest.fixture(scope="module")
def a_week_later(spark: SparkSession) -> pd.DataFrame:
    batch = Batch(AS_OF + datetime.timedelta(7))
    return typed(spark, batch, Recipe(SAMPLE, dirt=CLEAN))


def typed(spark: SparkSession, batch: Batch, recipe: Recipe) -> pd.DataFrame:
    """A clean feed in numbers, money in cents; days count from 0, a week is its Monday."""
    texts: pd.DataFrame = make_feed(spark, batch, recipe).toArrow().to_pandas()
    found = texts[["sale_date", "region"]].copy()
    for name in ("sale_id", "customer_id", "product_id", "quantity"):
        found[name] = texts[name].astype("int64")
    found["cents"] = texts["sale_amount"].str.replace(".", "").astype("int64")
    dates = pd.to_datetime(found["sale_date"])
    found["day"] = (dates - pd.Timestamp(batch.first_day)).dt.days
    found["weekday"] = dates.dt.weekday
    found["week"] = dates - pd.to_timedelta(found["weekday"], unit="D")
    found["price"] = found["cents"] // found["quantity"]
    return found


@pytest.fixture(scope="module")
def homes(sample: pd.DataFrame) -> "pd.Series[str]":
    return regulars(sample)


def regulars(sales: pd.DataFrame) -> "pd.Series[str]":
    """The region where each customer with ten sales or more bought most."""
    visits = sales.value_counts(["customer_id", "region"]).reset_index()
    visits["sales"] = visits.groupby("customer_id")["count"].transform("sum")
    most = visits[visits["sales"] >= 10].drop_duplicates("customer_id")
    home: pd.Series[str] = most.set_index("customer_id")["region"]
    return home


def fits(counts: npt.ArrayLike, weights: npt.ArrayLike) -> bool:
    """Whether these counts may come from a distribution with these weights (chi-square)."""
    from scipy import stats

    found, odds = np.asarray(counts, dtype=float), np.asarray(weights, dtype=float)
    expected = odds / odds.sum() * found.sum()
    # The approximation asks for 5 a cell: the rarest are taken together.
    order = np.argsort(-expected)
    found, expected = found[order], expected[order]
    enough = int(np.argmax(np.append(expected < 5, True)))
    if enough < len(expected):
        found = np.append(found[: enough - 1], found[enough - 1 :].sum())
        expected = np.append(expected[: enough - 1], expected[enough - 1 :].sum())
    return bool(stats.chisquare(found, expected).pvalue > ALPHA)


def is_share(part: int, whole: int, share: float) -> bool:
    from scipy import stats

    return bool(stats.binomtest(part, whole, share).pvalue > ALPHA)


def counts(values: "pd.Series[int]", size: int) -> Floats:
    return np.bincount(values.to_numpy(), minlength=size).astype(float)


def test_quantities_are_geometric_and_mostly_one_to_three(sample: pd.DataFrame) -> None:
    found = counts(sample["quantity"] - 1, 10)
    assert fits(found, 0.4 ** np.arange(10))
    assert not fits(found, 0.41 ** np.arange(10))
    assert 0.93 < found[:3].sum() / SAMPLE < 0.94
    assert sample["quantity"].between(1, 10).all()


def test_sales_follow_the_rhythm_of_the_year(sample: pd.DataFrame) -> None:
    found = counts(sample["day"], 365)
    weights = np.array(retail.day_weights(BATCH.first_day, 365), dtype=float)
    assert fits(found, weights)
    days = pd.date_range(BATCH.first_day, periods=365)
    weekday = np.array(retail.WEEKDAYS)[days.weekday]
    assert not fits(found, weights / weekday)
    assert not fits(found, weights / (1 + np.arange(365) / 3650))
    assert not fits(found, weights / np.array(retail.MONTHS)[days.month - 1])


@pytest.mark.parametrize(
    ("day", "times"),
    [
        (datetime.date(2025, 11, 28), 1.2),
        (datetime.date(2026, 11, 11), 1.5),
        (datetime.date(2026, 3, 7), 1.25),
        (datetime.date(2026, 2, 22), 1.2),
        (datetime.date(2025, 12, 29), 1.25),
        (datetime.date(2026, 1, 1), 0.05),
    ],
)
def test_a_special_day_stands_out(sample: pd.DataFrame, day: datetime.date, times: float) -> None:
    weights = retail.day_weights(BATCH.first_day, 365)
    number = (day - BATCH.first_day).days
    found, share = int((sample["day"] == number).sum()), weights[number] / sum(weights)
    assert is_share(found, SAMPLE, share)
    assert not is_share(found, SAMPLE, share / times)


def test_weekdays_keep_their_published_index(sample: pd.DataFrame) -> None:
    # Weeks in which nothing else happens: June, and half of July.
    quiet = sample[sample["sale_date"].between("2026-06-01", "2026-07-12")]
    found = counts(quiet["weekday"], 7)
    assert fits(found, [1.10, 1.02, 1.04, 1.02, 0.96, 0.89, 0.98])
    assert not fits(found, [1.10, 1.02, 1.04, 1.02, 0.96, 0.98, 0.89])


def test_a_fifth_of_the_customers_hold_most_sales(sample: pd.DataFrame) -> None:
    customers = SAMPLE // 12
    by_customer = sample.groupby("customer_id")["cents"].agg(["size", "sum"])
    for measure in ("size", "sum"):
        largest = by_customer[measure].sort_values(ascending=False)
        for fifth in (customers // 5, len(by_customer) // 5):
            assert 0.60 < largest.iloc[:fifth].sum() / largest.sum() < 0.73


def test_customers_are_active_log_normally(sample: pd.DataFrame) -> None:
    """Customers come in 1,000 classes of equal size, each a quantile of activity."""
    from scipy import stats

    number = sample["customer_id"] - 1
    of_class = shuffled(1_000, "42", "customers")
    found = counts(number % 1_000, 1_000)[of_class]
    quantiles = stats.norm.ppf((np.arange(1_000) + 0.5) / 1_000)
    assert fits(found, np.exp(1.28 * quantiles))
    assert not fits(found, np.exp(1.24 * quantiles))
    assert fits(counts(number // 1_000, SAMPLE // 12_000), np.ones(SAMPLE // 12_000))


def test_customers_live_in_regions_of_different_size(homes: "pd.Series[str]") -> None:
    found = homes.value_counts()[list(SALES.regions)].to_numpy()
    assert fits(found, 0.7 ** np.arange(4))
    assert not fits(found, 0.62 ** np.arange(4))


def test_customers_shop_at_home_almost_always(
    sample: pd.DataFrame, homes: "pd.Series[str]"
) -> None:
    theirs = sample[sample["customer_id"].isin(homes.index)]
    home = theirs["customer_id"].map(homes)
    at_home = int((theirs["region"] == home).sum())
    assert is_share(at_home, len(theirs), 0.97)
    assert not is_share(at_home, len(theirs), 0.966)
    away = theirs[theirs["region"] != home]
    elsewhere = away.loc[away["customer_id"].map(homes) == "North", "region"].value_counts()
    assert fits(elsewhere.to_numpy(), [1, 1, 1])


def test_popularity_is_heavy_tailed(sample: pd.DataFrame) -> None:
    from scipy import stats

    product_at = np.array(shuffled(2_000, "42", "products"))
    found = counts(sample["product_id"] - 1, 2_000)[product_at]
    rank = np.arange(1, 2_001)
    assert fits(found, np.where(rank <= 200, 1 / rank, 200**0.5 / rank**1.5))
    assert not fits(found, 1 / rank)
    assert not fits(found, np.where(rank <= 200, 1 / rank, 200**0.4 / rank**1.4))
    assert abs(stats.spearmanr(product_at, rank).statistic) < 0.1


def test_prices_are_log_normal_whatever_the_popularity(sample: pd.DataFrame) -> None:
    from scipy import stats

    listed = sample.groupby("product_id")["price"].agg(["max", "size"])
    # What was bought less often may have been so at a discount only.
    known = listed[listed["size"] >= 5]
    assert len(known) > 1_800
    prices = known["max"] / 100

    def fitting(median: float, sigma: float) -> bool:
        return bool(stats.kstest(prices, stats.lognorm(sigma, scale=median).cdf).pvalue > ALPHA)

    assert fitting(20, 0.9)
    assert not fitting(20, 1.2)
    assert not fitting(20, 0.7)
    assert not fitting(23, 0.9)
    assert abs(stats.spearmanr(known["max"], known["size"]).statistic) < 0.1


def test_a_product_has_one_price_a_week_and_seldom_a_discount(sample: pd.DataFrame) -> None:
    weekly = sample.groupby(["product_id", "week"])["price"]
    assert (weekly.min() == weekly.max()).all()
    assert (sample["cents"] == sample["price"] * sample["quantity"]).all()
    paid = weekly.first().reset_index()
    paid["weeks"] = paid.groupby("product_id")["week"].transform("size")
    paid["listed"] = paid.groupby("product_id")["price"].transform("max")
    known = paid[paid["weeks"] >= 10]
    percent = (100 * known["price"] / known["listed"] / 10).round().astype(int) * 10
    found = percent.value_counts()[[100, 90, 80, 70]].to_numpy()
    assert found.sum() == len(known)
    assert fits(found, [92, 8 / 3, 8 / 3, 8 / 3])
    assert not fits(found, [91, 9 / 3, 9 / 3, 9 / 3])
    half_up = (known["listed"] * percent + 50) // 100
    assert (known["price"] == half_up).all()


@pytest.mark.parametrize(
    ("one", "other"),
    list(combinations(["quantity", "weekday", "best_seller", "active", "seat", "region"], 2)),
)
def test_what_is_drawn_apart_is_independent(sample: pd.DataFrame, one: str, other: str) -> None:
    from scipy import stats

    # One customer's sales are no independent draws of a region: one sale of each.
    drawn = sample.drop_duplicates("customer_id") if "region" in (one, other) else sample
    number = drawn["customer_id"] - 1
    of_class = shuffled(1_000, "42", "customers")
    drawn = drawn.assign(
        quantity=drawn["quantity"].clip(upper=5),
        best_seller=drawn["product_id"].isin(drawn["product_id"].value_counts().index[:50]),
        active=(number % 1_000).isin(of_class[-100:]),
        seat=number // 1_000,
    )
    assert stats.chi2_contingency(pd.crosstab(drawn[one], drawn[other])).pvalue > ALPHA


# Dirty as it says


def test_every_defect_is_planted_as_often_as_stated(spark: SparkSession) -> None:
    recipe = Recipe(1_000_000)
    planted = truth(BATCH, recipe, count_defects(spark, BATCH, recipe))
    assert is_share(planted["rejected"], recipe.rows, 0.005)
    assert is_share(planted["repaired"], recipe.rows, 0.001)
    copies = planted["collapsed"] + planted["conflicting"]
    assert is_share(copies, recipe.rows, 0.0005)
    assert planted["feed_rows"] == recipe.rows + copies
    by_kind = {name: each["rows"] for name, each in planted["defects"].items()}
    assert set(by_kind) == DEFECTS
    assert all(by_kind.values())
    # 13 kinds of bad rows, each as likely, whichever field it is in.
    missing = sum(n for name, n in by_kind.items() if name.endswith("_missing"))
    not_numbers = sum(n for name, n in by_kind.items() if "_not_a" in name)
    alone = [by_kind[name] for name in sorted(ALONE)]
    assert len(alone) == 11
    assert fits([missing, not_numbers, *alone], np.ones(13))


ALONE = {
    "sale_date_malformed",
    "sale_date_impossible",
    "sale_date_in_the_future",
    "sale_date_before_the_window",
    "region_unknown",
    "quantity_zero",
    "quantity_negative",
    "quantity_too_large",
    "sale_amount_zero",
    "sale_amount_negative",
    "sale_amount_too_many_decimals",
}
DEFECTS = {
    *ALONE,
    *[f"{name}_missing" for name in SALES.names],
    *[f"{name}_spaces" for name in SALES.names],
    *[f"{name}_not_an_integer" for name in ("sale_id", "customer_id", "product_id", "quantity")],
    "sale_amount_not_a_number",
    "region_case",
    "exact_copy",
    "conflicting_copy",
}


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({}, set()),
        ({"quantity": {"minimum": 0}}, {"quantity_zero"}),
        ({"quantity": {"minimum": None}}, {"quantity_zero", "quantity_negative"}),
        ({"quantity": {"minimum": -2}}, {"quantity_zero", "quantity_negative"}),
        ({"quantity": {"maximum": None}}, {"quantity_too_large"}),
        ({"quantity": {"maximum": 1}}, {"conflicting_copy"}),
        ({"quantity": {"type": columns.Integer(64), "maximum": 2**63 - 1}}, {"quantity_too_large"}),
        ({"quantity": {"type": columns.Integer(64), "maximum": 2**63 - 91}}, set()),
        ({"sale_amount": {"minimum": Decimal(0)}}, {"sale_amount_zero"}),
        ({"sale_amount": {"minimum": None}}, {"sale_amount_zero", "sale_amount_negative"}),
        ({"sale_amount": {"minimum": Decimal(-2)}}, {"sale_amount_zero", "sale_amount_negative"}),
        ({"region": {"allowed": ("1", "2")}}, {"region_case"}),
        ({"region": {"allowed": ("Straße", "Nord")}}, {"region_case"}),
        ({"region": {"allowed": defects.UNKNOWN_PLACES}}, {"region_case", "region_unknown"}),
    ],
)
def test_what_a_contract_allows_is_no_defect(
    changes: dict[str, dict[str, Any]], left_out: set[str]
) -> None:
    shares = dict(defect_shares(Batch(AS_OF, shop(Contract(changed(**changes)))), FILTHY))
    assert set(shares) == DEFECTS - left_out
    assert sum(shares.values()) == Fraction("0.9")


@pytest.mark.parametrize("batch", [BATCH, OTHER_BATCH], ids=["ours", "another contract"])
def test_each_row_is_found_to_be_what_the_truth_says(spark: SparkSession, batch: Batch) -> None:
    """Exactly one reason, or one repair, for each spoilt row; none for the others."""
    recipe = Recipe(10_000, dirt=FILTHY)
    planted = truth(batch, recipe, count_defects(spark, batch, recipe))
    assert all(each["rows"] for each in planted["defects"].values())
    found = outcomes(judge(spark, make_feed(spark, batch, recipe), batch))
    assert found == expected_outcomes(planted)
    assert sum(rows for (_, reasons, _), rows in found.items() if reasons) == planted["rejected"]
    assert sum(rows for (_, _, repairs), rows in found.items() if repairs) == planted["repaired"]
    assert found["exact_copy", (), ()] == planted["collapsed"]
    assert found["conflicting_copy", (), ()] == planted["conflicting"]
    assert (
        found.total()
        == planted["feed_rows"]
        == 10_000 + planted["collapsed"] + planted["conflicting"]
    )


def days_from(first: datetime.date, days: int) -> set[str]:
    return {str(first + datetime.timedelta(number)) for number in range(days)}


def test_spoilt_texts_look_as_documented(spark: SparkSession) -> None:
    spoilt: dict[str, Counter[str | None]] = {}
    for *texts, defect in rows(spark, BATCH, Recipe(10_000, dirt=FILTHY)):
        for name, text in zip(SALES.names, texts, strict=True):
            if defect and defect.startswith(name):
                spoilt.setdefault(defect, Counter())[text] += 1

    misread = {"n/a", "?", "1e3", "12,50"}
    for name in SALES.names:
        assert set(spoilt[f"{name}_missing"]) == {None}
    for name in ("sale_id_not_an_integer", "quantity_not_an_integer", "sale_amount_not_a_number"):
        assert set(spoilt[name]) == misread
    assert set(spoilt["region_unknown"]) == {"Atlantis", "Lukomorye", "-"}
    impossible = spoilt["sale_date_impossible"]
    assert set(impossible) == {
        f"{year}-{day}" for year in (2025, 2026) for day in ("02-30", "04-31", "13-01")
    }
    assert fits(list(impossible.values()), np.ones(6))
    assert set(spoilt["sale_date_in_the_future"]) == days_from(AS_OF, 30)
    month_before = BATCH.first_day - datetime.timedelta(30)
    assert set(spoilt["sale_date_before_the_window"]) == days_from(month_before, 30)
    assert set(spoilt["quantity_zero"]) == {"0"}
    assert set(spoilt["sale_amount_zero"]) == {"0.00"}
    assert set(spoilt["quantity_negative"]) >= {"-1", "-2", "-3"}
    beyond = {int(text or 0) for text in spoilt["quantity_too_large"]}
    assert (min(beyond), max(beyond)) == (11, 100)
    of_one_form = {
        "sale_amount_negative": r"-\d+\.\d\d",
        "sale_amount_too_many_decimals": r"\d+\.\d\d5",
    }
    for name, form in of_one_form.items():
        assert all(re.fullmatch(form, text or "") for text in spoilt[name])
    of_several_forms = {
        "sale_date_malformed": (r"\d\d\.\d\d\.202\d", r"202\d/\d\d/\d\d"),
        "region_case": ("[A-Z]+", "[a-z]+"),
        "region_spaces": (r" \w+", r"\w+  ", "\u00a0\\w+\t"),
        "sale_id_spaces": (r" \d+", r"\d+  ", "\u00a0\\d+\t"),
    }
    for name, forms in of_several_forms.items():
        counted = [
            sum(n for text, n in spoilt[name].items() if re.fullmatch(form, text or ""))
            for form in forms
        ]
        assert sum(counted) == spoilt[name].total()
        assert fits(counted, np.ones(len(forms)))


def test_copies_repeat_a_clean_row_or_contradict_it(spark: SparkSession) -> None:
    found = rows(spark, BATCH, Recipe(5_000, dirt=FILTHY))
    clean = {row[0]: row[:-1] for row in found if row[-1] is None}
    exact = [row for row in found if row[-1] == "exact_copy"]
    conflicting = [row for row in found if row[-1] == "conflicting_copy"]
    assert len(exact) > 400
    assert len(conflicting) > 400
    assert all(clean[row[0]] == row[:-1] for row in exact)
    quantity, amount = SALES.names.index("quantity"), SALES.names.index("sale_amount")
    for row in conflicting:
        differing = [i for i, text in enumerate(clean[row[0]]) if text != row[i]]
        assert differing == [quantity, amount]


# For any contract


def test_another_contract_is_kept(spark: SparkSession) -> None:
    feed = make_feed(spark, OTHER_BATCH, Recipe(20_000, dirt=CLEAN))
    judged = judge(spark, feed, OTHER_BATCH)
    assert outcomes(judged) == {("none", (), ()): 20_000}
    found = judged.select(*OTHER.names).toArrow().to_pandas()
    assert set(found["region"]) == set(OTHER.regions)
    assert set(found["quantity"]) == {1, 2, 3, 4, 5}
    assert set(found["till"]) == set(range(-3, 10))
    assert set(found["paid_by"]) == {"card", "cash"}
    assert found["sale_date"].nunique() == found["shipped_on"].nunique() == 90
    assert sorted(found["sale_id"]) == list(range(1_000, 21_000))
    assert found["tip"].min() < 0 < found["tip"].max()
    assert (found["sale_amount"] * 1_000 % 10 != 0).any()


def test_the_room_for_customers_and_products_is_used_to_its_last_number(
    spark: SparkSession,
) -> None:
    contract = Contract(
        changed(customer_id={"minimum": 5, "maximum": 7}, product_id={"minimum": 20, "maximum": 23})
    )
    feed = make_feed(spark, Batch(AS_OF, shop(contract)), Recipe(500, dirt=CLEAN))
    found = feed.select("customer_id", "product_id").toArrow().to_pandas()
    assert set(found["customer_id"]) == {"5", "6", "7"}
    assert set(found["product_id"]) == {"20", "21", "22", "23"}


Limit = int | Decimal | None
ONE_VALUE: list[tuple[columns.FieldType, Limit, Limit, str]] = [
    (columns.Integer(32), 2**31 - 1, None, "2147483647"),
    (columns.Integer(32), 2**31 - 1, 2**40, "2147483647"),
    (columns.Numeric(3, 1), Decimal("99.9"), None, "99.9"),
    (columns.Numeric(3, 2), Decimal("9.99"), Decimal(10**6), "9.99"),
    (columns.Numeric(5, 2), Decimal("0.011"), Decimal("0.029"), "0.02"),
    (columns.Numeric(5, 2), Decimal("-0.029"), Decimal("-0.011"), "-0.02"),
    (columns.Integer(32), None, 1, "1"),
    (columns.Integer(32), None, -5, "-5"),
]


def test_a_field_whose_limits_and_type_leave_one_value_always_has_it(spark: SparkSession) -> None:
    own = {
        f"own_{number}": (Field(f"own_{number}", type_, "Own", minimum=least, maximum=most), only)
        for number, (type_, least, most, only) in enumerate(ONE_VALUE)
    }
    contract = Contract((*SALES.fields, *(field for field, _ in own.values())))
    feed = make_feed(spark, Batch(AS_OF, shop(contract)), Recipe(50, dirt=CLEAN))
    found = feed.select(*own).distinct().toArrow().to_pylist()
    assert found == [{name: only for name, (_, only) in own.items()}]


MANY_REGIONS = tuple(f"Region {number}" for number in range(1, 90))
BOUNDLESS = (
    Field("receipt", columns.Integer(64), "Number", minimum=-(2**63), maximum=2**63 - 1),
    Field("weight", columns.Numeric(38, 3), "Kilograms"),
)


@pytest.mark.parametrize(
    ("contract", "recipe"),
    [
        (SALES, Recipe(1, dirt=CLEAN)),
        (replace(SALES, days=1), Recipe(50, -1, FILTHY)),
        (replace(SALES, days=1_500), Recipe(50, 10**30, FILTHY)),
        (Contract(changed(region={"allowed": ("Здесь",)})), Recipe(200, dirt=FILTHY)),
        (Contract(changed(region={"allowed": ("1", "2")})), Recipe(200, dirt=FILTHY)),
        (Contract(changed(region={"allowed": MANY_REGIONS})), Recipe(200, dirt=FILTHY)),
        (
            # Places that would do as unknown ones, but in another case.
            Contract(changed(region={"allowed": ("ATLANTIS", "lukomorye", "North")})),
            Recipe(200, dirt=FILTHY),
        ),
        (Contract(changed(quantity={"maximum": 1})), Recipe(200, dirt=FILTHY)),
        (Contract(changed(quantity={"minimum": 0, "maximum": None})), Recipe(200, dirt=FILTHY)),
        (
            Contract(changed(sale_id={"maximum": 200}, customer_id={"maximum": 3})),
            Recipe(200, dirt=FILTHY),
        ),
        (Contract(changed(product_id={"minimum": 7, "maximum": 7})), Recipe(200, dirt=FILTHY)),
        (
            Contract(changed(sale_amount={"type": columns.Numeric(5, 0), "maximum": None})),
            Recipe(200, dirt=FILTHY),
        ),
        (
            Contract(changed(sale_amount={"minimum": None, "maximum": Decimal("9.99")})),
            Recipe(200, dirt=FILTHY),
        ),
        (
            Contract((*changed(sale_id={"minimum": -(2**63)}), *BOUNDLESS)),
            Recipe(200, dirt=FILTHY),
        ),
        (
            # The lowest price is half a cent above half the least amount.
            Contract(changed(quantity={"minimum": 2}, sale_amount={"minimum": Decimal("1000.01")})),
            Recipe(200, dirt=FILTHY),
        ),
        (
            # A cent is the only price that allows for 20 units, the most that a basket holds.
            Contract(changed(quantity={"maximum": None}, sale_amount={"maximum": Decimal("0.20")})),
            Recipe(200, dirt=FILTHY),
        ),
    ],
)
def test_contracts_at_their_limits_get_the_feed_they_allow(
    spark: SparkSession, contract: Contract, recipe: Recipe
) -> None:
    batch = Batch(AS_OF, shop(contract))
    planted = truth(batch, recipe, count_defects(spark, batch, recipe))
    judged = judge(spark, make_feed(spark, batch, recipe), batch)
    assert outcomes(judged) == expected_outcomes(planted)
    valid = judged.where("reasons IS NULL").select(*contract.names).toArrow().to_pylist()
    distinct = {tuple(row.values()) for row in valid}
    assert len(valid) - len(distinct) == planted["collapsed"]


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (Contract(changed(sale_id={"maximum": 99})), "no room for 100 sales"),
        (Contract(changed(sale_id={"minimum": 1_000, "maximum": 1_098})), "no room for 100 sales"),
        (Contract(changed(quantity={"minimum": None, "maximum": 0})), "nothing can be sold"),
        (Contract(changed(sale_amount={"maximum": Decimal("0.05")})), "no price gives"),
        (
            Contract(changed(sale_amount={"minimum": Decimal(0), "maximum": Decimal("0.05")})),
            "no price gives",
        ),
    ],
)
def test_a_contract_without_room_is_refused(
    spark: SparkSession, contract: Contract, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_feed(spark, Batch(AS_OF, shop(contract)), Recipe(100))


@pytest.mark.parametrize("shares", [("-0.1", "0", "0"), ("0.5", "0.3", "0.3"), ("NaN", "0", "0")])
def test_impossible_dirt_is_refused(shares: tuple[str, str, str]) -> None:
    with pytest.raises(SettingsError, match="at least 0"):
        Dirt(*map(Decimal, shares))


def test_a_feed_may_be_nothing_but_dirt() -> None:
    dirt = Dirt(Decimal("0.5"), Decimal("0.3"), Decimal("0.2"))
    assert sum(share for _, share in defect_shares(BATCH, dirt)) == 1


def test_a_feed_without_rows_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        Recipe(rows=0)


# As documented

PAGE = (Path(__file__).parents[1] / "docs" / "generator.md").read_text()


def documented(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_documented_parameters_are_those_in_use() -> None:
    def percent(*days: tuple[int, int]) -> str:
        (found,) = {retail.HOLIDAYS[day] for day in days}
        return str(found)

    *most, last = map(str, retail.DISCOUNTS)
    parameters = {
        "sales of a customer": f"σ = {retail.ACTIVITY_SIGMA}",
        "customers": f"{retail.SALES_PER_CUSTOMER}",
        "home region": "each {}/{} of the one before".format(*retail.REGION_RATIO),
        "sales at home": f"{retail.HOME_PERCENT} %",
        "products": f"{retail.PRODUCTS:,}",
        "popularity by rank": f"knee at {retail.POPULARITY_KNEE}",
        "list price": f"median {retail.PRICE_MEDIAN}, σ = {retail.PRICE_SIGMA}",
        "discounts": f"{retail.PROMOTED_PERCENT} % of them, by {', '.join(most)} or {last} %",
        "quantity": "each {}/{} of the one before, {} values at most".format(
            *retail.QUANTITY_RATIO, retail.QUANTITY_VALUES
        ),
        "Monday to Sunday": ", ".join(map(str, retail.WEEKDAYS)),
        "January to December": ", ".join(map(str, retail.MONTHS)),
        "15 to 31 July": f"{retail.SUMMER_LOW}",
        "1 and 2 January": percent((1, 1), (1, 2)),
        "21 to 23 February": percent((2, 21), (2, 22), (2, 23)),
        "6 to 8 March": percent((3, 6), (3, 7), (3, 8)),
        "11 November": percent((11, 11)),
        "Black Friday": f"{retail.BLACK_FRIDAY}",
        "18 to 30 December": percent(*[(12, day) for day in range(18, 31)]),
        "growth": f"{retail.GROWTH_PERCENT} % a year",
    }
    assert [(what, given) for what, _, given, _ in documented("## The sales")] == [
        *parameters.items()
    ]
    assert len(retail.HOLIDAYS) == 2 + 3 + 3 + 1 + 13
    assert f"in {retail.ACTIVITY_CLASSES:,} classes" in PAGE
    assert f"| `rows` | {Recipe().rows:,} |" in PAGE
    assert f"| `seed` | {Recipe().seed} |" in PAGE


def test_the_documented_defects_are_those_planted() -> None:
    def in_general(kind: defects.Kind) -> list[list[str]]:
        found = [
            [text.replace(f"{each.field}_", "<field>_") for text in (each.name, each.label)]
            if len(kind) > 1
            else [each.name, each.label]
            for each in kind
        ]
        return [[f"`{text}`" for text in row] for row in dict.fromkeys(map(tuple, found))]

    def share(of_rows: Decimal) -> str:
        return f"{(of_rows * 100).normalize():f} % of the rows"

    dirt = Dirt()
    for heading, of_rows, kinds in (
        ("Unusable", dirt.invalid, defects.invalid(BATCH)),
        ("Repairable", dirt.repairable, defects.repairable(BATCH)),
    ):
        table = documented(f"### {heading}: {share(of_rows)}, {len(kinds)} kinds")
        assert [row[:2] for row in table] == [row for kind in kinds for row in in_general(kind)]
    copies = documented(f"### Repeated: {share(dirt.duplicated)}, 2 kinds")
    assert [row[:2] for row in copies] == [
        ["`exact_copy`", "`collapsed`"],
        ["`conflicting_copy`", f"`{CONFLICTING_DUPLICATE}`"],
    ]


def test_the_documented_truth_is_a_real_one(spark: SparkSession) -> None:
    shown = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    recipe = Recipe()
    planted = truth(BATCH, recipe, count_defects(spark, BATCH, recipe))
    defects_shown = {name: planted["defects"][name] for name in shown["defects"]}
    assert shown == {**planted, "defects": defects_shown}


# In the lake


def test_the_step_leaves_the_feed_and_the_truth(spark: SparkSession, tmp_path: Path) -> None:
    recipe = Recipe(3_000, dirt=FILTHY)
    lake = Lake(str(tmp_path), AS_OF)
    left = generate.run(spark, lake, BATCH, recipe)
    feed = lake.read(spark, lake.dataset("generate", "feed"))
    stored = sorted((tuple(row.values()) for row in feed.toArrow().to_pylist()), key=repr)
    assert stored == sorted((row[:-1] for row in rows(spark, BATCH, recipe)), key=repr)
    planted = lake.read_document("generate", "truth.json")
    assert planted == truth(BATCH, recipe, count_defects(spark, BATCH, recipe))
    assert lake.result("generate")["counts"] == left.document()
    assert left.document() == {
        "source": "generated",
        **{name: count for name, count in planted.items() if name not in ("as_of", "defects")},
    }
