"""Which column of a file is what: by its name, and fit by what it holds."""

import re
from collections.abc import Iterator, Sequence

from vitrina.exports import header
from vitrina.exports.inspection.evidence import share_of_days, share_of_numbers
from vitrina.exports.inspection.sampling import Sample

SOME, MOSTLY = 0.25, 0.9
"""Shares: of a column whose name fits, and of one that has nothing but what it holds."""

_NAMES = {
    "sale_date": (
        "sale date, sold at, sold on, date of sale, order date, orderdate, invoice date, "
        "invoicedate, created at, created date, purchase date, transaction date, posted date time, "
        "date, day, дата продажи, дата заказа, принят в обработку, дата"
    ),
    "discount": "lineitem discount, line item discount, line discount, item discount",
    "refunded": "refunded amount, amount refunded, refund amount, сумма возврата",
    "quantity": (
        "quantity, qty, quantityordered, quantity ordered, quantity purchased, "
        "lineitem quantity, pieces, units, items sold, count, количество, кол во, кол-во, шт"
    ),
    "sale_amount": (
        "sale amount, amount, sales, line total, total amount, total price, total, revenue, sum, "
        "net sales, сумма продажи, сумма, стоимость, всего, оплачено покупателем, "
        "вайлдберриз реализовал товар (пр)"
    ),
    "price": (
        "unit price, unitprice, price each, priceeach, lineitem price, item price, price, "
        "цена за единицу, ваша цена, цена"
    ),
    "customer_id": (
        "customer id, customerid, customer unique id, client id, user id, buyer id, email, "
        "customer, client, buyer, customername, customer name, код клиента, клиент, покупатель, "
        "контрагент"
    ),
    "product_id": (
        "product id, productid, stockcode, stock code, sku, productcode, product code, item id, "
        "article, lineitem sku, product, item, lineitem name, description, код номенклатуры, "
        "артикул, код товара, штрихкод, номенклатура, товар, название товара"
    ),
    "region": (
        "region, sales region, territory, country, shipping country, state, province, "
        "customer state, city, location, store, shop, marketplace name, регион, область, страна, "
        "кластер доставки, город, склад, магазин, филиал"
    ),
    "sale_id": (
        "sale id, saleid, row id, line id, order line, transaction id, sale, id продажи, "
        "номер продажи, номер чека, чек, id, №, номер"
    ),
    "order": (
        "order id, orderid, order number, ordernumber, order no, order, invoiceno, invoice no, "
        "invoice, receipt, receipt id, name, номер заказа, номер отправления, заказ, документ, "
        "номер документа"
    ),
    "line": "orderlinenumber, order line number, line number, line no, order item id, строка",
    "item": "order item code, srid",
    "currency": "currency, currency code, валюта, код валюты, код валюты товара",
    "status": (
        "status, order status, financial status, transaction type, event type, type, статус, "
        "тип документа, обоснование для оплаты"
    ),
    "cancelled": "cancelled at, canceled at, cancelled on, cancellation date, дата отмены",
    "version": "updated at, modified at, last modified, version, изменён, дата изменения",
}
"""What columns are called, the surest names first."""

_ROLES = {
    role: [header.alike(each) for each in names.split(", ")] for role, names in _NAMES.items()
}
_ALONE = frozenset(map(header.alike, ("id", "name", "№", "номер", "type", "sale")))
"""Names that say nothing as one word of several: a product's name, a customer's type."""
_MORE_STATUSES = frozenset(
    map(header.alike, ("amount type", "amount description", "вид операции", "тип операции"))
)
_OTHER_DAYS = re.compile(r"ship|deliver|limit|due|expir|birth|deposit|start|end|отгруз|достав")
"""Names of days that are not a sale's."""
_UNIX = re.compile(r"1[0-9]{9}")


def filled(cells: Sequence[str | None]) -> list[str]:
    """The cells that have a value."""
    return [cell for cell in cells if cell]


def is_unix(values: Sequence[str]) -> bool:
    """Whether they are seconds since 1970, of this century."""
    return bool(values) and all(map(_UNIX.fullmatch, values))


def roles_of(seen: Sample) -> dict[str, str]:
    """A column for each role that one is found for."""
    roles: dict[str, str] = {}
    for role in _NAMES:
        free = [name for name in seen.columns if name not in roles.values()]
        fitting = [name for name in free if _fits(role, filled(seen.columns[name]))]
        if role == "sale_date":
            fitting = [name for name in fitting if not _OTHER_DAYS.search(name.casefold())]
        if (found := named(role, fitting)) is not None:
            roles[role] = found
    if "sale_date" not in roles:
        dates = [
            name
            for name, cells in seen.columns.items()
            if share_of_days(filled(cells)) > MOSTLY and not _OTHER_DAYS.search(name.casefold())
        ]
        if len(dates) == 1:
            roles["sale_date"] = dates[0]
    if {"sale_amount", "currency"} <= roles.keys():
        roles["currency"] = _currency_of(roles["sale_amount"], roles["currency"], [*seen.columns])
    return roles


def _currency_of(amount: str, found: str, names: list[str]) -> str:
    """Of several columns with a currency, the one that stands beside the amount's."""
    place = names.index(amount)
    beside = names[place + 1 : place + 2] + names[max(place - 1, 0) : place]
    return next((name for name in beside if named("currency", [name])), found)


def statuses(seen: Sample, roles: dict[str, str]) -> Iterator[str]:
    """The columns that may say what a row is."""
    for name in seen.columns:
        taken = name in roles.values() and name != roles.get("status")
        known = {*_ROLES["status"], *_MORE_STATUSES}
        if not taken and (header.alike(name) in known or name == roles.get("status")):
            yield name


def named(role: str, names: Sequence[str]) -> str | None:
    """The name that is surest to be the role's: itself, or one that has it in it as words."""
    alike = {name: header.alike(name) for name in names}
    for known in _ROLES[role]:
        for name, key in alike.items():
            if key == known:
                return name
    for known in _ROLES[role]:
        if known in _ALONE:
            continue
        words = known.split("_")
        for name, key in alike.items():
            found = re.split(r"[_.,()/]+", key)
            if any(found[at : at + len(words)] == words for at in range(len(found))):
                return name
    return None


def _fits(role: str, values: Sequence[str]) -> bool:
    if role == "sale_date":
        return share_of_days(values) > SOME or is_unix(values)
    if role in {"quantity", "sale_amount", "price", "discount", "refunded"}:
        return share_of_numbers(values) > SOME
    if role == "cancelled":
        return True
    if role == "version":
        return bool(values)
    return bool(values) and share_of_days(values) < MOSTLY
