"""What can be wrong with a row: the names of reasons and repairs, and how much is too much.

A reason is the field's name and a rule's, `quantity_below_minimum`, or a reason of the whole row,
`conflicting_duplicate`. Validation, the generator's defects, the dashboards and their texts take
the names from here. `docs/rules.md` says what each means.
"""

from decimal import Decimal as Share
from enum import StrEnum

from vitrina.columns import Date, Decimal, Integer, Text
from vitrina.contract import Contract


class Rule(StrEnum):
    """What can be wrong with the text of a field."""

    missing = "missing"
    not_an_integer = "not_an_integer"
    not_a_number = "not_a_number"
    too_many_decimals = "too_many_decimals"
    below_minimum = "below_minimum"
    above_maximum = "above_maximum"
    malformed = "malformed"
    impossible = "impossible"
    in_the_future = "in_the_future"
    before_the_window = "before_the_window"
    unknown = "unknown"


class Repair(StrEnum):
    """What validation repairs in the text of a field."""

    spaces = "spaces"
    case = "case"


CONFLICTING_DUPLICATE = "conflicting_duplicate"
"""The reason to reject a row whose `sale_id` is that of another row with other contents."""

RULES: dict[type, tuple[Rule, ...]] = {
    Integer: (Rule.missing, Rule.not_an_integer, Rule.below_minimum, Rule.above_maximum),
    Decimal: (
        Rule.missing,
        Rule.not_a_number,
        Rule.too_many_decimals,
        Rule.below_minimum,
        Rule.above_maximum,
    ),
    Date: (
        Rule.missing,
        Rule.malformed,
        Rule.impossible,
        Rule.in_the_future,
        Rule.before_the_window,
    ),
    Text: (Rule.missing, Rule.unknown),
}
"""The rules that a field of each type can break, in the order in which they are reported."""

MAX_REJECTED_SHARE = Share("0.05")
"""Share of rejected rows above which a batch is not loaded, unless the settings say otherwise."""

NOTABLE_REJECTED_SHARE = Share("0.03")
"""Share of rejected rows from which panels warn, and above which an alert fires."""


def name(field: str, rule: Rule | Repair) -> str:
    """The name of a reason or a repair.

    >>> name("quantity", Rule.below_minimum)
    'quantity_below_minimum'
    """
    return f"{field}_{rule}"


def reasons(contract: Contract) -> tuple[str, ...]:
    """Every reason that a row of this contract can be rejected for."""
    of_fields = [
        name(field.name, rule) for field in contract.fields for rule in RULES[type(field.type)]
    ]
    return (*of_fields, CONFLICTING_DUPLICATE)
