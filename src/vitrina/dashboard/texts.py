"""Every word of the dashboards, in English and in Russian: one catalogue for all that draw.

A key is `<panel>.title`, `<panel>.question` or `<panel>.chart` (what the picture shows, for
those who hear it), `column.<name>`, `section.<name>` and so on. `{name}` is filled in by
whoever shows the text.
"""

from enum import StrEnum
from typing import NamedTuple


class Language(StrEnum):
    en = "en"
    ru = "ru"


class Text(NamedTuple):
    en: str
    ru: str


def text(key: str, language: Language) -> str:
    """The text under a key.

    >>> text("column.region", Language.ru)
    'Регион'
    """
    return TEXTS[key].ru if language is Language.ru else TEXTS[key].en


def reason(name: str, language: Language) -> str:
    """A reject reason in words: the field and what is wrong with it.

    >>> reason("sale_amount_too_many_decimals", Language.en)
    'amount: too many decimals'
    """
    if f"reason.{name}" in TEXTS:
        return text(f"reason.{name}", language)
    for rule in _RULES:
        field = name.removesuffix(f"_{rule}")
        if field != name:
            shown = text(f"field.{field}", language) if f"field.{field}" in TEXTS else field
            return f"{shown}: {text(f'rule.{rule}', language)}"
    return name


def value(name: str, language: Language) -> str:
    """A value of the data in words, where the catalogue has it: a region, a table, an engine.

    >>> value("North", Language.ru)
    'Север'
    """
    return text(f"value.{name}", language) if f"value.{name}" in TEXTS else name


