"""The reference of `store.toml`, made from its models: a JSON Schema, and the tables of a page.

`make store-file` writes `store.schema.json`, here and beside `docs/store-file.md`, and the tables
of that page.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vitrina.exports.store_file import json_schema

SCHEMA_FILE = Path(__file__).with_name("store.schema.json")
"""Where editors find the schema: `#:schema <this path>` in the first line of a store's file."""
HEADING = "## Every key\n"
"""From here on the page is made."""

_PLACES = {
    "StoreFile": "the file itself",
    "Source": "`[source]`",
    "Csv": "`[source.csv]`",
    "Xlsx": "`[source.xlsx]`",
    "Numbers": "`[source.numbers]`",
    "CurrencyColumn": "`[source.currency]`",
    "Row": "`[[source.rows]]`",
    "Refund": "`[source.refund]`",
    "AddUp": "`[source.add_up]`",
    "Versions": "`[source.versions]`",
    "Fields": "`[source.fields]`",
    "Column": "every field",
    "Id": "`sale_id`, `customer_id`, `product_id`, `order_id`",
    "Quantity": "`quantity`",
    "Day": "`sale_date`",
    "Amount": "`sale_amount`",
    "Region": "`region`",
    "Extra": "`[source.fields.extra]`, each field",
}
"""Where each table stands in the file."""


def schema_text() -> str:
    """The JSON Schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def tables() -> str:
    """The tables of the page, one for each table of the file."""
    schema = json_schema()
    definitions = {**schema["$defs"], "StoreFile": schema}
    # No table of the file is of this one alone: each field has its keys.
    definitions["Column"] = _column(definitions)
    parts = [HEADING]
    for name, place in _PLACES.items():
        definition = definitions[name]
        said = " ".join(definition["description"].split())
        parts.append(f"\n### {place[0].upper()}{place[1:]}\n\n{said}\n\n")
        parts.append("| key | what it is | values | unless given |\n|---|---|---|---|\n")
        common = set() if name == "Column" else set(definitions["Column"]["properties"])
        parts += _rows(definition, common if name in _OF_COLUMN else set(), schema["$defs"])
    return "".join(parts)


_OF_COLUMN = {"Id", "Quantity", "Day", "Amount", "Region", "Extra"}


def _column(definitions: dict[str, Any]) -> dict[str, Any]:
    """The keys that every field has."""
    common = set.intersection(*(set(definitions[name]["properties"]) for name in _OF_COLUMN))
    properties = {
        key: each for key, each in definitions["Id"]["properties"].items() if key in common
    }
    return {
        "description": "Where a field's value comes from. Each field has these keys, and its own "
        "below. Exactly one of column, columns, constant and multiply is given, or `place` alone.",
        "properties": properties,
    }


def _rows(
    definition: dict[str, Any], common: set[str], definitions: dict[str, Any]
) -> Iterator[str]:
    needed = definition.get("required", ())
    for key, each in definition["properties"].items():
        if key in common:
            continue
        said = each.get("description") or _of(each, definitions).get("description", "")
        said = " ".join(said.split()).rstrip(".")
        default = "**needed**" if key in needed else _default(each)
        yield f"| `{key}` | {_cell(said)} | {_cell(_values(each))} | {default} |\n"


def _of(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
    return found


def _default(part: dict[str, Any]) -> str:
    default = part.get("default")
    if default is None or default in ([], {}) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _values(part: dict[str, Any]) -> str:
    """What a key may have, in words."""
    if "enum" in part:
        return ", ".join(f"`{json.dumps(each)}`" for each in part["enum"])
    kind = part.get("type", "object" if "$ref" in part else "number")
    if kind == "integer":
        high = part.get("maximum")
        return f"{part['minimum']} to {high}" if high is not None else f"from {part['minimum']}"
    if kind == "array":
        of_tables = "$ref" in part.get("items", {})
        return "tables" if of_tables else "two texts" if part.get("maxItems") == 2 else "texts"
    return _KINDS[kind]


_KINDS = {
    "boolean": "`true`, `false`",
    "number": "a number",
    "object": "a table",
    "string": "text",
}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(docs: Path) -> None:
    """Write the schema and the tables of the page in this folder."""
    page = docs / "store-file.md"
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    (docs / SCHEMA_FILE.name).write_text(schema_text(), "utf-8")
    said = page.read_text("utf-8").partition(HEADING)[0]
    page.write_text(said + tables(), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
