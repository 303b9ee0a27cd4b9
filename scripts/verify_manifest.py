r"""Verify exports of a batch's tables against its manifest, without any code of Vitrina.

    python verify_manifest.py MANIFESTS YYYY-MM-DD EXPORTS

MANIFESTS is a folder with the whole chain, 000001.json and so on; EXPORTS one with TABLE.csv of
each table, under a header, ordered by its key (docs/proof.md has the statements). Exit code 0: the
chain holds, and every table is as it was published.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

CELL = re.compile(r'("(?:[^"]|"")*"|[^,"]*),')
EXACT = Context(prec=100)


def records(path: Path) -> Iterator[list[str]]:
    """The cells of each row as they stand there, since only quotes tell a text from nothing."""
    row = ""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for line in file:
            row += line
            if row.count('"') % 2 == 0:
                row = re.sub(r"\r?\n\Z", "", row) + ","
                cells = CELL.findall(row)
                if "".join(f"{cell}," for cell in cells) != row:
                    raise ValueError(f"this is no CSV: {row[:80]!r}")
                yield cells
                row = ""
    if row:
        raise ValueError("the last row is cut off")


def read(cell: str, column: dict[str, Any]) -> tuple[Any, bytes]:
    """The value of a cell, by which rows are ordered, and how it stands in the canonical text."""
    if cell in ("", r"\N"):
        return None, b""
    text = cell[1:-1].replace('""', '"') if cell.startswith('"') else cell
    value: Any = text.encode(errors="surrogateescape")  # a text, or a day such as 2026-11-24
    if column["type"] == "text":
        return value, b'"' + value.replace(b'"', b'""') + b'"'
    if column["type"] == "integer":
        value = int(text)
    elif column["type"] == "decimal":
        value = Decimal(text).quantize(Decimal(1).scaleb(-column["scale"]), context=EXACT)
        if value != Decimal(text):
            raise ValueError(f"{text} has more decimals than {column['name']} can have")
    return value, value if isinstance(value, bytes) else str(value).encode()


def verify(path: Path, table: dict[str, Any]) -> str:
    """What is wrong with an export; nothing if it is the table of the manifest."""
    columns, rows = table["columns"], records(path)
    names = [cell.strip('"') for cell in next(rows, [])]
    if names != [column["name"] for column in columns]:
        return f"has the columns {', '.join(names)}"
    digest = hashlib.sha256(",".join(f'"{name}"' for name in names).encode() + b"\n")
    count, before, key = 0, None, [names.index(name) for name in table["key"]]
    for cells in rows:
        found = [read(cell, column) for cell, column in zip(cells, columns, strict=True)]
        place = [found[number][0] for number in key]
        if None in place or (before is not None and not before < place):
            return f"row {count + 1:,} is not in the order of {', '.join(table['key'])}, or twice"
        digest.update(b",".join(text for _, text in found) + b"\n")
        count, before = count + 1, place
    is_right = digest.hexdigest() == table["sha256"]
    return "" if is_right else f"its {count:,} rows are not the {table['rows']:,} published ones"


def main(manifests: str, as_of: str, exports: str) -> list[str]:
    """Everything that is wrong."""
    wrong, previous, tables, of = [], None, {}, None
    for number, path in enumerate(sorted(Path(manifests).glob("[0-9]*.json")), start=1):
        link = json.loads(path.read_bytes())
        if (link["sequence"], link["previous"]) != (number, previous):
            wrong.append(f"{path} does not follow the one before: one was changed or dropped")
        previous = hashlib.sha256(path.read_bytes()).hexdigest()
        if link["as_of"] == as_of and link["kind"] == "publication":
            tables, of = link["tables"], previous
        elif of is not None and link.get("of") == of:
            tables = {**tables, **link["tables"]}
    print(f"SHA-256 of the last manifest, to compare with the one that you noted: {previous}")
    for name, table in tables.items():
        try:
            found = verify(Path(exports, f"{name}.csv"), table)
        except (OSError, ValueError, InvalidOperation) as error:
            found = f"cannot be read: {error}"
        print(f"{name}: {found or 'as published'}")
        wrong += [f"{name}: {found}"] if found else []
    return wrong if tables else [*wrong, f"batch {as_of} has no manifest"]


if __name__ == "__main__":
    sys.exit(("\n".join(main(*sys.argv[1:])) or None) if len(sys.argv) == 4 else __doc__)
