"""The text of a proposed store's file: the store, its source, and what the fields are read from."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vitrina.exports.files import FORMATS, unpacked_name
from vitrina.exports.inspection import fields
from vitrina.exports.inspection.columns import Columns
from vitrina.exports.inspection.evidence import days_of, number_of
from vitrina.exports.inspection.fields import MOST_DECIMALS
from vitrina.exports.inspection.roles import filled, is_unix
from vitrina.exports.inspection.writing import counted, toml, toml_list
from vitrina.exports.money import currencies
from vitrina.visible import revealed

_TIME_ZONE = '# time_zone = "Europe/Moscow"'
_LIKELY = 0.75
"""The share of times that are of one zone, from which that is proposed."""


def text(paths: Sequence[str], columns: Columns) -> str:
    """The whole file."""
    # First, since they tell what the source must say.
    of_fields = fields.lines(columns)
    parts = [
        "# A proposal, made of what the files hold. A run does exactly what stands here:",
        "# look at each line. What is behind # is a question, or another way to read it.",
        f"# Looked at: {counted(columns.all_rows, 'row')}; first, {revealed(columns.seen.name)}.",
        "",
        *_store(paths[0], columns),
        "",
        "[source]",
        *_source(paths, columns),
        *_row_rules(columns),
        *_dialect(columns),
        *_marks(columns),
        "",
        "[source.fields]",
        *of_fields,
    ]
    return "\n".join(parts) + "\n"


def _store(path: str, columns: Columns) -> list[str]:
    name = _slug(Path(path))
    lines = [
        "# Names its schema in PostgreSQL and its database in ClickHouse.",
        f"name = {toml(name)}",
        f"title = {toml(name.replace('_', ' ').capitalize())}",
    ]
    lines += _time_zone(columns)
    counts = _currencies(columns)
    if counts:
        code = counts.most_common(1)[0][0]
        told = ", ".join(
            f"{each} in {counted(count, 'row')}" for each, count in counts.most_common()
        )
        lines += [f"# Seen: {told}; rows of another are rejected.", f"currency = {toml(code)}"]
    else:
        lines += ["# Of all amounts; nothing in the files tells.", '# currency = "EUR"']
    return lines


def _time_zone(columns: Columns) -> list[str]:
    """A zone in which each day is the one that is written, if there is one."""
    days = columns.days()
    is_moment = "sale_date" in columns.roles and is_unix(columns.values("sale_date"))
    if not is_moment and (days is None or not days.has_times):
        return []
    columns.ask("time_zone, since the files have times: where do the store's days begin?")
    zone, count = "UTC", 0
    if days is not None and days.zones:
        [(zone, count)] = days.zones.most_common(1)
    elif days is not None and columns.says_utc():
        count = len(columns.values("sale_date"))
    written = filled(columns.seen.texts[columns.roles["sale_date"]])
    is_clear = not count or (written and count >= _LIKELY * len(written) and ":" not in zone)
    if is_moment or not is_clear:
        return ["# The files have times: say where the store's days begin.", _TIME_ZONE]
    said = (
        f"{count:,} of {len(written):,} times are of this zone"
        if count
        else "The times name no zone"
    )
    return [
        f"# {said}, so each day is the one that is written. Where do the store's days begin?",
        f"time_zone = {toml(zone)}",
    ]


def _currencies(columns: Columns) -> Counter[str]:
    counts = Counter(columns.numbers.currencies)
    if "currency" in columns.roles:
        codes = (currencies(value.strip()) for value in columns.values("currency"))
        counts.update(code for found in codes if len(found) == 1 for code in found)
    return counts


def _source(paths: Sequence[str], columns: Columns) -> list[str]:
    lines = [f"files = {toml_list(paths)}"]
    known = FORMATS.get(Path(unpacked_name(columns.seen.name)[0]).suffix.lower())
    if known != columns.seen.format:
        lines.append(f"format = {toml(columns.seen.format)}")
    if columns.totals:
        lines += [
            "# Rows that begin so were seen, and are no sales.",
            f"totals = {toml_list(columns.totals)}",
        ]
    refund = _refund(columns)
    if columns.needs_order:
        lines += [
            "# Equal in the lines of one order.",
            f"order = {toml_list([columns.order()])}",
        ]
    if "currency" in columns.roles:
        lines.append(f"currency = {{ column = {toml(columns.roles['currency'])} }}")
    if columns.add_up:
        lines += [
            "# Rows that are equal in these are parts of one sale.",
            f"add_up = {{ by = {toml_list(columns.add_up)} }}",
        ]
    return lines + refund + _versions(columns)


def _refund(columns: Columns) -> list[str]:
    """The order's own column of what was refunded."""
    if "refunded" not in columns.roles or not {"order", "sale_id"} & columns.roles.keys():
        return []
    values = [number_of(each, columns.numbers) for each in columns.values("refunded")]
    count = sum(bool(value) for value in values)
    line = f"refund = {{ column = {toml(columns.roles['refunded'])} }}"
    if not count:
        return ["# No refund was seen in this column.", f"# {line}"]
    columns.needs_order = True
    return [f"# {counted(count, 'row')} say what was refunded: each becomes a return.", line]


