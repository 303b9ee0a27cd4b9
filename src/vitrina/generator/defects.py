"""The defects that the generated feed carries: what each spoils, and what validation makes of it.

Each breaks exactly one rule of `docs/rules.md`. A kind that would be valid under a contract (a
quantity of 0 where 0 is allowed) is left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from vitrina import rules
from vitrina.columns import Date, Integer, Label, Numeric
from vitrina.contract import Contract, Field
from vitrina.rules import Repair, Rule
from vitrina.store import Batch

NUMBERS_MISREAD = ("n/a", "?", "1e3", "12,50")
UNKNOWN_PLACES = ("Atlantis", "Lukomorye", "-")
_NEARBY_DAYS = 30
_BEYOND = 90
# A greater number fits no integer type, so validation would not find it too large.
_GREATEST = 2**63 - 1


@dataclass(frozen=True)
class Defect:
    """One kind of defect in one field: the text that stands there instead.

    `rule` is the rule that the text breaks, or the repair that it needs. `text` may refer to
    the fields by name, as clean text, and to `_variant`, a random bigint. `kind` tells defects
    apart that break the same rule.
    """

    field: str
    rule: Rule | Repair
    text: Column
    kind: str = ""

    @property
    def name(self) -> str:
        return f"{self.field}_{self.kind or self.rule}"

    @property
    def label(self) -> str:
        """What becomes of the row: the reason it is rejected for, or the repair."""
        return rules.name(self.field, self.rule)


Kind = list[Defect]
"""The same mistake in one field or another, each as likely."""


def invalid(batch: Batch) -> list[Kind]:
    """The kinds that make a row unusable."""
    contract = batch.contract
    dates, texts = _of_type(contract, Date), _of_type(contract, Label)
    numbers = _of_type(contract, Integer, Numeric)
    future = [batch.as_of + timedelta(days) for days in range(_NEARBY_DAYS)]
    past = [batch.first_day - timedelta(days) for days in range(1, _NEARBY_DAYS + 1)]
    kinds = [
        [Defect(field.name, Rule.missing, F.lit(None).cast("string")) for field in contract.fields],
        [Defect(field.name, _not_a(field), _one_of(NUMBERS_MISREAD)) for field in numbers],
        [Defect(field.name, Rule.malformed, _in_another_form(field)) for field in dates],
        [Defect(field.name, Rule.impossible, _one_of(_impossible_days(batch))) for field in dates],
        [Defect(field.name, Rule.in_the_future, _one_of(_iso(future))) for field in dates],
        [Defect(field.name, Rule.before_the_window, _one_of(_iso(past))) for field in dates],
        [
            Defect(field.name, Rule.unknown, _one_of(_unknown(field)))
            for field in texts
            if _unknown(field)
        ],
    ]
    quantity, amount = contract["quantity"], contract["sale_amount"]
    for field, zero in ((quantity, "0"), (amount, _zero(amount))):
        if field.minimum is not None and field.minimum >= 0:
            negative = F.concat(F.lit("-"), F.col(field.name))
            kinds.append([Defect(field.name, Rule.below_minimum, negative, "negative")])
        if field.minimum is not None and field.minimum > 0:
            kinds.append([Defect(field.name, Rule.below_minimum, F.lit(zero), "zero")])
    if quantity.maximum is not None and quantity.maximum <= _GREATEST - _BEYOND:
        beyond = F.lit(int(quantity.maximum) + 1).cast("bigint") + F.pmod(
            "_variant", F.lit(_BEYOND)
        )
        kinds.append(
            [Defect(quantity.name, Rule.above_maximum, beyond.cast("string"), "too_large")]
        )
    surplus = F.concat(F.col(amount.name), F.lit("5" if "." in _zero(amount) else ".5"))
    kinds.append([Defect(amount.name, Rule.too_many_decimals, surplus)])
    return [kind for kind in kinds if kind]


def repairable(batch: Batch) -> list[Kind]:
    """The kinds that validation repairs."""
    contract = batch.contract
    kinds = [[Defect(field.name, Repair.spaces, _spaced(field)) for field in contract.fields]]
    with_case = [field for field in _of_type(contract, Label) if _has_case(field)]
    if with_case:
        kinds.append(
            [Defect(field.name, Repair.case, _in_the_wrong_case(field)) for field in with_case]
        )
    return kinds


def element(texts: Sequence[str], index: Column) -> Column:
    """The text at an index, counted from 0."""
    return F.get(F.array(*map(F.lit, texts)), index.cast("int"))


def _of_type(contract: Contract, *types: type) -> list[Field]:
    return [field for field in contract.fields if isinstance(field.type, types)]


def _one_of(texts: Sequence[str]) -> Column:
    return element(texts, F.pmod("_variant", F.lit(len(texts))))


def _not_a(field: Field) -> Rule:
    return Rule.not_an_integer if isinstance(field.type, Integer) else Rule.not_a_number


def _in_another_form(field: Field) -> Column:
    day = F.col(field.name)
    parts = [day.substr(9, 2), day.substr(6, 2), day.substr(1, 4)]
    return F.when(F.pmod("_variant", F.lit(2)) == 0, F.concat_ws(".", *parts)).otherwise(
        F.translate(day, "-", "/")
    )


def _impossible_days(batch: Batch) -> list[str]:
    years = range(batch.first_day.year, batch.as_of.year + 1)
    return [f"{year:04}-{day}" for year in years for day in ("02-30", "04-31", "13-01")]


def _iso(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in days]


def _unknown(field: Field) -> list[str]:
    known = {value.lower() for value in field.allowed}
    return [place for place in UNKNOWN_PLACES if place.lower() not in known]


def _zero(amount: Field) -> str:
    scale = amount.type.scale if isinstance(amount.type, Numeric) else 0
    return f"{0:.{scale}f}"


def _spaced(field: Field) -> Column:
    text, kind = F.col(field.name), F.pmod("_variant", F.lit(3))
    around = F.when(kind == 0, F.concat(F.lit(" "), text))
    return around.when(kind == 1, F.concat(text, F.lit("  "))).otherwise(
        F.concat(F.lit("\u00a0"), text, F.lit("\t"))
    )


def _has_case(field: Field) -> bool:
    """Whether each value can be written in another case and read back."""
    return all(value.upper() != value.lower() == value.upper().lower() for value in field.allowed)


def _in_the_wrong_case(field: Field) -> Column:
    text = F.col(field.name)
    # A value may be in one of the two cases already.
    lower = F.when(F.lower(text) != text, F.lower(text)).otherwise(F.upper(text))
    upper = F.when(F.upper(text) != text, F.upper(text)).otherwise(F.lower(text))
    return F.when(F.pmod("_variant", F.lit(2)) == 0, lower).otherwise(upper)
