"""Inspect: what a store's files hold, and a `store.toml` that would read them.

Nothing here decides: a run does what the file says. Each guess stands there with what speaks for
it; where two readings are possible, both stand there, and a person chooses.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vitrina.errors import ExportError
from vitrina.exports import header
from vitrina.exports.evidence import (
    Numbers,
    days_of,
    disagreements,
    numbers_of,
    share_of_days,
    share_of_numbers,
)
from vitrina.exports.files import FORMATS, find, unpacked_name
from vitrina.exports.reference import SCHEMA_FILE
from vitrina.exports.sampling import ROWS, Sample, sample
from vitrina.exports.store_file import Source
from vitrina.exports.unpacking import Unpacked, members
from vitrina.output import output
from vitrina.visible import revealed

_FILES = 20
"""Files that are looked into; of the rest only the names are listed."""
_FEW, _SHORT = 50, 12
"""Regions that are worth a list: where it mends spellings, and where it does not."""

_NAMES = {
    "sale_date": (
        "sale date, sold at, sold on, date of sale, order date, orderdate, invoice date, "
        "invoicedate, created at, purchase date, transaction date, posted date time, date, day, "
        "дата продажи, дата заказа, принят в обработку, дата"
    ),
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
        "customer state, city, store, shop, marketplace name, регион, область, страна, город, "
        "склад, магазин, филиал"
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
    "currency": "currency, currency code, валюта, код валюты, код валюты товара",
    "status": (
        "status, order status, financial status, transaction type, type, статус, тип документа, "
        "обоснование для оплаты"
    ),
    "version": "updated at, modified at, last modified, version, изменён, дата изменения",
}
"""What columns are called, the surest names first."""

_ROLES = {
    role: [header.alike(each) for each in names.split(", ")] for role, names in _NAMES.items()
}
_TOTALS = ("Итого", "Всего", "Grand total", "Grand Total", "Subtotal", "Total", "TOTAL")
_QUESTIONS = {
    "sale_id": "which column tells one sale from another",
    "product_id": "which column is the product",
    "quantity": "which column is the quantity",
    "sale_date": "which column is the day",
    "sale_amount": "which column is the money",
    "region": "which column is where it was sold",
}


@dataclass(frozen=True)
class Proposal:
    """A proposed `store.toml`, and what there is to say of the files."""

    text: str
    findings: list[str]


def propose(paths: Sequence[Path]) -> Proposal:
    """Look into files, or folders of them, and propose a store file that reads them.

    The paths stand in it as they are given, so it belongs into the folder that they start from.

    Raises:
        ExportError: there is no file to look into, or none that can be read.
    """
    findings: list[str] = []
    samples = list(_samples(paths, findings))
    if not samples:
        raise ExportError("; ".join(findings) or "there is no file to look into")
    whole = _joined(samples, findings)
    # The first line is for editors.
    text = f"#:schema {SCHEMA_FILE.as_uri()}\n{_Draft(paths, whole, findings).text()}"
    return Proposal(text, findings)


def write_new(proposal: Proposal, file: Path) -> None:
    """Write the proposed file, where none is yet.

    Raises:
        SettingsError: there is one, or the folder cannot be written.
    """
    with output(file, "--out") as stream:
        stream.write(proposal.text)


# Files


def _samples(paths: Sequence[Path], findings: list[str]) -> Iterator[Sample]:
    source = Source.model_construct(
        files=tuple(map(_entry, paths)), folder=Path(), format=None, postgres=None
    )
    listing = find(source)
    findings += listing.nothing
    findings += [f"{each.name} is passed over: {each.why}" for each in listing.passed_over]
    if len(listing.files) > _FILES:
        findings.append(f"of {len(listing.files):,} files, the first {_FILES} were looked into")
    for found in listing.files[:_FILES]:
        try:
            for file in members(found.name, found.open).files:
                yield _told(sample(file), file, findings)
        except ExportError as error:
            findings.append(str(error))


def _entry(path: Path) -> str:
    return path.as_posix()


def _told(seen: Sample, file: Unpacked, findings: list[str]) -> Sample:
    more = "+" if seen.rows >= ROWS else ""
    findings.append(
        f"{file.name}: {file.format}, {seen.rows:,}{more} rows, {len(seen.columns)} columns: "
        f"{header.listed(list(seen.columns))}"
    )
    findings += seen.findings
    return seen


def _joined(samples: Sequence[Sample], findings: list[str]) -> Sample:
    """All files like the first as one: its columns that every one of them has."""
    first = samples[0]
    alike = [
        each
        for each in samples
        if each.format == first.format
        and 2 * len(each.columns.keys() & first.columns.keys()) >= len(first.columns)
    ]
    for other in samples:
        if other not in alike:
            findings.append(f"{other.name} is unlike {first.name}: give it a store file of its own")
        elif other.columns.keys() != first.columns.keys():
            new = [name for name in other.columns if name not in first.columns]
            gone = [name for name in first.columns if name not in other.columns]
            told = [f"it also has {header.listed(new)}"] * bool(new)
            told += [f"it lacks {header.listed(gone)}"] * bool(gone)
            findings.append(f"{other.name}, compared with {first.name}: {'; '.join(told)}")
    shared = [name for name in first.columns if all(name in each.columns for each in alike)]
    columns = {name: [cell for each in alike for cell in each.columns[name]] for name in shared}
    texts = {name: [cell for each in alike for cell in each.texts[name]] for name in shared}
    dialects = {(each.encoding, each.delimiter) for each in alike}
    if len(dialects) > 1:
        findings.append(
            f"the files are written in {len(dialects)} ways (encoding, delimiter): "
            f"{', '.join(map(str, sorted(dialects)))}; each needs a store file of its own"
        )
    return Sample(
        first.name, first.format, columns, texts, first.encoding, first.delimiter, first.sheet
    )


# Which column is what


def _without_totals(seen: Sample) -> tuple[Sample, list[str]]:
    """The sample without rows of totals, and how these begin."""
    if not seen.columns:
        return seen, []
    first = next(iter(seen.columns.values()))
    begins = [
        next((word for word in _TOTALS if (cell or "").startswith(word)), "") for cell in first
    ]
    kept = [number for number, word in enumerate(begins) if not word]
    columns, texts = (
        {name: [cells[number] for number in kept] for name, cells in table.items()}
        for table in (seen.columns, seen.texts)
    )
    return replace(seen, columns=columns, texts=texts), sorted({word for word in begins if word})


def _filled(cells: Sequence[str | None]) -> list[str]:
    return [cell for cell in cells if cell]


def _roles(seen: Sample) -> dict[str, str]:
    """A column for each role that one is found for: by its name, and fit by what it holds."""
    roles: dict[str, str] = {}
    for role in _NAMES:
        free = [name for name in seen.columns if name not in roles.values()]
        fitting = [name for name in free if _fits(role, _filled(seen.columns[name]))]
        if (named := _named(role, fitting)) is not None:
            roles[role] = named
    if "sale_date" not in roles:
        dates = [
            name for name, cells in seen.columns.items() if share_of_days(_filled(cells)) > _MOSTLY
        ]
        if len(dates) == 1:
            roles["sale_date"] = dates[0]
    return roles


def _fits(role: str, values: Sequence[str]) -> bool:
    if role == "sale_date":
        return share_of_days(values) > _SOME or _is_unix(values)
    if role in ("quantity", "sale_amount", "price"):
        return share_of_numbers(values) > _SOME
    if role == "version":
        return bool(values)
    return bool(values) and share_of_days(values) < _MOSTLY


def _is_unix(values: Sequence[str]) -> bool:
    """Whether they are seconds since 1970, of this century."""
    return bool(values) and all(map(_UNIX.fullmatch, values))


_SOME, _MOSTLY = 0.25, 0.9
"""Shares: of a column whose name fits, and of one that has nothing but what it holds."""
_UNIX = re.compile(r"1[0-9]{9}")


def _named(role: str, names: Sequence[str]) -> str | None:
    """The name that is surest to be the role's: itself, or one that has it in it as words."""
    alike = {name: header.alike(name) for name in names}
    for known in _ROLES[role]:
        for name, key in alike.items():
            if key == known:
                return name
    for known in _ROLES[role]:
        words = known.split("_")
        for name, key in alike.items():
            found = re.split(r"[_.,()/]+", key)
            if any(found[at : at + len(words)] == words for at in range(len(found))):
                return name
    return None


