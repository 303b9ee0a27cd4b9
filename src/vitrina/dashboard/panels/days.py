"""Day by day."""

from vitrina.contract import Contract
from vitrina.dashboard.expressions import (
    at_most,
    change,
    equal,
    following,
    known,
    least,
    minus,
    part_of_change,
    positive,
    rank,
    size,
    total,
    total_or_null,
    whole,
)
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panels.tables import (
    DAYS_AND_RANKED_REGIONS,
    DAYS_AND_REGIONS,
    LARGEST,
    LAST_DAYS,
    days,
    has_few_regions,
    has_returns,
    receipt,
    receipts,
    with_rest,
)
from vitrina.dashboard.texts import Words


def day_by_day(contract: Contract) -> tuple[Panel, ...]:
    """Its days, and the last of them against those before."""
    return (
        _last_days(contract),
        _region_change(contract),
        _amount_by_day_region(contract),
        _amount_by_day(contract),
        _average_by_day(contract),
        _REGION_LEAD,
    )


def _sizes(contract: Contract) -> tuple[Size, Size]:
    """Of the last days and of the regions' part: beside each other where both have few rows."""
    if has_few_regions(contract):
        height = max(6, len(contract.regions) + 2)
        return Size(14, height, on_page=7), Size(10, height, on_page=5)
    return Size(24, 5, on_page=12), Size(24, LARGEST + 3, on_page=12)


def _last_days(contract: Contract) -> Panel:
    return Panel(
        id="last_days",
        section="days",
        kind=Kind.table,
        title=Words("Last 7 and 28 days", "Последние 7 и 28 дней"),
        question=Words(
            "Do the last 7 and 28 days of the import bring in more than as many days before, "
            "and than the same weekdays a year before?",
            "Приносят ли последние 7 и 28 дней импорта больше, чем столько же дней до них "
            "и чем те же дни недели годом раньше?",
        ),
        query=LAST_DAYS.group(
            "last_days",
            total_sales_amount=total("total_sales_amount"),
            period_before_amount=total_or_null("period_before_amount"),
            year_before_amount=total_or_null("year_before_amount"),
        )
        .derive(
            change=change("total_sales_amount", "period_before_amount"),
            change_in_year=change("total_sales_amount", "year_before_amount"),
        )
        .select(
            "last_days",
            "total_sales_amount",
            "period_before_amount",
            "change",
            "year_before_amount",
            "change_in_year",
        )
        .order("last_days"),
        value="total_sales_amount",
        size=_sizes(contract)[0],
    )


def _region_change(contract: Contract) -> Panel:
    moves = (
        LAST_DAYS.where(equal("last_days", 7))
        .where(known("period_before_amount"))
        .window(whole=whole("period_before_amount"))
        .derive(difference=minus("total_sales_amount", "period_before_amount"))
        .derive(size=size("difference"))
        .window(by=("-size", "region"), place=rank())
    )
    if not has_few_regions(contract):
        moves = with_rest(
            moves,
            whole=least("whole"),
            total_sales_amount=total("total_sales_amount"),
            period_before_amount=total("period_before_amount"),
        ).derive(difference=minus("total_sales_amount", "period_before_amount"))
    return Panel(
        id="region_change",
        section="days",
        kind=Kind.table,
        title=Words("Regions in the change of the week", "Вклад регионов в изменение за неделю"),
        question=Words(
            "Which regions moved the last 7 days, against the 7 before? "
            "Their contributions add up to the whole change.",
            "Какие регионы изменили последние 7 дней по сравнению с 7 предыдущими? "
            "Вклады складываются в общее изменение.",
        ),
        empty=Words(
            "No week before to compare with, or no sales for these regions.",
            "Предыдущей недели для сравнения нет, или по выбранным регионам нет продаж.",
        ),
        query=moves.derive(
            part_of_change=part_of_change("total_sales_amount", "period_before_amount", "whole")
        )
        .order("place")
        .select(
            "region",
            "total_sales_amount",
            "period_before_amount",
            "difference",
            "part_of_change",
        ),
        value="difference",
        size=_sizes(contract)[1],
    )