def _versions(columns: Columns) -> list[str]:
    if "version" not in columns.roles:
        return []
    line = f"versions = {{ column = {toml(columns.roles['version'])} }}"
    key = columns.roles.get("sale_id")
    ids = columns.values("sale_id") if key else []
    repeated = len(ids) - len(set(ids))
    if repeated and days_of(columns.values("version")):
        return [f"# {counted(repeated, 'id')} come again: the greatest is the newest.", line]
    return [
        "# If a later file corrects an earlier one: the greatest value is the newest.",
        f"# {line}",
    ]


def _row_rules(columns: Columns) -> list[str]:
    """What rows are that are no plain sales."""
    lines = []
    for rule in columns.rules:
        lines += ["", f"# {revealed(rule.evidence)}", "[[source.rows]]"]
        lines.append(f"column = {toml(rule.column)}")
        if rule.is_blank is not None:
            lines.append(f"is_blank = {str(rule.is_blank).lower()}")
        for key, texts in (("equals", rule.equals), ("starts_with", rule.starts_with)):
            lines += [f"{key} = {toml_list(texts)}"] * bool(texts)
        lines += [f"fate = {toml(rule.fate)}"] * (rule.fate != "set aside")
        lines += [f"why = {toml(rule.why)}"] * bool(rule.why)
        lines += ["in_order = true"] * rule.in_order
    if columns.no_money is not None:
        columns.ask(f"are rows sales in which {columns.no_money} is 0?")
        lines += ["", "# There are rows without money. If they are no sales:"]
        lines += [
            f"# {line}"
            for line in (
                "[[source.rows]]",
                f"column = {toml(columns.no_money)}",
                'equals = ["0"]',
                'why = "no money"',
            )
        ]
    return lines


def _dialect(columns: Columns) -> list[str]:
    seen = columns.seen
    if seen.sheets:
        return ["", "[source.xlsx]", f"sheets = {toml_list(seen.sheets)}"]
    lines = []
    if seen.format == "csv" and seen.delimiter != ",":
        lines.append(f"delimiter = {toml(seen.delimiter)}")
    if seen.format == "csv" and seen.encoding != "utf-8":
        lines.append(f"encoding = {toml(seen.encoding)}")
    return ["", "[source.csv]", *lines] if lines else []


def _marks(columns: Columns) -> list[str]:
    found = columns.numbers
    lines = []
    if found.decimal == ",":
        lines.append('decimal = ","')
    if found.thousands:
        lines.append(f"thousands = {toml(found.thousands)}")
    if found.contrary:
        columns.ask(f"{found.contrary} numbers have another decimal mark than most")
        lines.append(f"# {found.contrary} numbers have another decimal mark; they are rejected.")
    if found.unclear:
        columns.ask(f"{found.unclear} numbers are like 1,234: thousands, or three decimals?")
        lines.append(
            f"# {found.unclear} numbers are like 1,234: say which mark is which with decimal "
            "and thousands."
        )
    if columns.decimals() > MOST_DECIMALS:
        columns.ask(f"money has up to {columns.decimals()} decimals: round amounts?")
        lines += [
            f"# Money has up to {columns.decimals()} decimals. To keep such rows, round amounts.",
            "# round = true",
        ]
    return ["", "[source.numbers]", *lines] if lines else []


def _slug(path: Path) -> str:
    """A store's name after a folder or a file."""
    stem = unpacked_name(path.resolve().name)[0]
    words = re.sub(r"[^a-z0-9]+", "_", stem.rpartition(".")[0].lower() or stem.lower()).strip("_")
    words = words.lstrip("0123456789_")[:40].strip("_")
    return words or "store"
