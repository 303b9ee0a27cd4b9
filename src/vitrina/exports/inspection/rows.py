"""Rows that look like no sales, or like returns: the rules to propose for them, with evidence.

A rule is proposed for words that mean one thing in any shop's export, and for what the figures
beside them show. Of other words the store is asked.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vitrina.exports.inspection.evidence import Numbers, number_of
from vitrina.exports.inspection.roles import named, statuses
from vitrina.exports.inspection.sampling import Sample
from vitrina.exports.inspection.writing import counted, told

Cells = Sequence[str | None]


@dataclass(frozen=True)
class Rule:
    """A rule of `source.rows`, and what speaks for it."""

    column: str
    evidence: str
    equals: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    is_blank: bool | None = None
    fate: Literal["set aside", "return"] = "set aside"
    why: str = ""
    in_order: bool = False


@dataclass(frozen=True)
class Proposed:
    """Rules in the order in which they decide, and the rows that stay sales or returns."""

    rules: list[Rule]
    kept: Sample
    asked: list[str]
    """What only the store can say of the words in a column."""
    no_money: str | None = None
    """A column whose zeros may or may not be sales."""


_TOTAL = re.compile(r"(итого|всего|grand total|sub-?total|total|gesamt|summe)\b", re.IGNORECASE)
_CANCELLED = re.compile(
    r"\b(cancel\w*|void(ed)?|declined|failed|rejected|expired|abandoned|unavailable|unpaid|pending"
    r"|draft)\b"
    r"|\bотмен|\bаннулир|\bне оплач|\bожидает оплаты|\bчерновик"
)
_FEE = re.compile(
    r"\b(\w*fees?|commission|shipping|storage|logistics|penalty|transfer|payout|tax|adjustment"
    r"|reserve|deposit|withdrawal)\b"
    r"|логистик|хранени|штраф|комисси|удержани|приемка|эквайринг|перевод на счет"
)
_RETURN = re.compile(
    r"\b(returns?|refunds?|chargeback|credit (note|memo))\b|\bвозврат\b|\bсторно\b"
)
_SALE = re.compile(
    r"\b(sales?|sold|(partially_)?paid|payment|charge|order|shipped|completed?|delivered|fulfilled"
    r"|principal|itemprice|promotion|closed|succeeded|captured|resolved)\b"
    r"|продажа|доставл|доставка|оплачен|выполнен|заверш|реализаци"
)
_ADJUSTMENT = re.compile(r"\b(adjust\w*|bad debt|write-?offs?)\b|корректировк|списани")
_FULL = 0.7
"""The share of the fullest row's cells that a row of a total does not reach."""
_FEW = 50
"""Words of a column that says what rows are."""


def without_totals(seen: Sample) -> tuple[Sample, list[str], list[Rule]]:
    """The sample without rows of totals; how their first cells begin; rules for other cells."""
    columns = list(seen.columns)
    rows = list(zip(*seen.columns.values(), strict=True))
    most = max((sum(cell is not None for cell in row) for row in rows), default=0)
    begins: set[str] = set()
    elsewhere: dict[str, Counter[str]] = {}
    kept = []
    for number, row in enumerate(rows):
        words = [_TOTAL.match(cell.strip()) if cell else None for cell in row]
        place = next((at for at, word in enumerate(words) if word), None)
        if place is None or sum(cell is not None for cell in row) > _FULL * most:
            kept.append(number)
            continue
        word = words[place]
        assert word is not None  # noqa: S101 - it is the first that is there
        if place == 0:
            begins.add(word[0])
        else:
            elsewhere.setdefault(columns[place], Counter())[word[0]] += 1
    rules = [
        Rule(
            name,
            f"{counted(counts.total(), 'row')}: they begin so, and have less in them than others.",
            starts_with=tuple(sorted(counts)),
            why="total row",
        )
        for name, counts in elsewhere.items()
    ]
    return seen.only(kept), sorted(begins), rules