def _amount_by_day_region(contract: Contract) -> Panel:
    lines, question = DAYS_AND_REGIONS, _ALL_REGIONS
    if not has_few_regions(contract):
        # The rest together would press the others to the ground.
        lines = DAYS_AND_RANKED_REGIONS.where(at_most("place", LARGEST))
        question = _LARGEST_REGIONS
    return Panel(
        id="amount_by_day_region",
        section="days",
        kind=Kind.lines,
        title=Words("Amount by day and region", "Сумма по дням и регионам"),
        question=question,
        picture=Words(
            "Lines over the days: the 7-day average of each region, "
            "its single days faint behind it",
            "Линии по дням: среднее каждого региона за 7 дней, за ним бледно отдельные дни",
        ),
        query=lines.select(
            "sale_date", "region", "total_sales_amount", "moving_average_7_days"
        ).order("sale_date", "region"),
        value="moving_average_7_days",
        x="sale_date",
        series="region",
        size=Size(24, 9, on_page=12),
    )


_ALL_REGIONS = Words(
    "How does each region sell from day to day, and where is it heading?",
    "Как продаёт каждый регион день за днём и куда всё идёт?",
)
_LARGEST_REGIONS = Words(
    f"How does each of the {LARGEST} largest regions sell from day to day, "
    "and where is it heading?",
    f"Как продаёт каждый из {LARGEST} крупнейших регионов день за днём и куда всё идёт?",
)


def _amount_by_day(contract: Contract) -> Panel:
    returned = ("total_returns_amount", "net_amount") if has_returns(contract) else ()
    return Panel(
        id="amount_by_day",
        section="days",
        kind=Kind.area,
        title=Words("Total by day", "Сумма по дням"),
        question=Words(
            "Which days were strong, and which were weak?",
            "Какие дни были сильными, а какие слабыми?",
        ),
        picture=Words("An area over the days", "Область по дням"),
        query=days(contract)
        .select("sale_date", "total_sales_amount", "total_sales", *returned)
        .order("sale_date"),
        value="total_sales_amount",
        x="sale_date",
        size=Size(12, 8, on_page=6),
    )


def _average_by_day(contract: Contract) -> Panel:
    return Panel(
        id="average_by_day",
        section="days",
        kind=Kind.line,
        title=Words("Average receipt by day", "Средний чек по дням"),
        question=Words(
            "Do customers spend more or less per purchase than they used to?",
            "Стали ли покупатели тратить за одну покупку больше или меньше?",
        ),
        picture=Words("A line over the days", "Линия по дням"),
        query=days(contract)
        .select("sale_date", receipt(contract), receipts(contract))
        .order("sale_date"),
        value=receipt(contract),
        x="sale_date",
        size=Size(12, 8, on_page=6),
    )


_REGION_LEAD = Panel(
    id="region_lead",
    section="days",
    kind=Kind.state_timeline,
    title=Words("Leading region over time", "Регион-лидер по дням"),
    question=Words(
        "Which region leads by its 7-day average, and by how much?",
        "Какой регион лидирует по среднему за 7 дней и с каким отрывом?",
    ),
    picture=Words(
        "A band over the days, coloured by the leading region; the area below is its lead",
        "Полоса по дням, окрашенная по региону-лидеру; область под ней показывает отрыв",
    ),
    empty=Words(
        "No region leads yet: the 7-day average starts on the seventh day.",
        "Лидера пока нет: среднее за 7 дней считается с седьмого дня.",
    ),
    query=DAYS_AND_REGIONS.where(positive("moving_average_7_days"))
    .window(
        per=("sale_date",),
        by=("-moving_average_7_days", "region"),
        place=rank(),
        second_amount=following("moving_average_7_days"),
    )
    .where(equal("place", 1))
    .derive(
        leader="region",
        leader_amount="moving_average_7_days",
        lead=minus("moving_average_7_days", "second_amount"),
    )
    .select("sale_date", "leader", "leader_amount", "lead")
    .order("sale_date"),
    value="lead",
    x="sale_date",
    series="leader",
    size=Size(24, 5, on_page=12),
)
