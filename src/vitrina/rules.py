"""What can be wrong with a row: the names of reasons and repairs, and how much is too much.

A reason is the field's name and a rule's, `quantity_below_minimum`, or a reason of the whole row,
`conflicting_duplicate`. Validation, the generator's defects, the dashboards and their texts take
the names from here. `docs/rules.md` says what each means.
"""

from decimal import Decimal
from enum import StrEnum

from vitrina.columns import Date, FreeText, Integer, Label, Numeric
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
    mangled = "mangled"
    """A spreadsheet has replaced the text: an exponent, an error value, a column too narrow."""


class Repair(StrEnum):
    """What is repaired in the text of a field, in reading a store's files or in validation."""

    spaces = "spaces"
    case = "case"
    invisible = "invisible"
    """Characters that nobody sees, at the ends."""
    composed = "composed"
    """A letter and its mark were two characters."""
    decimal_zero = "decimal_zero"
    """A whole number was written with decimals, all of them 0."""
    guard = "guard"
    """An apostrophe or `="…"` kept a spreadsheet from reading the text as a number."""


class RowRule(StrEnum):
    """What can be wrong with a whole row of a store's file."""

    currency_other = "currency_other"
    key_repeated = "key_repeated"
    line_cut_off = "line_cut_off"
    not_an_object = "not_an_object"
    not_json = "not_json"
    part_rejected = "part_rejected"
    """Another row, whose amount should be added to this one's, has a problem."""
    stray_quote = "stray_quote"
    unclosed_quote = "unclosed_quote"
    version_malformed = "version_malformed"
    """What says which row of a sale is the newest is neither a time nor a number."""


class RowRepair(StrEnum):
    """What is repaired in a whole row of a store's file."""

    currency_sign = "currency_sign"
    float_noise = "float_noise"
    """A number of a spreadsheet was read as its shortest text of 15 digits."""
    trailing_delimiter = "trailing_delimiter"


CONFLICTING_DUPLICATE = "conflicting_duplicate"
"""The reason to reject a row whose `sale_id` is that of another row with other contents."""

RULES: dict[type, tuple[Rule, ...]] = {
    Integer: (Rule.missing, Rule.not_an_integer, Rule.below_minimum, Rule.above_maximum),
    Numeric: (
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
    Label: (Rule.missing, Rule.unknown),
    FreeText: (Rule.missing, Rule.malformed, Rule.mangled),
}
"""The rules that a field of each type can break, in the order in which they are reported."""

MAX_REJECTED_SHARE = Decimal("0.05")
"""Share of rejected rows above which a batch is not loaded, unless the settings say otherwise."""

NOTABLE_REJECTED_SHARE = Decimal("0.03")
"""Share of rejected rows from which panels warn, and above which an alert fires."""


def name(field: str, rule: Rule | Repair) -> str:
    """The name of a reason or a repair.

    >>> name("quantity", Rule.below_minimum)
    'quantity_below_minimum'
    """
    return f"{field}_{rule}"


def wrong_width(found: int, expected: int) -> str:
    """The reason to reject a row that has not as many fields as the file's header.

    >>> wrong_width(9, 8)
    'row_has_9_fields_of_8'
    """
    return f"row_has_{found}_fields_of_{expected}"


WRONG_WIDTH = r"^row_has_([0-9]+)_fields_of_([0-9]+)$"
"""A pattern of what `wrong_width` gives."""


def of_field(field: str) -> tuple[str, ...]:
    """Every reason that can be against a field, whatever its type."""
    return tuple(name(field, rule) for rule in Rule)


def reasons(contract: Contract) -> tuple[str, ...]:
    """Every reason that a row of this contract can be rejected for, but those of `wrong_width`."""
    of_fields = [
        name(field.name, rule) for field in contract.fields for rule in RULES[type(field.type)]
    ]
    return (*of_fields, *map(str, RowRule), CONFLICTING_DUPLICATE)
