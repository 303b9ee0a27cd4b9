"""What the columns of an export are, what they hold, and what only the store can say of them."""

import re

from vitrina.exports.inspection import rows
from vitrina.exports.inspection.evidence import Days, Numbers, days_of, numbers_of
from vitrina.exports.inspection.roles import filled, roles_of
from vitrina.exports.inspection.sampling import Sample
from vitrina.exports.inspection.writing import counted


class Columns:
    """The columns of a sample by their roles, of rows that are sales or returns."""

    def __init__(self, seen: Sample, findings: list[str]) -> None:
        self.findings = findings
        """What there is to say of the files; questions are added to it."""
        self.all_rows = seen.rows
        seen, self.totals, totals = rows.without_totals(seen)
        self.seen, self.roles = seen, roles_of(seen)
        self.numbers = self._numbers_of("quantity", "sale_amount", "price")
        proposed = rows.Rows(seen, self.roles, self.numbers).proposed()
        # What is no sale shows nothing of what sales are like.
        self.seen, self.no_money = proposed.kept, proposed.no_money
        self.rules: list[rows.Rule] = [*totals, *proposed.rules]
        for question in proposed.asked:
            self.ask(question)
        self.money = "sale_amount" if "sale_amount" in self.roles else "price"
        """The role of the column with money."""
        self.needs_order = any(rule.in_order for rule in self.rules)
        """Whether the file must say which rows are lines of one order."""
        self.add_up: list[str] = []
        """The columns in which parts of one sale are equal."""

    def values(self, role: str) -> list[str]:
        return filled(self.cells(role))

    def cells(self, role: str) -> list[str | None]:
        return self.seen.columns[self.roles[role]]

    def ask(self, question: str) -> None:
        self.findings.append(f"to decide: {question}")

    def free(self) -> list[str]:
        """The columns that have no role."""
        return [name for name in self.seen.columns if name not in self.roles.values()]

    def blanks(self, role: str) -> int:
        return self.cells(role).count(None) if role in self.roles else 0

    def distinct(self, role: str) -> str:
        if role not in self.roles:
            return ""
        values = self.values(role)
        return f"{len(set(values)):,} different in {counted(len(values), 'row')}."

    def is_filled(self, name: str) -> bool:
        return None not in self.seen.columns[name]

    def is_unique(self, *names: str) -> bool:
        """Whether hardly any two rows are the same in these columns; a later file may correct."""
        rows = list(zip(*(self.seen.columns[name] for name in names), strict=True))
        if any(None in row for row in rows):
            return False
        versions = "version" in self.roles
        return len(set(rows)) >= (0.5 if versions else 0.98) * len(rows)

    def are_parts(self, *names: str) -> bool:
        """Whether rows that are the same in these columns have one product and one quantity."""
        parts: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
        if not {"product_id", "quantity"} <= self.roles.keys():
            return False
        keys = zip(*(self.seen.columns[name] for name in names), strict=True)
        sold = zip(self.cells("product_id"), self.cells("quantity"), strict=True)
        return all(parts.setdefault(key, of) == of for key, of in zip(keys, sold, strict=True))

    def is_sale(self) -> bool:
        """Whether a row has what makes a sale: a number of its own, a day and money."""
        has_id = bool({"sale_id", "order"} & self.roles.keys())
        return has_id and {"sale_date", self.money} <= self.roles.keys()

    def is_carried(self, role: str) -> bool:
        """Whether lines of an order lack what a line above them has."""
        if not self.needs_order or role not in self.roles or not self.blanks(role):
            return False
        seen: dict[str | None, str | None] = {}
        below = []
        for key, cell in zip(self.seen.columns[self.order()], self.cells(role), strict=True):
            if cell is None and key in seen:
                below.append(seen[key])
            seen[key] = seen.get(key) or cell
        return bool(below) and None not in below

    def order(self) -> str:
        """The column with an order's number."""
        return self.roles.get("order") or self.roles["sale_id"]

    def days(self) -> Days | None:
        return days_of(self.values("sale_date")) if "sale_date" in self.roles else None

    def says_utc(self) -> bool:
        """Whether the name of the column says what zone its times are of."""
        return "utc" in re.split(r"[^a-z]+", self.roles["sale_date"].casefold())

    def decimals(self) -> int:
        """The most decimals of money."""
        return self._numbers_of(self.money).decimals

    def _numbers_of(self, *roles: str) -> Numbers:
        written = [
            cell
            for role in roles
            if role in self.roles
            for cell in filled(self.seen.texts[self.roles[role]])
        ]
        return numbers_of(written)
