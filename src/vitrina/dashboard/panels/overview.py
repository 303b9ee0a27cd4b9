"""The overview: a figure each."""

from vitrina.dashboard.expressions import (
    age,
    average,
    change,
    least,
    most,
    share,
    times,
    total,
    total_or_null,
)
from vitrina.dashboard.panel import Kind, Panel, Size, Threshold
from vitrina.dashboard.panels.tables import BATCH, BATCH_BEFORE, DAYS, TOTALS
from vitrina.dashboard.query import Imports, Table
from vitrina.dashboard.texts import Words
from vitrina.rules import MAX_REJECTED_SHARE, NOTABLE_REJECTED_SHARE

# A batch comes every 7 days; on the eighth it is late, and after that by more than a day.
_LATE_DAYS, _MISSED_DAYS = 8, 9

OVERVIEW = (
    Panel(
        id="total_sales_amount",
        section="overview",
        kind=Kind.stat,
        title=Words("Total sales amount", "Сумма продаж"),
        question=Words(
            "How much money came in, and is it more than in the previous import?",
            "Сколько денег получено и больше ли это, чем в прошлом импорте?",
        ),
        query=TOTALS.derive(
            change=change("total_sales_amount", "total_sales_amount_before")
        ).select("total_sales_amount", "total_sales_amount_before", "change"),
        value="total_sales_amount",
        size=Size(5, 6, on_page=4),
    ),
    Panel(
        id="total_sales",
        section="overview",
        kind=Kind.stat,
        title=Words("Number of sales", "Число продаж"),
        question=Words(
            "How many sales were there, and is it more than in the previous import?",
            "Сколько было продаж и больше ли это, чем в прошлом импорте?",
        ),
        query=TOTALS.derive(change=change("total_sales", "total_sales_before")).select(
            "total_sales", "total_sales_before", "change"
        ),
        value="total_sales",
        size=Size(4, 6, on_page=4),
    ),
    Panel(
        id="average_sale_amount",
        section="overview",
        kind=Kind.stat,
        title=Words("Average receipt", "Средний чек"),
        question=Words(
            "How much does one sale bring in, and is it more than in the previous import?",
            "Сколько приносит одна продажа и больше ли это, чем в прошлом импорте?",
        ),
        query=TOTALS.derive(
            average_sale_amount=average("total_sales_amount", "total_sales"),
            average_sale_amount_before=average("total_sales_amount_before", "total_sales_before"),
        )
        .derive(change=change("average_sale_amount", "average_sale_amount_before"))
        .select("average_sale_amount", "average_sale_amount_before", "change"),
        value="average_sale_amount",
        size=Size(4, 6, on_page=4),
    ),
    Panel(
        id="rejected_share",
        section="overview",
        kind=Kind.stat,
        title=Words("Rejected rows", "Отклонено строк"),
        question=Words(
            "What share of the feed could not be used?",
            "Какую долю исходных строк не удалось использовать?",
        ),
        query=BATCH.group(rejected=total("rejected"), rows_in=total("rows_in"))
        .beside(
            BATCH_BEFORE.group(
                rejected_before=total_or_null("rejected"), rows_in_before=total_or_null("rows_in")
            )
        )
        .derive(
            rejected_share=share("rejected", "rows_in"),
            rejected_share_before=share("rejected_before", "rows_in_before"),
            # Of the exact shares, not of the rounded ones.
            change=change(times("rejected", "rows_in_before"), times("rejected_before", "rows_in")),
        )
        .select("rejected_share", "rejected_share_before", "change"),
        value="rejected_share",
        size=Size(4, 6, on_page=4),
        thresholds=(
            Threshold(0, "good"),
            Threshold(float(NOTABLE_REJECTED_SHARE), "warning"),
            Threshold(float(MAX_REJECTED_SHARE), "bad"),
        ),
    ),
    Panel(
        id="import_age",
        section="overview",
        kind=Kind.stat,
        title=Words("Age of the newest import", "Возраст последнего импорта"),
        question=Words(
            "Are these the newest figures, or is an import overdue?",
            "Свежие ли это данные или очередной импорт опаздывает?",
        ),
        query=Table("batch", ("import_date",), Imports.every)
        .group(import_date=most("import_date"))
        .derive(age_days=age("import_date"))
        .select("age_days", "import_date"),
        value="age_days",
        size=Size(4, 6, on_page=4),
        thresholds=(
            Threshold(0, "good"),
            Threshold(_LATE_DAYS, "warning"),
            Threshold(_MISSED_DAYS, "bad"),
        ),
    ),
    Panel(
        id="average_gauge",
        section="overview",
        kind=Kind.gauge,
        title=Words("Average receipt in its range", "Средний чек в своём диапазоне"),
        question=Words(
            "Where is the average receipt between its lowest and its highest day?",
            "Где средний чек между самым низким и самым высоким днём?",
        ),
        picture=Words(
            "A scale from the lowest to the highest daily average receipt "
            "with a mark at the average",
            "Шкала от наименьшего до наибольшего среднего чека за день с отметкой среднего",
        ),
        query=DAYS.group(
            amount=total("total_sales_amount"),
            sales=total("total_sales"),
            lowest=least("average_sale_amount"),
            highest=most("average_sale_amount"),
        )
        .derive(average_sale_amount=average("amount", "sales"))
        .select("average_sale_amount", "lowest", "highest"),
        value="average_sale_amount",
        size=Size(3, 6, on_page=4),
    ),
)
