"""Patterns: what comes back week by week and month by month."""

from vitrina.contract import Contract
from vitrina.dashboard.expressions import (
    at_most,
    average,
    count,
    highest,
    month,
    share,
    total,
    weekday,
)
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panels.tables import (
    DAYS_AND_RANKED_REGIONS,
    DAYS_AND_REGIONS,
    days,
    has_few_regions,
)
from vitrina.dashboard.texts import Words

_ROWS = 12
"""How many regions have a row of days."""


def patterns(contract: Contract) -> tuple[Panel, ...]:
    """Weekdays by month, and days by region."""
    return (_weekday_month(contract), _day_region(contract))


def _weekday_month(contract: Contract) -> Panel:
    return Panel(
        id="weekday_month",
        section="patterns",
        kind=Kind.heat_map,
        title=Words("Weekday and month", "Дни недели и месяцы"),
        question=Words(
            "On which weekdays and in which months does a day bring in the most?",
            "В какие дни недели и месяцы день приносит больше всего?",
        ),
        picture=Words(
            "A grid of months and weekdays: the stronger the colour, "
            "the larger the average amount of a day",
            "Сетка месяцев и дней недели: чем насыщеннее цвет, тем больше средняя сумма за день",
        ),
        query=days(contract)
        .derive(month=month("sale_date"), weekday=weekday("sale_date"))
        .group("month", "weekday", days=count(), total_sales_amount=total("total_sales_amount"))
        .derive(average_day_amount=average("total_sales_amount", "days"))
        .order("month", "weekday"),
        value="average_day_amount",
        x="month",
        series="weekday",
        size=Size(24, 9, on_page=6),
    )


def _day_region(contract: Contract) -> Panel:
    cells, question = DAYS_AND_REGIONS, _QUESTION
    if not has_few_regions(contract):
        cells, question = DAYS_AND_RANKED_REGIONS.where(at_most("place", _ROWS)), _OF_THE_LARGEST
    return Panel(
        id="day_region",
        section="patterns",
        kind=Kind.heat_map,
        title=Words("Days and regions", "Дни и регионы"),
        question=question,
        picture=Words(
            "A grid of days and regions: the stronger the colour, the nearer the amount of the day "
            "to that of the region's best day",
            "Сетка дней и регионов: чем насыщеннее цвет, тем ближе сумма за день "
            "к сумме лучшего дня региона",
        ),
        # Each region has its own scale: on a common one, the largest alone would have colours.
        query=cells.window(per=("region",), best_day_amount=highest("total_sales_amount"))
        .derive(share_of_best_day=share("total_sales_amount", "best_day_amount"))
        .select("sale_date", "region", "total_sales_amount", "share_of_best_day")
        .order("sale_date", "region"),
        value="share_of_best_day",
        x="sale_date",
        series="region",
        size=Size(24, 9, on_page=6),
    )


_QUESTION = Words(
    "Do peaks and slumps come to all regions at once? Each region is measured by its best day.",
    "Приходят ли подъёмы и спады во все регионы сразу? Мера каждого региона — его лучший день.",
)
_OF_THE_LARGEST = Words(
    f"Do peaks and slumps come to the {_ROWS} largest regions at once? "
    "Each region is measured by its best day.",
    f"Приходят ли подъёмы и спады в {_ROWS} крупнейших регионов сразу? "
    "Мера каждого региона — его лучший день.",
)
