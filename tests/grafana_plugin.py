"""What Grafana and its ClickHouse plugin make of a query before ClickHouse sees it.

After the plugin's `applyConditionalAll` and `getMacroArgs` (`src/data/CHDatasource.ts`) and
`pkg/macros/macros.go` in 4.20, and the formats of variables in Grafana's scenes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

ALL = "$__all"


@dataclass(frozen=True)
class Chosen:
    """A variable as the dashboard has it now: one value, or several of what it offers."""

    value: str | Sequence[str]
    options: Sequence[str] = ()


@dataclass(frozen=True)
class View:
    """The variables and the time range of a dashboard."""

    variables: Mapping[str, Chosen] = field(default_factory=dict)
    first_day: date = date(1970, 1, 1)
    last_day: date = date(2100, 1, 1)


def rendered(raw_sql: str, view: View) -> str:
    """The SQL that reaches ClickHouse."""
    sql = _apply_conditional_all(raw_sql, view.variables)
    sql = _replace_variables(sql, view.variables)
    return _expand_macros(sql, view)


def _apply_conditional_all(sql: str, variables: Mapping[str, Chosen]) -> str:
    macro = "$__conditionalAll("
    while (at := sql.rfind(macro)) >= 0:
        arguments = _macro_arguments(sql[at + len(macro) - 1 :])
        assert len(arguments) == 2, "the plugin would leave this as it is"
        phrase, variable = arguments
        name = re.search(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+", variable.strip())
        if name and _as_javascript_text(variables[name[0]].value) in ("", ALL):
            phrase = "1=1"
        # `$&` and its like would be something else to JavaScript's `replace`.
        assert not re.search(r"\$[$&`'\d]", phrase)
        sql = sql.replace(f"{macro}{arguments[0]},{arguments[1]})", phrase, 1)
    return sql


def _macro_arguments(text: str) -> list[str]:
    """What is between the parentheses that `text` begins with, split at commas."""
    arguments, depth, start = [], 0, 1
    for found in re.finditer(r"[(),]", text):
        depth += {"(": 1, ")": -1, ",": 0}[found[0]]
        if (found[0] == "," and depth == 1) or depth == 0:
            arguments.append(text[start : found.start()])
            start = found.end()
        if depth == 0:
            return arguments
    return []


def _as_javascript_text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


_VARIABLE = re.compile(
    r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}"
)


def _replace_variables(sql: str, variables: Mapping[str, Chosen]) -> str:
    def value(found: re.Match[str]) -> str:
        chosen = variables.get(found[1] or found[2] or found[4])
        if chosen is None:
            return found[0]
        current = chosen.value
        if current in (ALL, [ALL]):
            current = chosen.options
        match found[3] or found[6]:
            case "singlequote":
                single = isinstance(current, str)
                values = [current] if isinstance(current, str) else list(current)
                quoted = ["'" + each.replace("'", "\\'") + "'" for each in values]
                return quoted[0] if single else ",".join(quoted)
            case None:  # The plugin's own format, which escapes nothing.
                return current if isinstance(current, str) else "'" + "','".join(current) + "'"
        raise AssertionError(f"{found[0]}: not a format that is known here")

    return _VARIABLE.sub(value, sql)


def _expand_macros(sql: str, view: View) -> str:
    def between_days(found: re.Match[str]) -> str:
        column = found[1].strip()
        return (
            f"{column} >= toDate('{view.first_day.isoformat()}')"
            f" AND {column} <= toDate('{view.last_day.isoformat()}')"
        )

    expanded = re.sub(r"\$__dateFilter\(([^()]*)\)", between_days, sql)
    assert "$__" not in expanded, "not a macro that is known here"
    return expanded
