"""A weekly pipeline that turns an online store's sales into figures you can trust.

    import vitrina

    store = vitrina.load_store("store.toml")
    summary = vitrina.run(store=store)

`docs/api.md` shows more.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrina.api import run as run
    from vitrina.errors import VitrinaError as VitrinaError
    from vitrina.exports.store_file import load_store as load_store
    from vitrina.generator.recipe import Recipe as Recipe
    from vitrina.settings import Settings as Settings
    from vitrina.settings import load_settings as load_settings
    from vitrina.store import Store as Store
    from vitrina.summary import Summary as Summary

__version__ = "0.1.0"

_HOMES = {
    "run": "vitrina.api",
    "load_store": "vitrina.exports.store_file",
    "load_settings": "vitrina.settings",
    "Recipe": "vitrina.generator.recipe",
    "Settings": "vitrina.settings",
    "Store": "vitrina.store",
    "Summary": "vitrina.summary",
    "VitrinaError": "vitrina.errors",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> Any:
    """Load what is asked for, and no more: every command imports this package."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
