"""The texts that the code prints and raises."""

import ast
from collections.abc import Iterator

from tests.topology.compose import DEPLOY

ROOT = DEPLOY.parent
# More letters than two messages have in common by chance.
_TELLING = 12


def messages() -> Iterator[str]:
    """Every text in the code but docstrings, with … in place of each value."""
    for path in (*(ROOT / "src").rglob("*.py"), *DEPLOY.rglob("*.py")):
        nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def may_begin(message: str, shown: str) -> bool:
    """Whether a message of the code, with … for each value, can begin with what a page shows."""
    position = fixed = 0
    for part in message.split("…"):
        found = shown.find(part, position)
        if found < 0:
            rest = shown[position:]
            cut = max((n for n in range(len(part)) if rest.endswith(part[:n])), default=0)
            return fixed + cut > _TELLING and cut > 0
        position, fixed = found + len(part), fixed + len(part)
    return fixed > _TELLING
