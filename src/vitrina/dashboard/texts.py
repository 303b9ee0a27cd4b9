"""Words in English and in Russian, and those that belong to no panel, column or alert.

A key is `page.<what>`, `section.<name>` and so on. `{name}` is filled in by whoever shows the
text.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from vitrina.rules import CONFLICTING_DUPLICATE, WRONG_WIDTH, Rule


class Language(StrEnum):
    en = "en"
    ru = "ru"


class Words(NamedTuple):
    """The same in every language."""

    en: str
    ru: str

    def of(self, language: Language) -> str:
        return self.ru if language is Language.ru else self.en


def text(key: str, language: Language) -> str:
    """The text under a key.

    >>> text("section.days", Language.ru)
    'По дням'
    """
    return TEXTS[key].of(language)


def reason(name: str, language: Language) -> str:
    """A reject reason in words: the field and what is wrong with it.

    >>> reason("sale_amount_too_many_decimals", Language.en)
    'amount: too many decimals'
    """
    if f"reason.{name}" in TEXTS:
        return text(f"reason.{name}", language)
    if width := re.match(WRONG_WIDTH, name):
        found, expected = width.groups()
        return text("reason.wrong_width", language).format(found=found, expected=expected)
    for rule in Rule:
        field = name.removesuffix(f"_{rule}")
        if field != name:
            shown = text(f"field.{field}", language) if f"field.{field}" in TEXTS else field
            return f"{shown}: {text(f'rule.{rule}', language)}"
    return name


def value(name: str, language: Language) -> str:
    """A value of the data in words, where there are any: a region, a table, an engine.

    >>> value("North", Language.ru)
    'Север'
    """
    return text(f"value.{name}", language) if f"value.{name}" in TEXTS else name


TEXTS: dict[str, Words] = {
    # The page as a whole
    "page.title": Words("{title}: sales", "{title}: продажи"),
    "page.summary": Words(
        "Sales from {first_day} to {last_day}, imported on {import_date}",
        "Продажи с {first_day} по {last_day}, импорт от {import_date}",
    ),
    "page.filters": Words("Filters", "Фильтры"),
    "page.regions": Words("Regions", "Регионы"),
    "page.more_regions": Words("{count} more", "ещё {count}"),
    "page.rest": Words("other regions", "другие регионы"),
    "page.products": Words("Products", "Товары"),
    "page.product_hint": Words("number or code", "номер или код"),
    "page.chosen": Words("Chosen products", "Выбранные товары"),
    "page.product": Words("product {product}", "товар {product}"),
    "page.class": Words("{name}: {count} products, {share}", "{name}: товаров {count}, {share}"),
    "page.remove_product": Words("Remove product {product}", "Убрать товар {product}"),
    "page.no_such_product": Words("No such product: {product}", "Нет такого товара: {product}"),
    "page.reset": Words("Show everything", "Показать всё"),
    "page.theme": Words("Theme", "Тема"),
    "page.theme_auto": Words("Same as the system", "Как в системе"),
    "page.theme_light": Words("Light", "Светлая"),
    "page.theme_dark": Words("Dark", "Тёмная"),
    "page.skip": Words("Skip to the figures", "К показателям"),
    "page.table": Words("Table", "Таблица"),
    "page.whole": Words("all regions and products", "все регионы и товары"),
    "page.shown": Words("Shown: {what}", "Показано: {what}"),
    "page.not_by_region": Words("for all regions", "по всем регионам"),
    "page.not_by_product": Words("for all products", "по всем товарам"),
    "page.no_sales": Words(
        "No sales for these regions and products.",
        "По выбранным регионам и товарам продаж нет.",
    ),
    "page.before": Words("{value} in the previous import", "{value} в прошлом импорте"),
    "page.no_import_before": Words(
        "no previous import to compare with", "прошлого импорта для сравнения нет"
    ),
    "page.change_up": Words("up by {change}", "рост на {change}"),
    "page.change_down": Words("down by {change}", "спад на {change}"),
    "page.change_up_little": Words("up by less than {change}", "рост менее чем на {change}"),
    "page.change_down_little": Words("down by less than {change}", "спад менее чем на {change}"),
    "page.change_none": Words("unchanged", "без изменений"),
    "page.newest": Words("newest import: {import_date}", "последний импорт: {import_date}"),
    "page.lowest_day": Words("lowest day", "самый низкий день"),
    "page.highest_day": Words("highest day", "самый высокий день"),
    "page.exact": Words(
        "Every figure matches the marts in ClickHouse to the cent.",
        "Все показатели совпадают с витринами в ClickHouse до копейки.",
    ),
    "page.charts_by": Words("Charts: Vega-Lite", "Графики: Vega-Lite"),
    "page.no_script": Words(
        "The figures and charts need JavaScript, which is turned off in this browser.",
        "Для показателей и графиков нужен JavaScript, а в этом браузере он отключён.",
    ),
    # Sections
    "section.overview": Words("Overview", "Главное"),
    "section.days": Words("Day by day", "По дням"),
    "section.patterns": Words("Patterns", "Закономерности"),
    "section.products": Words("Regions and products", "Регионы и товары"),
    "section.quality": Words("Data quality", "Качество данных"),
    # Grafana alone
    "grafana.single_days": Words("{region}, single days", "{region}, отдельные дни"),
    "grafana.newest": Words("newest", "последний"),
    "grafana.no_import": Words("no import yet", "импорта пока нет"),
    "grafana.no_sales": Words("no sales yet", "продаж пока нет"),
    "grafana.no_import_or_sales": Words(
        "no import yet, or no sales for what is chosen",
        "импорта пока нет, или по выбранному нет продаж",
    ),
    "grafana.other_language": Words("По-русски", "In English"),
    "weekday.1": Words("Monday", "понедельник"),
    "weekday.2": Words("Tuesday", "вторник"),
    "weekday.3": Words("Wednesday", "среда"),
    "weekday.4": Words("Thursday", "четверг"),
    "weekday.5": Words("Friday", "пятница"),
    "weekday.6": Words("Saturday", "суббота"),
    "weekday.7": Words("Sunday", "воскресенье"),
    # Variables
    "variable.import_date": Words("Import", "Импорт"),
    "variable.region": Words("Region", "Регион"),
    "variable.product": Words("Product", "Товар"),
    # Flags, units and levels
    "flag.yes": Words("yes", "да"),
    "flag.no": Words("no", "нет"),
    "unit.days.one": Words("{count} day", "{count} день"),
    "unit.days.few": Words("{count} days", "{count} дня"),
    "unit.days.many": Words("{count} days", "{count} дней"),
    "unit.days.other": Words("{count} days", "{count} дня"),
    "level.good": Words("good", "хорошо"),
    "level.warning": Words("warning", "внимание"),
    "level.bad": Words("bad", "плохо"),
    # Values of the data
    "value.North": Words("North", "Север"),
    "value.South": Words("South", "Юг"),
    "value.East": Words("East", "Восток"),
    "value.West": Words("West", "Запад"),
    "value.spark": Words("Spark", "Spark"),
    "value.postgresql": Words("PostgreSQL", "PostgreSQL"),
    "value.clickhouse": Words("ClickHouse", "ClickHouse"),
    "value.sale": Words("sales", "продажи"),
    "value.sales_by_region_product": Words("by region and product", "по регионам и товарам"),
    "value.sales_by_region": Words("by region", "по регионам"),
    "value.sales_by_product": Words("by product", "по товарам"),
    "value.sales_by_day": Words("by day and region", "по дням и регионам"),
    # Reject reasons: a field and a rule, or one of its own
    f"reason.{CONFLICTING_DUPLICATE}": Words(
        "same sale, different contents", "та же продажа, другие данные"
    ),
    "reason.region_unknown": Words("region: unknown", "регион: неизвестен"),
    "field.sale_id": Words("sale number", "номер продажи"),
    "field.customer_id": Words("customer", "покупатель"),
    "field.product_id": Words("product", "товар"),
    "field.quantity": Words("quantity", "количество"),
    "field.sale_date": Words("day", "день"),
    "field.sale_amount": Words("amount", "сумма"),
    "field.region": Words("region", "регион"),
    "rule.missing": Words("missing", "нет значения"),
    "rule.not_an_integer": Words("not a whole number", "не целое число"),
    "rule.not_a_number": Words("not a number", "не число"),
    "rule.too_many_decimals": Words("too many decimals", "лишние знаки после запятой"),
    "rule.below_minimum": Words("too small", "меньше допустимого"),
    "rule.above_maximum": Words("too large", "больше допустимого"),
    "rule.malformed": Words("cannot be read", "не читается"),
    "rule.mangled": Words("spoilt by a spreadsheet", "испорчено таблицей"),
    "rule.impossible": Words("no such day", "нет такого дня"),
    "rule.in_the_future": Words("in the future", "в будущем"),
    "rule.before_the_window": Words("before the period", "раньше периода"),
    "rule.unknown": Words("unknown", "неизвестно"),
    "reason.sale_date_malformed": Words("day: not a date", "день: не дата"),
    # Reasons of whole rows
    "reason.wrong_width": Words(
        "row: {found} fields instead of {expected}", "строка: полей {found} вместо {expected}"
    ),
    "reason.currency_other": Words("another currency", "другая валюта"),
    "reason.key_repeated": Words("row: a key twice", "строка: ключ повторяется"),
    "reason.line_cut_off": Words("row: cut off", "строка: обрывается"),
    "reason.not_an_object": Words("row: not a JSON object", "строка: не объект JSON"),
    "reason.not_json": Words("row: not JSON", "строка: не JSON"),
    "reason.stray_quote": Words("row: a quote out of place", "строка: лишняя кавычка"),
    "reason.unclosed_quote": Words("row: a quote not closed", "строка: незакрытая кавычка"),
}