class Rows:
    """The rules for a sample whose columns have been told apart."""

    def __init__(self, seen: Sample, roles: dict[str, str], numbers: Numbers) -> None:
        self._seen, self._roles, self._numbers = seen, roles, numbers
        self._left = list(range(seen.rows))
        self._rules: list[Rule] = []

    def proposed(self) -> Proposed:
        """The rules, those that set aside first: a fee of a return is no return."""
        names = list(statuses(self._seen, self._roles))
        self._cancelled_days()
        for name in names:
            self._set_aside(name, _CANCELLED, "cancelled or not paid, by the word")
            self._set_aside(name, _FEE, "no sale of goods, by the word")
        self._nothing_sold()
        for name in self._descriptions():
            self._set_aside(name, _ADJUSTMENT, "a correction of books, by the words", "adjustment")
        no_money = self._no_money()
        for name in names:
            self._returns(name)
        asked = list(self._asked(names))
        return Proposed(self._rules, self._seen.only(self._left), asked, no_money)

    def _cells(self, role: str) -> Cells:
        name = self._roles.get(role)
        return self._seen.columns[name] if name else [None] * self._seen.rows

    def _numbers_at(self, role: str, rows: Iterable[int]) -> list[float]:
        cells = self._cells(role)
        values = (number_of(cells[row], self._numbers) for row in rows)
        return [float(value) for value in values if value is not None]

    def _take(self, rule: Rule, rows: Sequence[int], *, aside: bool = True) -> None:
        self._rules.append(rule)
        if aside:
            taken = set(rows)
            self._left = [row for row in self._left if row not in taken]

    def _matching(
        self, name: str, is_it: Callable[[str], object]
    ) -> tuple[Counter[str], list[int]]:
        """The words of a column for which something holds, and their rows among those left."""
        cells = self._seen.columns[name]
        rows = [row for row in self._left if (cell := cells[row]) and is_it(_plain(cell))]
        return Counter(_shown(cells[row]) for row in rows), rows

    def _is_of_order(self, name: str) -> bool:
        """Whether a column has its value on an order's first line alone."""
        order = self._roles.get("order")
        if order is None:
            return False
        cells, orders = self._seen.columns[name], self._seen.columns[order]
        first: dict[str, int] = {}
        below = []
        for row, key in enumerate(orders):
            if key is not None and first.setdefault(key, row) != row:
                below.append(row)
        return bool(below) and not any(cells[row] for row in below)

    def _below(self, rows: Sequence[int]) -> list[int]:
        """Rows, and the lines below them of the same orders."""
        orders = self._cells("order")
        taken, keys = set(rows), {orders[row] for row in rows} - {None}
        return [row for row in self._left if row in taken or orders[row] in keys]

    def _put_aside(self, rule: Rule, rows: list[int]) -> None:
        self._take(rule, self._below(rows) if rule.in_order else rows)

    def _cancelled_days(self) -> None:
        name = self._roles.get("cancelled")
        if name is None:
            return
        _, rows = self._matching(name, bool)
        if rows:
            self._put_aside(
                Rule(
                    name,
                    f"{counted(len(rows), 'row')} with a day of cancellation.",
                    is_blank=False,
                    why="cancelled",
                    in_order=self._is_of_order(name),
                ),
                rows,
            )

    def _set_aside(self, name: str, words: re.Pattern[str], what: str, why: str = "") -> None:
        found, rows = self._matching(name, words.search)
        if 0 < len(found) <= _FEW and len(rows) < len(self._left):
            self._put_aside(
                Rule(
                    name,
                    f"{told(found)}: {what}.",
                    equals=tuple(sorted(found)),
                    why=why,
                    in_order=self._is_of_order(name),
                ),
                rows,
            )

    def _nothing_sold(self) -> None:
        """Rows with neither a product nor a quantity are of the account, not of a sale."""
        name = self._roles.get("product_id")
        if name is None or "quantity" not in self._roles:
            return
        blank = [row for row in self._left if self._seen.columns[name][row] is None]
        if blank and not any(self._numbers_at("quantity", blank)) and not self._has_other(blank):
            self._take(
                Rule(
                    name,
                    f"{counted(len(blank), 'row')} with neither a product nor a quantity.",
                    is_blank=True,
                    why="no product",
                ),
                blank,
            )

    def _has_other(self, rows: Sequence[int]) -> bool:
        """Whether another column than the one that was found may name these rows' products."""
        free = [name for name in self._seen.columns if name not in self._roles.values()]
        other = named("product_id", free)
        return other is not None and any(self._seen.columns[other][row] for row in rows)

    def _descriptions(self) -> Iterator[str]:
        free = [name for name in self._seen.columns if name not in self._roles.values()]
        if (name := named("product_id", free)) is not None:
            yield name

    def _no_money(self) -> str | None:
        """Sets aside rows without money if some of them take goods away: those are no returns.

        Gives the column, where none of them does.
        """
        role = "sale_amount" if "sale_amount" in self._roles else "price"
        cells = self._cells(role)
        rows = [row for row in self._left if number_of(cells[row], self._numbers) == 0]
        if not rows or len(rows) == len(self._left):
            return None
        name = self._roles[role]
        written_off = sum(value < 0 for value in self._numbers_at("quantity", rows))
        if not written_off:
            return name
        self._take(
            Rule(
                name,
                f"{counted(len(rows), 'row')} without money, {written_off:,} of them with a "
                "quantity below 0: goods were written off, and nothing was paid back.",
                equals=("0",),
                why="no money",
            ),
            rows,
        )
        return None

    def _returns(self, name: str) -> None:
        """Rows that a word calls returns, unless their figures are below 0 anyway."""
        found, rows = self._matching(name, _RETURN.search)
        if not found or len(found) > _FEW or len(rows) == len(self._left):
            return
        above = [
            row
            for row in rows
            if any(value > 0 for role in _SIGNED for value in self._numbers_at(role, [row]))
        ]
        decided = {
            row
            for rule in self._rules
            if rule.fate == "return"
            for row in rows
            if _shown(self._seen.columns[rule.column][row]) in rule.equals
        }
        if {*above} - decided:
            self._take(
                Rule(
                    name,
                    f"{told(found)}: returns by the word alone, since quantity or amount is above "
                    f"0 in {counted(len(above), 'row')}.",
                    equals=tuple(sorted(found)),
                    fate="return",
                ),
                rows,
                aside=False,
            )

    def _asked(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            unknown, _ = self._matching(
                name, lambda word: not (_SALE.search(word) or _RETURN.search(word))
            )
            if 0 < len(unknown) <= _FEW:
                yield f"are all rows sales in which {name} is {told(unknown)}?"


_SIGNED = ("quantity", "sale_amount")


def _plain(text: str) -> str:
    return text.strip().casefold().replace("ё", "е")


def _shown(text: str | None) -> str:
    return (text or "").strip()
