"""A field of a store's file: the column that it is read from, and what speaks for it."""

from vitrina.exports.inspection.columns import Columns
from vitrina.exports.inspection.writing import toml

_QUESTIONS = {
    "sale_id": "which column tells one sale from another",
    "product_id": "which column is the product",
    "quantity": "which column is the quantity",
    "sale_date": "which column is the day",
    "sale_amount": "which column is the money",
    "region": "which column is where it was sold",
}
_OF_ORDER = ("customer_id", "sale_date", "region")
"""What an order may have on its first line alone."""


def single(columns: Columns, role: str, evidence: str, more: str = "") -> list[str]:
    """A field that is read from the one column of its role, with `more` settings."""
    if role not in columns.roles:
        return missing(columns, role)
    if role in _OF_ORDER and columns.is_carried(role):
        evidence = f"Lines below the first of an order lack it. {evidence}"
        more += ", carried_down = true"
    return [f"# {evidence}", f"{role} = {{ column = {toml(columns.roles[role])}{more} }}"]


def missing(columns: Columns, role: str) -> list[str]:
    """A field whose column the store has to name."""
    columns.ask(f"{_QUESTIONS[role]}; no name looks like it")
    return [f"# Not found: {_QUESTIONS[role]}.", f'# {role} = {{ column = "…" }}']


def constant(columns: Columns, role: str, value: str, what: str) -> list[str]:
    """A field that is the same in every row, since no column has it."""
    columns.ask(f"no column looks like {what}, so it is {value} in every row: is that right?")
    return [
        f"# No column looks like {what}; it is the same in every row.",
        f"{role} = {{ constant = {toml(value)} }}",
    ]
