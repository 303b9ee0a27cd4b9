"""The overview: a figure each."""

from dataclasses import replace

from vitrina.contract import Contract
from vitrina.dashboard.expressions import (
    age,
    average,
    change,
    least,
    minus,
    most,
    share,
    times,
    total,
    total_or_null,
)
from vitrina.dashboard.panel import Kind, Panel, Size, Threshold
from vitrina.dashboard.panels.tables import (
    BATCH,
    BATCH_BEFORE,
    TOTALS,
    compared,
    days,
    has_returns,
    receipt,
    receipts,
)
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.query import Imports, Table
from vitrina.dashboard.texts import Words
from vitrina.rules import MAX_REJECTED_SHARE, NOTABLE_REJECTED_SHARE

# A batch comes every 7 days; on the eighth it is late, and after that by more than a day.
_LATE_DAYS, _MISSED_DAYS = 8, 9


def overview(contract: Contract) -> tuple[Panel, ...]:
    """The figures of a store, those that it can have: returns, and orders."""
    shown = [_AMOUNT, _SALES, _average(contract), _REJECTED, _AGE, _gauge(contract)]
    if not has_returns(contract):
        return tuple(shown)
    money = [_AMOUNT, *_returns(), _average(contract)]
    others = [panel for panel in shown if panel not in money]
    return tuple(replace(panel, size=_EIGHT) for panel in [*money, *others])


# Eight figures stand in two rows.
_EIGHT = Size(6, 6, on_page=3)


_AMOUNT = Panel(
    id="total_sales_amount",
    section="overview",
    kind=Kind.stat,
    title=Words("Total sales amount", "Сумма продаж"),
    question=Words(
        "How much money came in, and is it more than in the previous import?",
        "Сколько денег получено и больше ли это, чем в прошлом импорте?",
    ),
    query=compared(TOTALS, "total_sales_amount"),
    value="total_sales_amount",
    size=Size(5, 6, on_page=4),
    is_headline=True,
)

_SALES = Panel(
    id="total_sales",
    section="overview",
    kind=Kind.stat,
    title=Words("Number of sales", "Число продаж"),
    question=Words(
        "How many sales were there, and is it more than in the previous import?",
        "Сколько было продаж и больше ли это, чем в прошлом импорте?",
    ),
    query=compared(TOTALS, "total_sales"),
    value="total_sales",
    size=Size(4, 6, on_page=4),
)

_REJECTED = Panel(
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
)

_AGE = Panel(
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
)


def _average(contract: Contract) -> Panel:
    """Of orders, where there are any: a line of one is no receipt."""
    name, count = receipt(contract), receipts(contract)
    question = Words(
        "How much does one sale bring in, and is it more than in the previous import?",
        "Сколько приносит одна продажа и больше ли это, чем в прошлом импорте?",
    )
    if contract.has_orders:
        question = Words(
            "How much does one order bring in, and is it more than in the previous import? "
            "An order with several regions counts in each.",
            "Сколько приносит один заказ и больше ли это, чем в прошлом импорте? "
            "Заказ с несколькими регионами считается в каждом.",
        )
    totals = _ORDERS if contract.has_orders else TOTALS
    return Panel(
        id="average_sale_amount",
        section="overview",
        kind=Kind.stat,
        title=Words("Average receipt", "Средний чек"),
        question=question,
        query=compared(
            totals.derive(
                **{
                    name: average("total_sales_amount", count),
                    f"{name}_before": average("total_sales_amount_before", f"{count}_before"),
                }
            ),
            name,
        ),
        value=name,
        size=Size(4, 6, on_page=4),
    )


_ORDERS_OF_REGIONS = ("region", "total_orders", "total_sales_amount")
# As `TOTALS`: orders are counted for each region, and for no product of one.
_ORDERS = Table("batch", ("import_date",)).beside(
    Table("sales_by_region", _ORDERS_OF_REGIONS)
    .chosen(Variable.region)
    .group(total_orders=total("total_orders"), total_sales_amount=total("total_sales_amount"))
    .beside(
        Table("sales_by_region", _ORDERS_OF_REGIONS, Imports.previous)
        .chosen(Variable.region)
        .group(
            total_orders_before=total_or_null("total_orders"),
            total_sales_amount_before=total_or_null("total_sales_amount"),
        )
    )
)

_MONEY = ("region", "product_id", "total_sales_amount", "total_returns_amount")
_NET = Table("batch", ("import_date",)).beside(
    Table("sales_by_region_product", _MONEY)
    .chosen(Variable.region, Variable.product)
    .group(
        total_sales_amount=total("total_sales_amount"),
        total_returns_amount=total("total_returns_amount"),
    )
    .beside(
        Table("sales_by_region_product", _MONEY, Imports.previous)
        .chosen(Variable.region, Variable.product)
        .group(
            total_sales_amount_before=total_or_null("total_sales_amount"),
            total_returns_amount_before=total_or_null("total_returns_amount"),
        )
    )
)


def _returns() -> tuple[Panel, Panel]:
    """What was given back, and what is left of the sales."""
    return (
        Panel(
            id="total_returns_amount",
            section="overview",
            kind=Kind.stat,
            title=Words("Returns", "Возвраты"),
            question=Words(
                "How much money was given back, and is it more than in the previous import?",
                "Сколько денег возвращено и больше ли это, чем в прошлом импорте?",
            ),
            query=compared(_NET, "total_returns_amount"),
            value="total_returns_amount",
            size=_EIGHT,
        ),
        Panel(
            id="net_amount",
            section="overview",
            kind=Kind.stat,
            title=Words("Net of returns", "За вычетом возвратов"),
            question=Words(
                "How much money is left after the returns, and is it more than in the previous "
                "import?",
                "Сколько денег осталось после возвратов и больше ли это, чем в прошлом импорте?",
            ),
            query=compared(
                _NET.derive(
                    net_amount=minus("total_sales_amount", "total_returns_amount"),
                    net_amount_before=minus(
                        "total_sales_amount_before", "total_returns_amount_before"
                    ),
                ),
                "net_amount",
            ),
            value="net_amount",
            size=_EIGHT,
        ),
    )


def _gauge(contract: Contract) -> Panel:
    name, count = receipt(contract), receipts(contract)
    return Panel(
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
        query=days(contract)
        .group(
            amount=total("total_sales_amount"),
            receipts=total(count),
            lowest=least(name),
            highest=most(name),
        )
        .derive(**{name: average("amount", "receipts")})
        .select(name, "lowest", "highest"),
        value=name,
        size=Size(3, 6, on_page=4),
    )
