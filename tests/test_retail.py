"""The shop's tables: the alias method to the last bit, and what the weights say."""

from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.generator import draw, retail

# Every worker loads every module, and scipy takes two seconds: it is loaded where it is used.

FULL = 2**draw.FRACTION_BITS


def chances(weights: list[int]) -> list[Fraction]:
    """The odds with which the buckets choose each index."""
    buckets = draw.alias_table(weights)
    found = [Fraction(0)] * len(weights)
    for bucket in buckets:
        found[bucket.value] += Fraction(bucket.threshold, FULL * len(buckets))
        found[bucket.other] += Fraction(FULL - bucket.threshold, FULL * len(buckets))
    return found


positive_weights = st.lists(st.integers(0, 10**18), min_size=1, max_size=300).filter(any)


@given(positive_weights)
def test_an_alias_table_reproduces_the_weights(weights: list[int]) -> None:
    size = len(draw.alias_table(weights))
    assert size & (size - 1) == 0
    assert len(weights) <= size < 2 * len(weights)
    found = chances(weights)
    assert sum(found) == 1
    for chance, weight in zip(found, weights, strict=True):
        assert abs(chance - Fraction(weight, sum(weights))) < Fraction(1, size * FULL)


@given(positive_weights)
def test_every_bucket_of_an_alias_table_is_sound(weights: list[int]) -> None:
    for bucket in draw.alias_table(weights):
        assert 0 <= bucket.threshold <= FULL
        assert 0 <= bucket.value < len(weights)
        assert 0 <= bucket.other < len(weights)


@given(positive_weights)
def test_what_weighs_nothing_is_never_chosen(weights: list[int]) -> None:
    for chance, weight in zip(chances(weights), weights, strict=True):
        assert weight > 0 or chance == 0


def test_weights_that_the_buckets_can_hold_are_kept_exactly() -> None:
    assert chances([5, 1, 0, 2]) == [Fraction(5, 8), Fraction(1, 8), 0, Fraction(1, 4)]


@given(st.integers(0, 500), st.text())
def test_a_shuffle_is_a_permutation_that_its_key_decides(count: int, key: str) -> None:
    assert sorted(draw.shuffled(count, key)) == list(range(count))
    assert draw.shuffled(count, key) == draw.shuffled(count, key)


def test_hashes_stay_what_they_are() -> None:
    assert draw.keyed_hash("42", "home") == -5575782466430869793
    assert draw.shuffled(8, "42", "products") == [7, 0, 1, 6, 2, 5, 4, 3]


def weight(day: date, instead_of: date) -> float:
    """How many times as many sales a day sees as another."""
    days = retail.day_weights(min(day, instead_of), abs((day - instead_of).days) + 1)
    return days[-1] / days[0] if day > instead_of else days[0] / days[-1]


@pytest.mark.parametrize(
    ("day", "instead_of", "times"),
    [
        (date(2025, 6, 2), date(2025, 6, 8), 110 / 98),  # Monday, Sunday
        (date(2025, 6, 7), date(2025, 6, 6), 89 / 96),  # Saturday, Friday
        (date(2026, 1, 2), date(2026, 1, 9), 0.05),
        (date(2025, 11, 28), date(2025, 11, 21), 1.20),  # Black Friday
        (date(2025, 11, 11), date(2025, 11, 18), 1.50),
        (date(2025, 12, 24), date(2025, 12, 10), 1.25),
        (date(2026, 3, 7), date(2026, 3, 14), 1.25),
        (date(2026, 2, 23), date(2026, 2, 16), 1.20),
        (date(2025, 5, 13), date(2025, 4, 15), 90 / 98),
        (date(2025, 7, 14), date(2025, 7, 7), 1),
        (date(2025, 7, 15), date(2025, 7, 8), 90 / 97),
        (date(2025, 12, 1), date(2025, 11, 24), 125 / 110),
    ],
)
def test_days_differ_as_documented(day: date, instead_of: date, times: float) -> None:
    assert weight(day, instead_of) == pytest.approx(times, rel=0.01)  # some growth


def test_sales_grow_by_a_tenth_a_year() -> None:
    # 364 days: the same weekday of the same month, and no holiday.
    assert weight(date(2026, 6, 10), date(2025, 6, 11)) == pytest.approx(1.10, rel=0.001)


def test_the_growth_counts_years_of_365_days() -> None:
    # Seven such years later it is the same weekday of the same month.
    days = retail.day_weights(date(2019, 6, 12), 7 * 365 + 1)
    assert 10 * days[-1] == 17 * days[0]


@pytest.mark.parametrize(
    ("year", "day"), [(2023, 24), (2024, 29), (2025, 28), (2026, 27), (2027, 26), (2030, 29)]
)
def test_black_friday_follows_the_fourth_thursday(year: int, day: int) -> None:
    assert retail.black_friday(year) == date(year, 11, day)


def test_activity_is_log_normal_to_nine_digits() -> None:
    from scipy import stats

    quantiles = stats.norm.ppf((np.arange(1_000) + 0.5) / 1_000)
    weights = np.array(retail.activity_weights(1_000)) / 10**12
    assert weights == pytest.approx(np.exp(1.28 * quantiles), rel=1e-9)


def test_prices_are_log_normal() -> None:
    from scipy import stats

    prices = np.array(retail.prices(2_000, 2, 1, 10**9)) / 100

    def distance(median: float, sigma: float) -> float:
        return float(stats.kstest(prices, stats.lognorm(sigma, scale=median).cdf).statistic)

    assert distance(20, 0.9) < 0.002
    assert distance(20, 0.95) > 0.01
    assert distance(21, 0.9) > 0.01


def test_prices_count_in_the_last_decimal_and_keep_to_their_limits() -> None:
    assert retail.prices(1, 0, 1, 1_000) == [20]
    assert retail.prices(1, 3, 1, 100_000) == [20_000]
    cut = retail.prices(100, 2, 1_000, 3_000)
    assert (min(cut), max(cut)) == (1_000, 3_000)


def test_popularity_is_steeper_beyond_the_knee() -> None:
    weights = retail.popularity_weights(2_000)
    assert len(weights) == 2_000
    assert weights[0] / weights[99] == pytest.approx(100)
    assert weights[199] / weights[1_999] == pytest.approx(10**1.5)
    assert retail.popularity_weights(3) == weights[:3]


def test_the_first_quantity_and_the_first_region_are_the_most_frequent() -> None:
    assert retail.quantity_weights(3) == [25, 10, 4]
    assert retail.region_weights(3) == [100, 70, 49]