TEXTS: dict[str, Text] = {
    # The page as a whole
    "page.title": Text("Sales of the store", "Продажи магазина"),
    "page.summary": Text(
        "Sales from {first_day} to {last_day}, imported on {import_date}",
        "Продажи с {first_day} по {last_day}, импорт от {import_date}",
    ),
    "page.filters": Text("Filters", "Фильтры"),
    "page.regions": Text("Regions", "Регионы"),
    "page.products": Text("Products", "Товары"),
    "page.product_hint": Text("number, Enter", "номер, Enter"),
    "page.chosen": Text("Chosen products", "Выбранные товары"),
    "page.product": Text("product {product}", "товар {product}"),
    "page.class": Text("{name}: {count} products, {share}", "{name}: товаров {count}, {share}"),
    "page.remove_product": Text("Remove product {product}", "Убрать товар {product}"),
    "page.no_such_product": Text("No such product: {product}", "Нет такого товара: {product}"),
    "page.reset": Text("Show everything", "Показать всё"),
    "page.theme": Text("Theme", "Тема"),
    "page.theme_auto": Text("As the system", "Как в системе"),
    "page.theme_light": Text("Light", "Светлая"),
    "page.theme_dark": Text("Dark", "Тёмная"),
    "page.skip": Text("Skip to the figures", "К показателям"),
    "page.table": Text("Table", "Таблица"),
    "page.whole": Text("all regions and products", "все регионы и товары"),
    "page.shown": Text("Shown: {what}", "Показано: {what}"),
    "page.not_by_region": Text("for all regions", "по всем регионам"),
    "page.not_by_product": Text("for all products", "по всем товарам"),
    "page.no_sales": Text(
        "No sales for this choice of regions and products.",
        "При таком выборе регионов и товаров продаж нет.",
    ),
    "page.no_lead": Text(
        "Nobody leads yet: the 7-day average starts on the seventh day with sales.",
        "Лидера пока нет: среднее за 7 дней начинается с седьмого дня продаж.",
    ),
    "page.no_rejects": Text("No row was rejected.", "Ни одна строка не отклонена."),
    "page.before": Text("{value} in the import before", "{value} в прошлом импорте"),
    "page.no_import_before": Text("no earlier import to compare", "сравнить пока не с чем"),
    "page.change_up": Text("up by {change}", "рост на {change}"),
    "page.change_down": Text("down by {change}", "спад на {change}"),
    "page.change_up_little": Text("up by less than {change}", "рост менее чем на {change}"),
    "page.change_down_little": Text("down by less than {change}", "спад менее чем на {change}"),
    "page.change_none": Text("unchanged", "без изменений"),
    "page.newest": Text("newest import: {import_date}", "последний импорт: {import_date}"),
    "page.lowest_day": Text("lowest day", "самый низкий день"),
    "page.highest_day": Text("highest day", "самый высокий день"),
    "page.exact": Text(
        "Every figure is that of the marts in ClickHouse, to the cent.",
        "Все показатели совпадают с витринами в ClickHouse до копейки.",
    ),
    "page.charts_by": Text("Charts: Vega-Lite", "Графики: Vega-Lite"),
    "page.no_script": Text(
        "The figures and charts need JavaScript, which is switched off here.",
        "Для показателей и графиков нужен JavaScript, а здесь он отключён.",
    ),
    # Sections
    "section.overview": Text("Overview", "Главное"),
    "section.days": Text("Day by day", "По дням"),
    "section.patterns": Text("Patterns", "Закономерности"),
    "section.products": Text("Regions and products", "Регионы и товары"),
    "section.trust": Text("Data quality", "Качество данных"),
    # Panels
    "total_sales_amount.title": Text("Total sales amount", "Сумма продаж"),
    "total_sales_amount.question": Text(
        "How much money came in, and is it more than in the import before?",
        "Сколько денег получено и больше ли, чем в прошлом импорте?",
    ),
    "total_sales.title": Text("Number of sales", "Число продаж"),
    "total_sales.question": Text(
        "How many sales were made, and are they more than in the import before?",
        "Сколько продаж сделано и больше ли, чем в прошлом импорте?",
    ),
    "average_sale_amount.title": Text("Average receipt", "Средний чек"),
    "average_sale_amount.question": Text(
        "How much does one sale bring, and is it more than in the import before?",
        "Сколько приносит одна продажа и больше ли, чем в прошлом импорте?",
    ),
    "rejected_share.title": Text("Rejected rows", "Отклонено строк"),
    "rejected_share.question": Text(
        "Which share of the feed could not be used?",
        "Какую долю исходных строк не удалось использовать?",
    ),
    "import_age.title": Text("Age of the last import", "Возраст последнего импорта"),
    "import_age.question": Text(
        "Are these the newest figures, or is an import overdue?",
        "Свежие ли это данные или очередной импорт опаздывает?",
    ),
    "average_gauge.title": Text("Average receipt in its range", "Средний чек в своём диапазоне"),
    "average_gauge.question": Text(
        "Where is the average receipt between its lowest and its highest day?",
        "Где средний чек между самым низким и самым высоким днём?",
    ),
    "average_gauge.chart": Text(
        "A scale from the lowest to the highest daily average receipt with a mark at the average",
        "Шкала от наименьшего до наибольшего среднего чека за день с отметкой среднего",
    ),
    "amount_by_day_region.title": Text("Amount by day and region", "Сумма по дням и регионам"),
    "amount_by_day_region.question": Text(
        "How does each region sell from day to day, and where is it heading?",
        "Как продаёт каждый регион день за днём и куда всё идёт?",
    ),
    "amount_by_day_region.chart": Text(
        "Lines over the days: the 7-day average of each region, its single days faint behind it",
        "Линии по дням: среднее каждого региона за 7 дней, за ним бледно отдельные дни",
    ),
    "amount_by_day.title": Text("Total by day", "Сумма по дням"),
    "amount_by_day.question": Text(
        "Which days were strong, which were weak?", "Какие дни были сильными, а какие слабыми?"
    ),
    "amount_by_day.chart": Text("An area over the days", "Область по дням"),
    "average_by_day.title": Text("Average receipt by day", "Средний чек по дням"),
    "average_by_day.question": Text(
        "Do customers spend more or less at a time than they did?",
        "Больше или меньше прежнего тратят за одну покупку?",
    ),
    "average_by_day.chart": Text("A line over the days", "Линия по дням"),
    "region_lead.title": Text("The regions' lead over time", "Лидерство регионов во времени"),
    "region_lead.question": Text(
        "Which region leads by its 7-day average, and by how much?",
        "Какой регион лидирует по среднему за 7 дней и с каким отрывом?",
    ),
    "region_lead.chart": Text(
        "A band over the days, coloured by the leading region; the line is its lead",
        "Полоса по дням, окрашенная по региону-лидеру; линия показывает его отрыв",
    ),
    "weekday_month.title": Text("Weekday and month", "Дни недели и месяцы"),
    "weekday_month.question": Text(
        "On which weekdays and in which months does a day bring most?",
        "В какие дни недели и месяцы день приносит больше всего?",
    ),
    "weekday_month.chart": Text(
        "A grid of months and weekdays: the stronger the colour, the larger a day's average amount",
        "Сетка месяцев и дней недели: чем насыщеннее, тем больше средняя сумма за день",
    ),
    "day_region.title": Text("Days and regions", "Дни и регионы"),
    "day_region.question": Text(
        "Do peaks and slumps come to all regions at once?",
        "Приходят ли подъёмы и спады во все регионы сразу?",
    ),
    "day_region.chart": Text(
        "A grid of days and regions: the stronger the colour, the larger the amount of the day",
        "Сетка дней и регионов: чем насыщеннее, тем больше сумма за день",
    ),
    "sales_by_region.title": Text("Sales by region", "Продажи по регионам"),
    "sales_by_region.question": Text(
        "Which regions bring the money?", "Какие регионы приносят деньги?"
    ),
    "sales_by_region.chart": Text(
        "A bar a region, the largest first", "Полоса на регион, сначала самые крупные"
    ),
    "pareto.title": Text("Pareto curve of the products", "Кривая Парето по товарам"),
    "pareto.question": Text(
        "How few products make most of the money?",
        "Сколько товаров дают большую часть денег?",
    ),
    "pareto.chart": Text(
        "The share of the amount that the best products make up together, by how many they are",
        "Доля суммы, которую вместе дают лучшие товары, по их числу",
    ),
    "top_products.title": Text("Top products", "Лучшие товары"),
    "top_products.question": Text(
        "Which products sell best, and what is each worth?",
        "Какие товары продаются лучше всех и сколько даёт каждый?",
    ),
    "rejects_by_reason.title": Text(
        "The price of data quality: rejects by reason",
        "Цена качества данных: отказы по причинам",
    ),
    "rejects_by_reason.question": Text(
        "Why were rows rejected, import by import? A row can have several reasons.",
        "Почему строки отклоняли в каждом импорте? У строки может быть несколько причин.",
    ),
    "rejects_by_reason.chart": Text(
        "A grid of imports and reasons: the stronger the colour, the more rows",
        "Сетка импортов и причин: чем насыщеннее, тем больше строк",
    ),
    "imports.title": Text("Total amount of each import", "Сумма каждого импорта"),
    "imports.question": Text(
        "How do the imports compare with each other?", "Как соотносятся импорты между собой?"
    ),
    "imports.chart": Text("A bar an import", "Столбец на импорт"),
    "control_totals.title": Text("Control totals", "Контрольные суммы"),
    "control_totals.question": Text(
        "Do Spark, PostgreSQL and ClickHouse agree to the cent?",
        "Сходятся ли Spark, PostgreSQL и ClickHouse до копейки?",
    ),
    # Alerts; `{count}` is how many imports are meant
    "alert.import_late.title": Text("An import is late", "Импорт опаздывает"),
    "alert.import_late.summary": Text(
        "The weekly import is late by more than a day. Look at the last run of the DAG `sales`.",
        "Недельный импорт опаздывает больше чем на сутки. Посмотрите последний запуск DAG `sales`.",
    ),
    "alert.rejected_share.title": Text("Many rows are rejected", "Отклонено много строк"),
    "alert.rejected_share.summary": Text(
        "The newest import lost more of its rows than usual. Look at the reasons, and at the feed.",
        "В последнем импорте отклонено необычно много строк. Посмотрите причины и исходные данные.",
    ),
    "alert.not_reconciled.title": Text("Totals do not reconcile", "Суммы не сходятся"),
    "alert.not_reconciled.summary": Text(
        "Imports whose totals differ between the engines: {count}. Do not use their figures; "
        "run `vitrina publish` for them again.",
        "Импортов, чьи суммы расходятся между движками: {count}. Не пользуйтесь их показателями; "
        "повторите для них `vitrina publish`.",
    ),
    # Grafana alone
    "grafana.single_days": Text("{region}, single days", "{region}, отдельные дни"),
    "grafana.other_language": Text("По-русски", "In English"),
    "weekday.1": Text("Monday", "понедельник"),
    "weekday.2": Text("Tuesday", "вторник"),
    "weekday.3": Text("Wednesday", "среда"),
    "weekday.4": Text("Thursday", "четверг"),
    "weekday.5": Text("Friday", "пятница"),
    "weekday.6": Text("Saturday", "суббота"),
    "weekday.7": Text("Sunday", "воскресенье"),
    # Variables
    "variable.import_date": Text("Import", "Импорт"),
    "variable.region": Text("Region", "Регион"),
    "variable.product": Text("Product", "Товар"),
    # Columns
    "column.abc_class": Text("ABC class", "Класс ABC"),
    "column.age_days": Text("Age, days", "Возраст, дней"),
    "column.agrees": Text("Agrees", "Сходится"),
    "column.average_day_amount": Text("Average amount of a day", "Средняя сумма за день"),
    "column.average_sale_amount": Text("Average receipt", "Средний чек"),
    "column.average_sale_amount_before": Text(
        "Average receipt, import before", "Средний чек, прошлый импорт"
    ),
    "column.change": Text("Change", "Изменение"),
    "column.clean": Text("Clean rows", "Чистых строк"),
    "column.collapsed": Text("Collapsed copies", "Схлопнуто копий"),
    "column.days": Text("Days", "Дней"),
    "column.engine": Text("Engine", "Движок"),
    "column.highest": Text("Highest day", "Самый высокий день"),
    "column.import_date": Text("Import", "Импорт"),
    "column.lead": Text("Lead over the second", "Отрыв от второго"),
    "column.leader": Text("Leader", "Лидер"),
    "column.leader_amount": Text("Leader's 7-day average", "Среднее лидера за 7 дней"),
    "column.lowest": Text("Lowest day", "Самый низкий день"),
    "column.month": Text("Month", "Месяц"),
    "column.moving_average_7_days": Text("7-day average", "Среднее за 7 дней"),
    "column.product_id": Text("Product", "Товар"),
    "column.reason": Text("Reason", "Причина"),
    "column.region": Text("Region", "Регион"),
    "column.rejected": Text("Rejected rows", "Отклонено строк"),
    "column.rejected_rows": Text("Rejected rows", "Отклонено строк"),
    "column.rejected_share": Text("Rejected share", "Доля отклонённых"),
    "column.rejected_share_before": Text(
        "Rejected share, import before", "Доля отклонённых, прошлый импорт"
    ),
    "column.rows_in": Text("Rows in the feed", "Строк на входе"),
    "column.running_share": Text("Running share", "Доля нарастающим итогом"),
    "column.sale_date": Text("Day", "День"),
    "column.sales_rank": Text("Rank", "Место"),
    "column.share": Text("Share", "Доля"),
    "column.table_name": Text("Table", "Таблица"),
    "column.total_quantity": Text("Units sold", "Продано штук"),
    "column.total_sales": Text("Number of sales", "Число продаж"),
    "column.total_sales_amount": Text("Amount", "Сумма"),
    "column.total_sales_amount_before": Text("Amount, import before", "Сумма, прошлый импорт"),
    "column.total_sales_before": Text(
        "Number of sales, import before", "Число продаж, прошлый импорт"
    ),
    "column.weekday": Text("Weekday", "День недели"),
    # Flags, units and levels
    "flag.yes": Text("yes", "да"),
    "flag.no": Text("no", "нет"),
    "unit.days": Text("{count} d", "{count} дн."),
    "level.good": Text("good", "хорошо"),
    "level.warning": Text("attention", "внимание"),
    "level.bad": Text("bad", "плохо"),
    # Values of the data
    "value.North": Text("North", "Север"),
    "value.South": Text("South", "Юг"),
    "value.East": Text("East", "Восток"),
    "value.West": Text("West", "Запад"),
    "value.spark": Text("Spark", "Spark"),
    "value.postgresql": Text("PostgreSQL", "PostgreSQL"),
    "value.clickhouse": Text("ClickHouse", "ClickHouse"),
    "value.generated": Text("generated", "сгенерировано"),
    "value.sale": Text("sales", "продажи"),
    "value.sales_by_region_product": Text("by region and product", "по регионам и товарам"),
    "value.sales_by_region": Text("by region", "по регионам"),
    "value.sales_by_product": Text("by product", "по товарам"),
    "value.sales_by_day": Text("by day and region", "по дням и регионам"),
    # Reject reasons: a field and a rule, or one of its own
    "reason.conflicting_duplicate": Text(
        "same sale, different contents", "одна продажа, разное содержимое"
    ),
    "reason.region_unknown": Text("region: unknown", "регион: неизвестен"),
    "field.sale_id": Text("sale number", "номер продажи"),
    "field.customer_id": Text("customer", "покупатель"),
    "field.product_id": Text("product", "товар"),
    "field.quantity": Text("quantity", "количество"),
    "field.sale_date": Text("day", "день"),
    "field.sale_amount": Text("amount", "сумма"),
    "field.region": Text("region", "регион"),
    "rule.missing": Text("missing", "нет значения"),
    "rule.not_an_integer": Text("not a whole number", "не целое число"),
    "rule.not_a_number": Text("not a number", "не число"),
    "rule.too_many_decimals": Text("too many decimals", "лишние знаки после запятой"),
    "rule.below_minimum": Text("too small", "меньше допустимого"),
    "rule.above_maximum": Text("too large", "больше допустимого"),
    "rule.malformed": Text("not a date", "не дата"),
    "rule.impossible": Text("no such day", "нет такого дня"),
    "rule.in_the_future": Text("in the future", "в будущем"),
    "rule.before_the_window": Text("before the batch", "раньше периода"),
    "rule.unknown": Text("unknown", "неизвестно"),
}

_RULES = tuple(key.removeprefix("rule.") for key in TEXTS if key.startswith("rule."))
