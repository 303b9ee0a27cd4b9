"""Inspect: what a store's files hold, and a `store.toml` that would read them.

Nothing here decides: a run does what the file says. Each guess stands there with what speaks for
it; where two readings are possible, both stand there, and a person chooses.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vitrina.errors import ExportError
from vitrina.exports import header, proposed_rows
from vitrina.exports.evidence import (
    Days,
    Numbers,
    days_of,
    disagreements,
    minuses_of,
    number_of,
    numbers_of,
)
from vitrina.exports.files import FORMATS, find, unpacked_name
from vitrina.exports.money import currencies
from vitrina.exports.proposed_rows import Rule, counted
from vitrina.exports.reference import SCHEMA_FILE
from vitrina.exports.roles import SOME, filled, is_unix, named, roles_of, statuses
from vitrina.exports.sampling import ROWS, Sample, sample
from vitrina.exports.source import Source
from vitrina.exports.unpacking import Unpacked, members
from vitrina.output import output
from vitrina.visible import revealed

_FILES = 20
"""Files that are looked into; of the rest only the names are listed."""
_FEW, _SHORT = 50, 12
"""Regions that are worth a list: where it mends spellings, and where it does not."""

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
            findings.append(f"{other.name} is unlike {first.name}: {_apart(first, other)}")
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
        first.name, first.format, columns, texts, first.encoding, first.delimiter, first.sheets
    )


def _apart(first: Sample, other: Sample) -> str:
    """What to do with two files that are unlike."""
    shared = [
        name
        for name in first.columns.keys() & other.columns.keys()
        if {*filled(first.columns[name])} & {*filled(other.columns[name])}
    ]
    if shared:
        return (
            f"both have {header.listed(sorted(shared))}. If a sale is made of both, join them "
            "first, for instance in PostgreSQL, with the query as source.postgres: Vitrina joins "
            "no files. Else give each a store file of its own"
        )
    return "give it a store file of its own"


# The text


class _Draft:
    """The proposed file, put together part by part."""

    def __init__(self, paths: Sequence[Path], seen: Sample, findings: list[str]) -> None:
        self._paths, self._findings = paths, findings
        self._all_rows = seen.rows
        seen, self._totals, totals = proposed_rows.without_totals(seen)
        self._seen, self._roles = seen, roles_of(seen)
        self._numbers = self._numbers_of("quantity", "sale_amount", "price")
        rows = proposed_rows.Rows(seen, self._roles, self._numbers).proposed()
        # What is no sale shows nothing of what sales are like.
        self._seen, self._no_money = rows.kept, rows.no_money
        self._rules: list[Rule] = [*totals, *rows.rules]
        for question in rows.asked:
            self._ask(question)
        self._money = "sale_amount" if "sale_amount" in self._roles else "price"
        self._needs_order = any(rule.in_order for rule in self._rules)
        self._add_up: list[str] = []

    def text(self) -> str:
        """The whole file."""
        fields = self._fields()
        parts = [
            "# A proposal, made of what the files hold. A run does exactly what stands here:",
            "# look at each line. What is behind # is a question, or another way to read it.",
            f"# Looked at: {counted(self._all_rows, 'row')}; first, {revealed(self._seen.name)}.",
            "",
            *self._store(),
            "",
            "[source]",
            *self._source(),
            *self._row_rules(),
            *self._dialect(),
            *self._marks(),
            "",
            "[source.fields]",
            *fields,
        ]
        return "\n".join(parts) + "\n"

    def _values(self, role: str) -> list[str]:
        return filled(self._cells(role))

    def _cells(self, role: str) -> list[str | None]:
        return self._seen.columns[self._roles[role]]

    def _numbers_of(self, *roles: str) -> Numbers:
        written = [
            cell
            for role in roles
            if role in self._roles
            for cell in filled(self._seen.texts[self._roles[role]])
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
        lines += self._time_zone()
        counts = self._currencies()
        if counts:
            code = counts.most_common(1)[0][0]
            told = ", ".join(
                f"{each} in {counted(count, 'row')}" for each, count in counts.most_common()
            )
            lines += [f"# Seen: {told}; rows of another are rejected.", f"currency = {_toml(code)}"]
        else:
            lines += ["# Of all amounts; nothing in the files tells.", '# currency = "EUR"']
        return lines

    def _days(self) -> Days | None:
        return days_of(self._values("sale_date")) if "sale_date" in self._roles else None

    def _time_zone(self) -> list[str]:
        """A zone in which each day is the one that is written, if there is one."""
        days = self._days()
        is_moment = "sale_date" in self._roles and is_unix(self._values("sale_date"))
        if not is_moment and (days is None or not days.has_times):
            return []
        self._ask("time_zone, since the files have times: where do the store's days begin?")
        zone, count = "UTC", 0
        if days is not None and days.zones:
            [(zone, count)] = days.zones.most_common(1)
        elif days is not None and self._says_utc():
            count = len(self._values("sale_date"))
        written = filled(self._seen.texts[self._roles["sale_date"]])
        is_clear = not count or (written and count >= _LIKELY * len(written) and ":" not in zone)
        if is_moment or not is_clear:
            return ["# The files have times: say where the store's days begin.", _TIME_ZONE]
        said = (
            f"{count:,} of {len(written):,} times are of this zone"
            if count
            else ("The times name no zone")
        )
        return [
            f"# {said}, so each day is the one that is written. Where do the store's days begin?",
            f"time_zone = {_toml(zone)}",
        ]

    def _says_utc(self) -> bool:
        """Whether the name of the column says what zone its times are of."""
        return "utc" in re.split(r"[^a-z]+", self._roles["sale_date"].casefold())

    def _currencies(self) -> Counter[str]:
        counts = Counter(self._numbers.currencies)
        if "currency" in self._roles:
            codes = (currencies(value.strip()) for value in self._values("currency"))
            counts.update(code for found in codes if len(found) == 1 for code in found)
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
        refund = self._refund()
        if self._needs_order:
            lines += ["# Equal in the lines of one order.", f"order = {_list([self._order()])}"]
        if "currency" in self._roles:
            lines.append(f"currency = {{ column = {_toml(self._roles['currency'])} }}")
        if self._add_up:
            lines += [
                "# Rows that are equal in these are parts of one sale.",
                f"add_up = {{ by = {_list(self._add_up)} }}",
            ]
        return lines + refund + self._versions()

    def _order(self) -> str:
        """The column with an order's number."""
        return self._roles.get("order") or self._roles["sale_id"]

    def _refund(self) -> list[str]:
        """The order's own column of what was refunded."""
        if "refunded" not in self._roles or not {"order", "sale_id"} & self._roles.keys():
            return []
        values = [number_of(each, self._numbers) for each in self._values("refunded")]
        count = sum(bool(value) for value in values)
        line = f"refund = {{ column = {_toml(self._roles['refunded'])} }}"
        if not count:
            return ["# No refund was seen in this column.", f"# {line}"]
        self._needs_order = True
        return [f"# {counted(count, 'row')} say what was refunded: each becomes a return.", line]

    def _versions(self) -> list[str]:
        if "version" not in self._roles:
            return []
        line = f"versions = {{ column = {_toml(self._roles['version'])} }}"
        key = self._roles.get("sale_id")
        ids = self._values("sale_id") if key else []
        repeated = len(ids) - len(set(ids))
        if repeated and days_of(self._values("version")):
            return [f"# {counted(repeated, 'id')} come again: the greatest is the newest.", line]
        return [
            "# If a later file corrects an earlier one: the greatest value is the newest.",
            f"# {line}",
        ]

    def _row_rules(self) -> list[str]:
        """What rows are that are no plain sales."""
        lines = []
        for rule in self._rules:
            lines += ["", f"# {revealed(rule.evidence)}", "[[source.rows]]"]
            lines.append(f"column = {_toml(rule.column)}")
            if rule.is_blank is not None:
                lines.append(f"is_blank = {str(rule.is_blank).lower()}")
            for key, texts in (("equals", rule.equals), ("starts_with", rule.starts_with)):
                lines += [f"{key} = {_list(texts)}"] * bool(texts)
            lines += [f"fate = {_toml(rule.fate)}"] * (rule.fate != "set aside")
            lines += [f"why = {_toml(rule.why)}"] * bool(rule.why)
            lines += ["in_order = true"] * rule.in_order
        if self._no_money is not None:
            self._ask(f"are rows sales in which {self._no_money} is 0?")
            lines += ["", "# There are rows without money. If they are no sales:"]
            lines += [
                f"# {line}"
                for line in (
                    "[[source.rows]]",
                    f"column = {_toml(self._no_money)}",
                    'equals = ["0"]',
                    'why = "no money"',
                )
            ]
        return lines

    def _dialect(self) -> list[str]:
        seen = self._seen
        if seen.sheets:
            return ["", "[source.xlsx]", f"sheets = {_list(seen.sheets)}"]
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
        if self._decimals() > _MOST_DECIMALS:
            self._ask(f"money has up to {self._decimals()} decimals: round amounts?")
            lines += [
                f"# Money has up to {self._decimals()} decimals. To keep such rows, round amounts.",
                "# round = true",
            ]
        return ["", "[source.numbers]", *lines] if lines else []

    def _decimals(self) -> int:
        """The most decimals of money."""
        return self._numbers_of(self._money).decimals

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
            evidence = f"Lines below the first of an order lack it. {evidence}"
            more += ", carried_down = true"
        return [f"# {evidence}", f"{role} = {{ column = {_toml(self._roles[role])}{more} }}"]

    def _missing(self, role: str) -> list[str]:
        self._ask(f"{_QUESTIONS[role]}; no name looks like it")
        return [f"# Not found: {_QUESTIONS[role]}.", f'# {role} = {{ column = "…" }}']

    def _distinct(self, role: str) -> str:
        if role not in self._roles:
            return ""
        values = self._values(role)
        return f"{len(set(values)):,} different in {counted(len(values), 'row')}."

    def _sale_id(self) -> list[str]:
        name = self._roles.get("sale_id")
        order = self._roles.get("order")
        is_id = name and (self._is_unique(name) or (not order and self._blanks("sale_id")))
        if name and is_id and not self._counts_rows(name):
            return self._id_of_a_row()
        if found := self._id_of_an_order_or_item():
            return found
        if name and is_id:
            self._ask(f"{name} counts the rows of a file from 1: would another file begin again?")
            return self._id_of_a_row()
        if (of_order := order or name) is None:
            return self._missing("sale_id")
        self._needs_order = True
        values = len(set(filled(self._seen.columns[of_order])))
        self._ask(f"{of_order} repeats, so it is taken for an order's number: is it one?")
        return [
            (
                f"# {values:,} different in {self._seen.rows:,} rows: an order's number, to which "
                "the line's place in the order is added."
            ),
            f'sale_id = {{ column = {_toml(of_order)}, place = "order" }}',
        ]

    def _id_of_an_order_or_item(self) -> list[str]:
        """What differs in all rows: an order and its line, an order, or an item."""
        order, line = self._roles.get("order"), self._roles.get("line")
        if order and line and self._is_unique(order, line):
            return ["# The order and its line; all differ.", _id_of([order, line])]
        if order and self._is_unique(order):
            return [f"# All {self._seen.rows:,} differ.", _id_of([order])]
        return self._id_of_an_item()

    def _id_of_a_row(self) -> list[str]:
        blanks = self._blanks("sale_id")
        missing = f" In {counted(blanks, 'row')} there is none." if blanks else ""
        return self._single("sale_id", f"{self._distinct('sale_id')}{missing}")

    def _counts_rows(self, name: str) -> bool:
        """Whether a column has 1, 2, 3, … from its first row on."""
        cells = self._seen.columns[name]
        numbers = [int(cell) if cell and re.fullmatch(r"[0-9]{1,9}", cell) else 0 for cell in cells]
        is_rising = all(one < other for one, other in pairwise(numbers))
        return bool(numbers) and is_rising and numbers[0] == 1 and numbers[-1] <= self._all_rows

    def _id_of_an_item(self) -> list[str]:
        """An item's code, with the word that tells its sale from its return."""
        item = self._roles.get("item")
        if item is None or self._blanks("item"):
            return []
        told = [name for name in statuses(self._seen, self._roles) if self._is_filled(name)]
        for names in ([item], *([item, name] for name in told)):
            if self._is_unique(*names):
                return [f"# All {self._seen.rows:,} differ.", _id_of(names)]
        for name in told:
            if self._are_parts(item, name):
                self._add_up = [item, name]
                return ["# An item, whose parts are added up.", _id_of(self._add_up)]
        return []

    def _is_filled(self, name: str) -> bool:
        return None not in self._seen.columns[name]

    def _are_parts(self, *names: str) -> bool:
        """Whether rows that are the same in these columns have one product and one quantity."""
        parts: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
        if not {"product_id", "quantity"} <= self._roles.keys():
            return False
        keys = zip(*(self._seen.columns[name] for name in names), strict=True)
        sold = zip(self._cells("product_id"), self._cells("quantity"), strict=True)
        return all(parts.setdefault(key, of) == of for key, of in zip(keys, sold, strict=True))

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
        cells = self._cells("customer_id")
        blanks = self._blanks("customer_id")
        if self._is_carried("customer_id"):
            orders = self._seen.columns[self._order()]
            known = {order for order, cell in zip(orders, cells, strict=True) if cell}
            blanks = len({*orders} - known)
            evidence = f" In {counted(blanks, 'order')} there is none." if blanks else ""
        else:
            evidence = f" In {counted(blanks, 'row')} there is none." if blanks else ""
        return self._single(
            "customer_id",
            self._distinct("customer_id") + evidence,
            ", optional = true" if blanks else "",
        )

    def _product(self) -> list[str]:
        if "product_id" not in self._roles and self._is_sale():
            return self._constant("product_id", "all", "a product")
        several = sum(map(bool, map(_BASKET.search, filled(self._product_cells()))))
        if several:
            name = self._roles.pop("product_id")
            self._ask(
                f"{name} has several products in one cell, such as «2× Mug, 1× Bowl», and a sale "
                "is one of them: can the store export a row for each line of an order?"
            )
            return [
                (
                    f"# {revealed(name)} has several products in one cell in "
                    f"{counted(several, 'row')}."
                ),
                '# product_id = { column = "…" }',
            ]
        evidence = self._distinct("product_id")
        if not (blanks := self._blanks("product_id")):
            return self._single("product_id", evidence)
        name = self._roles["product_id"]
        free = [each for each in self._seen.columns if each not in self._roles.values()]
        other = named("product_id", free)
        if other is None:
            return self._single(
                "product_id", f"{evidence} In {counted(blanks, 'row')} there is none."
            )
        return [
            f"# {evidence} Where it is blank, the other is taken.",
            f"product_id = {{ columns = {_list([name, other])}, first = true }}",
        ]

    def _product_cells(self) -> Sequence[str | None]:
        return self._cells("product_id") if "product_id" in self._roles else []

    def _is_sale(self) -> bool:
        """Whether a row has what makes a sale: a number of its own, a day and money."""
        has_id = bool({"sale_id", "order"} & self._roles.keys())
        return has_id and {"sale_date", self._money} <= self._roles.keys()

    def _constant(self, role: str, value: str, what: str) -> list[str]:
        self._ask(f"no column looks like {what}, so it is {value} in every row: is that right?")
        return [
            f"# No column looks like {what}; it is the same in every row.",
            f"{role} = {{ constant = {_toml(value)} }}",
        ]

    def _blanks(self, role: str) -> int:
        return self._cells(role).count(None) if role in self._roles else 0

    def _is_carried(self, role: str) -> bool:
        """Whether lines of an order lack what a line above them has."""
        if not self._needs_order or role not in self._roles or not self._blanks(role):
            return False
        seen: dict[str | None, str | None] = {}
        below = []
        for key, cell in zip(self._seen.columns[self._order()], self._cells(role), strict=True):
            if cell is None and key in seen:
                below.append(seen[key])
            seen[key] = seen.get(key) or cell
        return bool(below) and None not in below

    def _quantity(self) -> list[str]:
        if "quantity" not in self._roles:
            if self._is_sale() and not self._may_be_quantities():
                return self._constant("quantity", "1", "a quantity")
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

    def _may_be_quantities(self) -> bool:
        """Whether there are whole numbers of no known meaning."""
        free = [name for name in self._seen.columns if name not in self._roles.values()]
        values = (filled(self._seen.columns[name]) for name in free)
        return any(each and all(map(_WHOLE.fullmatch, each)) for each in values)

    def _day(self) -> list[str]:
        if "sale_date" not in self._roles:
            return self._missing("sale_date")
        name = self._roles["sale_date"]
        # What has a type is a day whatever is declared; the format is that of the texts.
        values = filled(self._seen.texts[name]) or self._values("sale_date")
        if is_unix(values):
            return self._single("sale_date", "Seconds since 1970.", ', format = "unix"')
        days = days_of(values)
        if days is None:
            return self._missing("sale_date")
        zone = ', zone = "UTC"' if self._says_utc() or "UTC" in days.zones else ""
        odd = f" {days.odd:,} are written otherwise." if days.odd else ""
        evidence = f"{_first_up(days.evidence)}.{odd}"
        if len(days.formats) == 2 and (told := self._order_of_another(days)):
            evidence, format_ = told
            return self._single("sale_date", evidence, format_ + zone)
        if len(days.formats) == 1:
            format_ = "" if days.formats == ("iso",) else f", format = {_toml(days.formats[0])}"
            return self._single("sale_date", evidence, format_ + zone)
        self._ask(f"is {name} written {days.formats[0]} or {days.formats[1]}? {days.evidence}")
        return [
            f"# {evidence} Choose one of the two:",
            *(
                f"# sale_date = {{ column = {_toml(name)}, format = {_toml(each)} }}"
                for each in days.formats
            ),
        ]

    def _order_of_another(self, days: Days) -> tuple[str, str] | None:
        """The format of the two that another column of dates shows, which is written alike."""
        for name, cells in self._seen.columns.items():
            other = days_of(filled(cells))
            if other is None or len(other.formats) != 1:
                continue
            for format_ in days.formats:
                date = _LETTERS.sub(r"\1", format_.partition(" ")[0])
                if date == _LETTERS.sub(r"\1", other.formats[0].partition(" ")[0]):
                    return (
                        f"As in {revealed(name)}, where {other.evidence}.",
                        f", format = {_toml(format_)}",
                    )
        return None

    def _amount(self) -> list[str]:
        has_both = {"quantity", "price"} <= self._roles.keys()
        is_of_order = has_both and self._is_carried("sale_amount")
        if "sale_amount" not in self._roles or is_of_order:
            if not has_both:
                return self._price_of_a_piece()
            both = _list([self._roles["quantity"], self._roles["price"]])
            less = self._roles.get("discount")
            if not less:
                self._ask_for_discounts()
            minus = f", minus = {_toml(less)}" if less else ""
            made = "Quantity × price, less the discount" if less else "Quantity × price"
            return [
                f"# {made}; no column is a line's amount.",
                f"sale_amount = {{ multiply = {both}{minus} }}",
            ]
        evidence = f"Up to {self._decimals()} decimals."
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
        if negative := minuses_of(self._values("sale_amount")):
            written = f", written {' and '.join(negative)}" if {*negative} != {"-30.00"} else ""
            evidence += f" {negative.total():,} are negative{written}, and so returns."
        return self._single("sale_amount", evidence, self._more_decimals())

    def _price_of_a_piece(self) -> list[str]:
        """The price, where a row is one piece."""
        if "price" not in self._roles or "quantity" in self._roles or self._may_be_quantities():
            return self._missing("sale_amount")
        price = _toml(self._roles["price"])
        return ["# The price, since a row is one piece.", f"sale_amount = {{ column = {price} }}"]

    def _ask_for_discounts(self) -> None:
        """A discount of no known kind: of the line or the order, of money or in per cent."""
        for name, cells in self._seen.columns.items():
            numbers = (number_of(cell, self._numbers) for cell in filled(cells))
            if _DISCOUNT.search(name.casefold()) and any(numbers):
                self._ask(f"is {name} an amount to take off each line? Then add it as minus")

    def _more_decimals(self) -> str:
        """What keeps decimals of which many amounts have more than two."""
        written = [_END.search(value) for value in self._values("sale_amount")]
        mark = self._numbers.decimal or "."
        many = [found for found in written if found and found[1] == mark and len(found[2]) > 2]
        if (
            len(many) < max(_MANY, SOME * len(written))
            or not 2 < self._decimals() <= _MOST_DECIMALS
        ):
            return ""
        return f", decimals = {self._decimals()}"

    def _region(self) -> list[str]:
        if "region" not in self._roles:
            if self._is_sale():
                return self._constant("region", "all", "where it was sold")
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
_LIKELY = 0.75
"""The share of times that are of one zone, from which that is proposed."""
_MANY = 3
"""Amounts that show how amounts are written; one or two may be slips."""
_MOST_DECIMALS = 4
"""Of an amount."""
_DISCOUNT = re.compile(r"discount|rebate|скидк")
_WHOLE = re.compile(r"[0-9]{1,6}")
_LETTERS = re.compile(r"([dMy])\1*")
_END = re.compile(r"([.,])([0-9]+)\D*$")
_BASKET = re.compile(r"[0-9] ?[×x] ?[^,;]+[,;] ?[0-9]+ ?[×x] ", re.IGNORECASE)
"""Several products, each with how many of them."""


def _id_of(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"sale_id = {{ column = {_toml(names[0])} }}"
    return f"sale_id = {{ columns = {_list(names)} }}"


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
