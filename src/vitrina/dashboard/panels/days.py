"""Day by day."""

from vitrina.dashboard.expressions import equal, following, minus, positive, rank
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panels.tables import DAYS, DAYS_AND_REGIONS
from vitrina.dashboard.texts import Words

DAY_BY_DAY = (
    Panel(
        id="amount_by_day_region",
        section="days",
        kind=Kind.lines,
        title=Words("Amount by day and region", "Сумма по дням и регионам"),
        question=Words(
            "How does each region sell from day to day, and where is it heading?",
            "Как продаёт каждый регион день за днём и куда всё идёт?",
        ),
        picture=Words(
            "Lines over the days: the 7-day average of each region, "
            "its single days faint behind it",
            "Линии по дням: среднее каждого региона за 7 дней, за ним бледно отдельные дни",
        ),
        query=DAYS_AND_REGIONS.select(
            "sale_date", "region", "total_sales_amount", "moving_average_7_days"
        ).order("sale_date", "region"),
        value="moving_average_7_days",
        x="sale_date",
        series="region",
        size=Size(24, 9, on_page=12),
    ),
    Panel(
        id="amount_by_day",
        section="days",
        kind=Kind.area,
        title=Words("Total by day", "Сумма по дням"),
        question=Words(
            "Which days were strong, and which were weak?",
            "Какие дни были сильными, а какие слабыми?",
        ),
        picture=Words("An area over the days", "Область по дням"),
        query=DAYS.select("sale_date", "total_sales_amount", "total_sales").order("sale_date"),
        value="total_sales_amount",
        x="sale_date",
        size=Size(12, 8, on_page=6),
    ),
    Panel(
        id="average_by_day",
        section="days",
        kind=Kind.line,
        title=Words("Average receipt by day", "Средний чек по дням"),
        question=Words(
            "Do customers spend more or less per purchase than they used to?",
            "Стали ли покупатели тратить за одну покупку больше или меньше?",
        ),
        picture=Words("A line over the days", "Линия по дням"),
        query=DAYS.select("sale_date", "average_sale_amount", "total_sales").order("sale_date"),
        value="average_sale_amount",
        x="sale_date",
        size=Size(12, 8, on_page=6),
    ),
    Panel(
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
    ),
)