# The text


class _Draft:
    """The proposed file, put together part by part."""

    def __init__(self, paths: Sequence[Path], seen: Sample, findings: list[str]) -> None:
        self._paths = paths
        self._seen, self._totals = _without_totals(seen)
        self._findings = findings
        self._roles = _roles(self._seen)
        self._numbers = self._numbers_of("quantity", "sale_amount", "price")
        money = "sale_amount" if "sale_amount" in self._roles else "price"
        self._decimals = self._numbers_of(money).decimals
        self._needs_order = False

    def text(self) -> str:
        """The whole file."""
        fields = self._fields()
        parts = [
            "# A proposal, made of what the files hold. A run does exactly what stands here:",
            "# look at each line. What is behind # is a question, or another way to read it.",
            f"# Looked at: {_count(self._seen.rows, 'row')}; first, {revealed(self._seen.name)}.",
            "",
            *self._store(),
            "",
            "[source]",
            *self._source(),
            *self._dialect(),
            *self._marks(),
            "",
            "[source.fields]",
            *fields,
        ]
        return "\n".join(parts) + "\n"

    def _values(self, role: str) -> list[str]:
        return _filled(self._cells(role))

    def _cells(self, role: str) -> list[str | None]:
        return self._seen.columns[self._roles[role]]

    def _numbers_of(self, *roles: str) -> Numbers:
        written = [
            cell
            for role in roles
            if role in self._roles
            for cell in _filled(self._seen.texts[self._roles[role]])
        ]
        return numbers_of(written)

    def _ask(self, question: str) -> None:
        self._findings.append(f"to decide: {question}")

    # Store and source

    def _store(self) -> list[str]:
        name = _slug(self._paths[0])
        lines = [
            "# Names its schema in PostgreSQL and its database in ClickHouse.",
            f"name = {_toml(name)}",
            f"title = {_toml(name.replace('_', ' ').capitalize())}",
        ]
        if self._has_times():
            self._ask("time_zone, since the files have times: where do the store's days begin?")
            lines += ["# The files have times: say where the store's days begin.", _TIME_ZONE]
        counts = self._currencies()
        if counts:
            code = counts.most_common(1)[0][0]
            told = ", ".join(f"{each} in {count:,} rows" for each, count in counts.most_common())
            lines += [f"# Seen: {told}; rows of another are rejected.", f"currency = {_toml(code)}"]
        else:
            lines += ["# Of all amounts; nothing in the files tells.", '# currency = "EUR"']
        return lines

    def _has_times(self) -> bool:
        found = days_of(self._values("sale_date")) if "sale_date" in self._roles else None
        return found is not None and found.has_times

    def _currencies(self) -> Counter[str]:
        counts = Counter(self._numbers.currencies)
        if "currency" in self._roles:
            counts.update(
                value for value in self._values("currency") if re.fullmatch("[A-Z]{3}", value)
            )
        return counts

    def _source(self) -> list[str]:
        lines = [f"files = {_list(map(_entry, self._paths))}"]
        known = FORMATS.get(Path(unpacked_name(self._seen.name)[0]).suffix.lower())
        if known != self._seen.format:
            lines.append(f"format = {_toml(self._seen.format)}")
        if self._totals:
            lines += [
                "# Rows that begin so were seen, and are no sales.",
                f"totals = {_list(self._totals)}",
            ]
        if self._needs_order:
            order = self._roles.get("order") or self._roles["sale_id"]
            lines += ["# Equal in the lines of one order.", f"order = {_list([order])}"]
        if "currency" in self._roles:
            lines.append(f"currency = {{ column = {_toml(self._roles['currency'])} }}")
        return lines + self._fates()

    def _fates(self) -> list[str]:
        """What only the store knows: which rows are no sales, and which of two is the newest."""
        lines = []
        if "status" in self._roles:
            name = self._roles["status"]
            counts = Counter(self._values("status")).most_common(_FEW)
            told = ", ".join(f"{value} ({count:,})" for value, count in counts[:10])
            self._ask(f"which values of {name} are sales, and which returns: {told}")
            lines += [
                f"# {revealed(name)} has {revealed(told)}: say which are no sales, or are returns.",
                (
                    f"# rows = [{{ column = {_toml(name)}, equals = [{_toml(counts[-1][0])}], "
                    'fate = "set aside" }]'
                ),
            ]
        if "version" in self._roles:
            lines += [
                "# If a later file corrects an earlier one: the greatest value is the newest.",
                f"# versions = {{ column = {_toml(self._roles['version'])} }}",
            ]
        return lines

    def _dialect(self) -> list[str]:
        seen = self._seen
        if seen.format == "xlsx" and seen.sheet is not None:
            return ["", "[source.xlsx]", f"sheets = {_list([seen.sheet])}"]
        lines = []
        if seen.format == "csv" and seen.delimiter != ",":
            lines.append(f"delimiter = {_toml(seen.delimiter)}")
        if seen.format == "csv" and seen.encoding != "utf-8":
            lines.append(f"encoding = {_toml(seen.encoding)}")
        return ["", "[source.csv]", *lines] if lines else []

    def _marks(self) -> list[str]:
        found = self._numbers
        lines = []
        if found.decimal == ",":
            lines.append('decimal = ","')
        if found.thousands:
            lines.append(f"thousands = {_toml(found.thousands)}")
        if found.contrary:
            self._ask(f"{found.contrary} numbers have another decimal mark than most")
            lines.append(
                f"# {found.contrary} numbers have another decimal mark; they are rejected."
            )
        if found.unclear:
            self._ask(f"{found.unclear} numbers are like 1,234: thousands, or three decimals?")
            lines.append(
                f"# {found.unclear} numbers are like 1,234: say which mark is which with decimal "
                "and thousands."
            )
        if self._decimals > 2:
            self._ask(f"money has up to {self._decimals} decimals: round amounts, or keep more?")
            lines += [
                (
                    f"# Money has up to {self._decimals} decimals. Round amounts, or give "
                    "sale_amount decimals; else such rows are rejected."
                ),
                "# round = true",
            ]
        return ["", "[source.numbers]", *lines] if lines else []

    # Fields

    def _fields(self) -> list[str]:
        return [
            *self._sale_id(),
            *self._customer(),
            *self._product(),
            *self._quantity(),
            *self._day(),
            *self._amount(),
            *self._region(),
            *self._order_id(),
        ]

    def _single(self, role: str, evidence: str, more: str = "") -> list[str]:
        if role not in self._roles:
            return self._missing(role)
        if role in _OF_ORDER and self._is_carried(role):
            evidence += " Only the first line of an order has it."
            more += ", carried_down = true"
        return [f"# {evidence}", f"{role} = {{ column = {_toml(self._roles[role])}{more} }}"]

    def _missing(self, role: str) -> list[str]:
        self._ask(f"{_QUESTIONS[role]}; no name looks like it")
        return [f"# Not found: {_QUESTIONS[role]}.", f'# {role} = {{ column = "…" }}']

    def _distinct(self, role: str) -> str:
        if role not in self._roles:
            return ""
        values = self._values(role)
        return f"{len(set(values)):,} different in {_count(len(values), 'row')}."

    def _sale_id(self) -> list[str]:
        name = self._roles.get("sale_id")
        order, line = self._roles.get("order"), self._roles.get("line")
        if name and (self._is_unique(name) or (not order and self._blanks("sale_id"))):
            blanks = self._blanks("sale_id")
            missing = f" In {_count(blanks, 'row')} there is none." if blanks else ""
            return self._single("sale_id", f"{self._distinct('sale_id')}{missing}")
        if order and line and self._is_unique(order, line):
            joined = _list([order, line])
            return ["# The order and its line; all differ.", f"sale_id = {{ columns = {joined} }}"]
        if order and self._is_unique(order):
            return [
                f"# All {self._seen.rows:,} differ.",
                f"sale_id = {{ column = {_toml(order)} }}",
            ]
        of_order = order or name
        if of_order is None:
            return self._missing("sale_id")
        self._needs_order = True
        values = len(set(_filled(self._seen.columns[of_order])))
        self._ask(f"{of_order} repeats, so it is taken for an order's number: is it one?")
        return [
            (
                f"# {values:,} different in {self._seen.rows:,} rows: an order's number, to which "
                "the line's place in the order is added."
            ),
            f'sale_id = {{ column = {_toml(of_order)}, place = "order" }}',
        ]

    def _is_unique(self, *names: str) -> bool:
        """Whether hardly any two rows are the same in these columns; a later file may correct."""
        rows = list(zip(*(self._seen.columns[name] for name in names), strict=True))
        if any(None in row for row in rows):
            return False
        versions = "version" in self._roles
        return len(set(rows)) >= (0.5 if versions else 0.98) * len(rows)

    def _customer(self) -> list[str]:
        if "customer_id" not in self._roles:
            return ["# No column looks like a customer; without one, no sale has any."]
        blanks = self._blanks("customer_id")
        if blanks and self._is_carried("customer_id"):
            return self._single("customer_id", self._distinct("customer_id"))
        evidence = f" In {_count(blanks, 'row')} there is none." if blanks else ""
        return self._single(
            "customer_id",
            self._distinct("customer_id") + evidence,
            ", optional = true" if blanks else "",
        )

    def _product(self) -> list[str]:
        evidence = self._distinct("product_id")
        if not (blanks := self._blanks("product_id")):
            return self._single("product_id", evidence)
        name = self._roles["product_id"]
        free = [each for each in self._seen.columns if each not in self._roles.values()]
        other = _named("product_id", free)
        if other is None:
            return self._single(
                "product_id", f"{evidence} In {_count(blanks, 'row')} there is none."
            )
        return [
            f"# {evidence} Where it is blank, the other is taken.",
            f"product_id = {{ columns = {_list([name, other])}, first = true }}",
        ]

    def _blanks(self, role: str) -> int:
        return self._cells(role).count(None) if role in self._roles else 0

    def _is_carried(self, role: str) -> bool:
        """Whether its blanks are all below a value in the same order."""
        if not self._needs_order or role not in self._roles or not self._blanks(role):
            return False
        order = self._seen.columns[self._roles.get("order") or self._roles["sale_id"]]
        seen = set()
        for key, cell in zip(order, self._cells(role), strict=True):
            if cell is None and key not in seen:
                return False
            seen.add(key)
        return True

    def _quantity(self) -> list[str]:
        if "quantity" not in self._roles:
            return self._missing("quantity")
        fractions = [
            value
            for value in self._values("quantity")
            if value.rpartition(self._numbers.decimal or ".")[2].strip("0")
            and (self._numbers.decimal or ".") in value
        ]
        more = ", decimals = 3" if fractions else ""
        evidence = f"{len(fractions):,} are not whole." if fractions else "All are whole."
        return self._single("quantity", evidence, more)

    def _day(self) -> list[str]:
        if "sale_date" not in self._roles:
            return self._missing("sale_date")
        name = self._roles["sale_date"]
        # What has a type is a day whatever is declared; the format is that of the texts.
        values = _filled(self._seen.texts[name]) or self._values("sale_date")
        if _is_unix(values):
            return self._single("sale_date", "Seconds since 1970.", ', format = "unix"')
        days = days_of(values)
        if days is None:
            return self._missing("sale_date")
        odd = f" {days.odd:,} are written otherwise." if days.odd else ""
        evidence = f"{_first_up(days.evidence)}.{odd}"
        if len(days.formats) == 1:
            format_ = "" if days.formats == ("iso",) else f", format = {_toml(days.formats[0])}"
            return self._single("sale_date", evidence, format_)
        self._ask(f"is {name} written {days.formats[0]} or {days.formats[1]}? {days.evidence}")
        return [
            f"# {evidence} Choose one of the two:",
            *(
                f"# sale_date = {{ column = {_toml(name)}, format = {_toml(each)} }}"
                for each in days.formats
            ),
        ]

    def _amount(self) -> list[str]:
        has_both = {"quantity", "price"} <= self._roles.keys()
        is_of_order = has_both and self._needs_order and self._blanks("sale_amount")
        if "sale_amount" not in self._roles or is_of_order:
            if not has_both:
                return self._missing("sale_amount")
            both = _list([self._roles["quantity"], self._roles["price"]])
            return [
                "# Quantity × price; no column is a line's amount.",
                f"sale_amount = {{ multiply = {both} }}",
            ]
        evidence = f"Up to {self._decimals} decimals."
        if has_both:
            differ, rows = disagreements(
                self._cells("sale_amount"),
                self._cells("quantity"),
                self._cells("price"),
                self._numbers,
            )
            evidence += f" It is not quantity × price in {differ:,} of {rows:,} rows."
            if differ:
                self._findings.append(
                    f"{self._roles['sale_amount']} is not {self._roles['quantity']} × "
                    f"{self._roles['price']} in {differ:,} of {rows:,} rows; it is taken as it is"
                )
        negative = sum(
            value.lstrip().startswith(("-", "−")) for value in self._values("sale_amount")
        )
        if negative:
            evidence += f" {negative:,} are negative, and so returns."
        return self._single("sale_amount", evidence)

    def _region(self) -> list[str]:
        if "region" not in self._roles:
            return self._missing("region")
        counts = Counter(self._values("region"))
        spellings: dict[str, list[str]] = {}
        # Of spellings that are as frequent, one with capitals.
        for value, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0].islower())):
            spellings.setdefault(header.alike(value), []).append(value)
        main = sorted(each[0].strip() for each in spellings.values())
        listed = f"allowed = {_list(main)}"
        variants = [" and ".join(each) for each in spellings.values() if len(each) > 1]
        if len(main) > (_FEW if variants else _SHORT):
            return self._single("region", f"{len(main):,} different.")
        if variants:
            evidence = (
                f"Spelt in several ways: {revealed('; '.join(variants))}. A listed one is kept."
            )
            return self._single("region", evidence, f", {listed}")
        evidence = f"{len(main):,} different. To have others rejected, add: {listed}"
        return self._single("region", evidence)

    def _order_id(self) -> list[str]:
        name = self._roles.get("order") or (
            self._roles.get("sale_id") if self._needs_order else None
        )
        if name is None:
            return []
        return [
            "# Counts orders, and gives the average of one.",
            f"order_id = {{ column = {_toml(name)} }}",
        ]


_OF_ORDER = ("customer_id", "sale_date", "region")
"""What an order may have on its first line alone."""
_TIME_ZONE = '# time_zone = "Europe/Moscow"'


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _slug(path: Path) -> str:
    """A store's name after a folder or a file."""
    stem = unpacked_name(path.resolve().name)[0]
    words = re.sub(r"[^a-z0-9]+", "_", stem.rpartition(".")[0].lower() or stem.lower()).strip("_")
    words = words.lstrip("0123456789_")[:40].strip("_")
    return words or "store"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _toml(text: str) -> str:
    """A TOML string, which JSON's is too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_toml, texts))}]"
