"""Settings come from the environment, once, and a mistake in them is named."""

from decimal import Decimal
from pathlib import Path

import pytest

from vitrina.errors import SettingsError
from vitrina.settings import Settings, load_settings

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VITRINA_{name.upper()}", raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert settings.folder == Path.cwd() / "data"
    assert settings.lake_root == str(Path.cwd() / "data" / "lake")
    assert settings.max_rejected_share == Decimal("0.05")


def test_a_variable_that_is_set_and_empty_is_as_good_as_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VITRINA_POSTGRES_DSN", "")
    assert load_settings().postgres_dsn is None


def test_a_misspelt_variable_is_named_with_the_nearest_valid_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VITRINA_MAX_REJECTED", "0.1")
    with pytest.raises(
        SettingsError,
        match="VITRINA_MAX_REJECTED is not a setting; did you mean VITRINA_MAX_REJECTED_SHARE",
    ):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VITRINA_MAX_REJECTED_SHARE", "1.5"),
        ("VITRINA_MAX_REJECTED_SHARE", "a tenth"),
        ("VITRINA_SPARK_REMOTE", "spark://host:7077"),
        ("VITRINA_SPARK_MEMORY", "12"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_POSTGRES_DSN", "postgresql://vitrina:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())


def test_every_setting_is_documented_with_what_it_is() -> None:
    documented = (DOCS / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"| `VITRINA_{name.upper()}` | {field.description} |" in documented
