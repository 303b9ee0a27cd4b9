"""What a believable shop looks like in whole numbers: weights, prices, days.

Every value is made once, in Python, by integer or correctly rounded decimal arithmetic, so
that it is the same on every platform. `docs/generator.md` lists the sources; for what is
called assumed here, none was found.
"""

import calendar
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from math import isqrt
from statistics import NormalDist

# Sales per customer: log-normal. σ follows from the share of the top fifth, 60–73 %
# (McCarthy & Winer, SSRN 3264425): Φ(σ - 0.8416) = 0.67.
ACTIVITY_SIGMA = Decimal("1.28")
ACTIVITY_CLASSES = 1_000
SALES_PER_CUSTOMER = 12  # assumed

# Popularity by rank: exponent 1, beyond the knee 1.5. "Near 1, steeper among obscure items":
# Brynjolfsson, Hu & Smith 2010; the knee, the steeper exponent and the size are assumed.
PRODUCTS = 2_000
POPULARITY_KNEE = 200

# Price over the catalogue: log-normal, assumed.
PRICE_MEDIAN = Decimal(20)
PRICE_SIGMA = Decimal("0.9")

# Price cuts by product and week, assumed: how many, and percent off, each as likely.
PROMOTED_PERCENT = 8
DISCOUNTS = (10, 20, 30)

# Units a sale: geometric, P(k + 1) = 2/5 P(k), assumed; beyond 20 values too rare to matter.
QUANTITY_RATIO = (2, 5)
QUANTITY_VALUES = 20

# Regions in the contract's order: each 7/10 of the one before; assumed, as is loyalty.
REGION_RATIO = (7, 10)
HOME_PERCENT = 97

# Monday to Sunday, percent: US, Digital Dollar, first quarter of 2018.
WEEKDAYS = (110, 102, 104, 102, 96, 89, 98)
# January to December, percent. May and mid-July to August low, December high: Posteleon
# 2017; the sizes are assumed.
MONTHS = (95, 100, 102, 98, 90, 97, 97, 90, 100, 104, 110, 125)
SUMMER_LOW = 90
# Percent of an ordinary day. New Year's lull, 23 February and 8 March: Posteleon 2017; the
# sizes, 11 November and the days before New Year are assumed.
HOLIDAYS = {
    **dict.fromkeys([(1, 1), (1, 2)], 5),
    **dict.fromkeys([(2, 21), (2, 22), (2, 23)], 120),
    **dict.fromkeys([(3, 6), (3, 7), (3, 8)], 125),
    (11, 11): 150,
    **dict.fromkeys([(12, day) for day in range(18, 31)], 125),
}
BLACK_FRIDAY = 120  # Russia, 2024–25: T-Data, SberIndex
GROWTH_PERCENT = 10  # more than on the day a year before, linear; assumed


_EXACT = Context(prec=28)


def activity_weights(classes: int) -> list[int]:
    """How much the customers of each class buy: quantiles of a log-normal, ascending."""
    return [int(factor.scaleb(12)) for factor in _log_normal(classes, ACTIVITY_SIGMA)]


def popularity_weights(products: int) -> list[int]:
    """How often the product of each rank is bought, the most popular first."""
    scale, knee = 10**15, POPULARITY_KNEE
    head = [scale // rank for rank in range(1, min(products, knee) + 1)]
    # (scale / knee) × (knee / rank) ** 1.5, in whole numbers.
    return head + [isqrt(scale**2 * knee // rank**3) for rank in range(knee + 1, products + 1)]


def prices(products: int, scale: int, lowest: int, highest: int) -> list[int]:
    """A price for each product, ascending, in units of the last of `scale` decimals.

    Quantiles of a log-normal, cut to `lowest <= price <= highest`.
    """
    exact = [PRICE_MEDIAN * factor for factor in _log_normal(products, PRICE_SIGMA)]
    units = [int(price.scaleb(scale).to_integral_value(ROUND_HALF_UP)) for price in exact]
    return [min(max(price, lowest), highest) for price in units]


def quantity_weights(values: int) -> list[int]:
    """How often each quantity occurs, from the smallest: a truncated geometric distribution."""
    return _geometric(values, QUANTITY_RATIO)


def region_weights(regions: int) -> list[int]:
    """How many customers live in each region, in the contract's order."""
    return _geometric(regions, REGION_RATIO)


def day_weights(first_day: date, days: int) -> list[int]:
    """How many sales each day of the window sees, relative to the others."""
    window = [first_day + timedelta(number) for number in range(days)]
    return [
        WEEKDAYS[day.weekday()]
        * _season(day)
        * _holiday(day)
        * (365 * 100 + GROWTH_PERCENT * number)
        for number, day in enumerate(window)
    ]


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November.

    >>> black_friday(2025)
    datetime.date(2025, 11, 28)
    """
    first = date(year, 11, 1)
    return first + timedelta((calendar.THURSDAY - first.weekday()) % 7 + 21 + 1)


def _season(day: date) -> int:
    late_july = day.month == 7 and day.day >= 15
    return SUMMER_LOW if late_july else MONTHS[day.month - 1]


def _holiday(day: date) -> int:
    if day == black_friday(day.year):
        return BLACK_FRIDAY
    return HOLIDAYS.get((day.month, day.day), 100)


def _log_normal(count: int, sigma: Decimal) -> list[Decimal]:
    """exp(σz) at the middle quantiles of `count` equal shares, ascending."""
    normal = NormalDist()
    # Rounded, since the last bits of a quantile may differ between platforms; exp of a
    # decimal is correctly rounded everywhere.
    quantiles = [round(Decimal(normal.inv_cdf((i + 0.5) / count)), 9) for i in range(count)]
    return [_EXACT.exp(sigma * quantile) for quantile in quantiles]


def _geometric(count: int, ratio: tuple[int, int]) -> list[int]:
    part, whole = ratio
    return [part**i * whole ** (count - 1 - i) for i in range(count)]
