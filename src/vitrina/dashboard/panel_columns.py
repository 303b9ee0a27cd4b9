"""The columns of the panels: what each is in, and what people call it."""

from dataclasses import dataclass
from typing import Literal

from vitrina.columns import Numeric
from vitrina.contract import Contract
from vitrina.dashboard.texts import Words

Unit = Literal[
    "money",
    "count",
    "quantity",
    "share",
    "days",
    "rank",
    "weekday",
    "date",
    "day",
    "month",
    "text",
    "id",
    "flag",
]
"""A share is of 1. `day` is a date with its weekday, `month` the first day of one; weekdays are
from 1, Monday, to 7. An id is a name, whether the store has numbers or texts for it, and a flag is
0 or 1."""


def decimals(unit: Unit, contract: Contract) -> int:
    """How many decimals the figures of a unit have: of money two at least, of a count none."""
    match unit:
        case "money":
            return max(2, _scale(contract, "sale_amount"))
        case "quantity":
            return _scale(contract, "quantity")
        case "share":
            return 6
    return 0


def _scale(contract: Contract, field: str) -> int:
    type_ = contract[field].type
    return type_.scale if isinstance(type_, Numeric) else 0


@dataclass(frozen=True)
class PanelColumn:
    unit: Unit
    words: Words


def _column(unit: Unit, en: str, ru: str) -> PanelColumn:
    return PanelColumn(unit, Words(en, ru))


PANEL_COLUMNS: dict[str, PanelColumn] = {
    "abc_class": _column("text", "ABC class", "Класс ABC"),
    # The unit is in the name, which is right for any number of days.
    "age_days": _column("days", "Age, days", "Возраст, дней"),
    "agrees": _column("flag", "Agrees", "Сходится"),
    "average_day_amount": _column("money", "Average daily amount", "Средняя сумма за день"),
    "average_line_amount": _column("money", "Average sale", "Средняя продажа"),
    "average_order_amount": _column("money", "Average receipt", "Средний чек"),
    "average_order_amount_before": _column(
        "money", "Average receipt, previous import", "Средний чек, прошлый импорт"
    ),
    "average_sale_amount": _column("money", "Average receipt", "Средний чек"),
    "average_sale_amount_before": _column(
        "money", "Average receipt, previous import", "Средний чек, прошлый импорт"
    ),
    "change": _column("share", "Change", "Изменение"),
    "change_in_year": _column("share", "Over a year", "За год"),
    "clean": _column("count", "Clean rows", "Чистых строк"),
    "collapsed": _column("count", "Copies removed", "Убрано копий"),
    "days": _column("count", "Days", "Дней"),
    "difference": _column("money", "Difference", "Разница"),
    "engine": _column("text", "Engine", "Движок"),
    "highest": _column("money", "Highest day", "Самый высокий день"),
    "import_date": _column("date", "Import", "Импорт"),
    "last_days": _column("count", "Last days", "Последние дни"),
    "lead": _column("money", "Lead over second place", "Отрыв от второго места"),
    "leader": _column("text", "Leader", "Лидер"),
    "leader_amount": _column("money", "Leader's 7-day average", "Среднее лидера за 7 дней"),
    "lowest": _column("money", "Lowest day", "Самый низкий день"),
    "month": _column("month", "Month", "Месяц"),
    "moving_average_7_days": _column("money", "7-day average", "Среднее за 7 дней"),
    "net_amount": _column("money", "Net of returns", "За вычетом возвратов"),
    "net_amount_before": _column(
        "money", "Net of returns, previous import", "За вычетом возвратов, прошлый импорт"
    ),
    "part_of_change": _column("share", "Contribution", "Вклад"),
    "period_before_amount": _column("money", "Days before", "Дни до них"),
    "previous_amount": _column("money", "Previous import", "Прошлый импорт"),
    "product_id": _column("id", "Product", "Товар"),
    "products": _column("count", "Products", "Товаров"),
    "reason": _column("text", "Reason", "Причина"),
    "region": _column("text", "Region", "Регион"),
    "rejected": _column("count", "Rejected rows", "Отклонено строк"),
    "rejected_rows": _column("count", "Rejected rows", "Отклонено строк"),
    "rejected_share": _column("share", "Rejected share", "Доля отклонённых"),
    "rejected_share_before": _column(
        "share", "Rejected share, previous import", "Доля отклонённых, прошлый импорт"
    ),
    "repaired": _column("count", "Repaired", "Исправлено"),
    "returned_share": _column("share", "Share returned", "Доля возвратов"),
    "rows_in": _column("count", "Rows in the feed", "Строк на входе"),
    "running_share": _column("share", "Running share", "Накопленная доля"),
    "sale_date": _column("day", "Day", "День"),
    "sales_rank": _column("rank", "Rank", "Место"),
    "set_aside": _column("count", "Set aside", "Отложено"),
    "share": _column("share", "Share", "Доля"),
    "share_of_best_day": _column(
        "share", "Share of the region's best day", "Доля от лучшего дня региона"
    ),
    "superseded": _column("count", "Superseded", "Заменено"),
    "table_name": _column("text", "Table", "Таблица"),
    "total_orders": _column("count", "Number of orders", "Число заказов"),
    "total_quantity": _column("quantity", "Units sold", "Продано штук"),
    "total_returns": _column("count", "Number of returns", "Число возвратов"),
    "total_returns_amount": _column("money", "Returned", "Возвращено"),
    "total_returns_amount_before": _column(
        "money", "Returned, previous import", "Возвращено, прошлый импорт"
    ),
    "total_sales": _column("count", "Number of sales", "Число продаж"),
    "total_sales_amount": _column("money", "Amount", "Сумма"),
    "total_sales_amount_before": _column(
        "money", "Amount, previous import", "Сумма, прошлый импорт"
    ),
    "total_sales_before": _column(
        "count", "Number of sales, previous import", "Число продаж, прошлый импорт"
    ),
    "year_before_amount": _column("money", "A year before", "Годом раньше"),
    "weekday": _column("weekday", "Weekday", "День"),
}
