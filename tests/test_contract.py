"""What a contract must have, and that the documents say what it says."""

from dataclasses import replace
from pathlib import Path

import pytest

from vitrina.columns import Date, clickhouse_type, postgres_type, spark_type
from vitrina.contract import SALES, Contract
from vitrina.errors import SettingsError
from vitrina.marts import marts

DOCS = Path(__file__).parents[1] / "docs"


def test_a_contract_without_a_field_that_the_marts_need_is_refused() -> None:
    fields = tuple(field for field in SALES.fields if field.name != "region")
    with pytest.raises(SettingsError, match="field region is missing; the marts need it as Label"):
        Contract(fields)


def test_a_contract_with_a_field_of_the_wrong_kind_is_refused() -> None:
    fields = tuple(
        replace(field, type=Date()) if field.name == "quantity" else field for field in SALES.fields
    )
    with pytest.raises(SettingsError, match="quantity is Date; the marts need it as Integer"):
        Contract(fields)


def test_a_contract_with_two_fields_of_one_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="same name"):
        Contract((*SALES.fields, SALES["region"]))


def test_a_contract_of_no_days_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1 day"):
        Contract(SALES.fields, days=0)


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"no field price; it has sale_id, customer_id, .*, region"):
        SALES["price"]


def test_the_documented_contract_is_the_declared_one() -> None:
    """`docs/contract.md` has a row per field and per column of a mart, in order."""
    documented = [
        line for line in (DOCS / "contract.md").read_text().splitlines() if line.startswith("| `")
    ]
    fields = [
        f"| `{f.name}` | {f.description} | `{spark_type(f.type)}` | `{postgres_type(f.type)}` "
        f"| `{clickhouse_type(f)}` | {_limits(f.minimum, f.maximum, f.allowed)} |"
        for f in SALES.fields
    ]
    columns = [
        f"| `{c.name}` | {c.description} | `{postgres_type(c.type)}` | `{clickhouse_type(c)}` |"
        for mart in marts(SALES)
        for c in mart.columns
    ]
    assert documented == fields + columns


def _limits(minimum: object, maximum: object, allowed: tuple[str, ...]) -> str:
    if allowed:
        return ", ".join(allowed)
    return "the batch's window" if minimum is None else f"{minimum} to {maximum}"
