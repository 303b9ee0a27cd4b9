"""Settings come from the environment, once, and a mistake in them is named."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from vitrina.errors import SettingsError
from vitrina.settings import Settings, load_settings, without_libpq_variables

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
        ("VITRINA_SPARK_MEMORY", str(2**43)),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


@pytest.mark.parametrize("name", ["home", "lake"])
def test_the_home_of_a_user_whom_the_system_does_not_know_is_refused(name: str) -> None:
    settings = Settings.model_validate({"home": "/srv", name: "~no-such-user/x"})
    with pytest.raises(SettingsError, match="knows no home folder ~no-such-user; write the whole"):
        _ = settings.lake_root


def test_what_is_hidden_from_libpq_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    with without_libpq_variables():
        assert not [name for name in os.environ if name.startswith("PG")]
    assert os.environ["PGSERVICE"] == "elsewhere"


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_POSTGRES_DSN", "postgresql://vitrina:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize("store", ["POSTGRES", "CLICKHOUSE"])
def test_a_password_of_a_file_is_put_into_the_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str
) -> None:
    (tmp_path / "password").write_text("of @:/?#%$\n", "utf-8")
    monkeypatch.setenv(f"VITRINA_{store}_DSN", "scheme://loader@host:1/vitrina?a=b")
    monkeypatch.setenv(f"VITRINA_{store}_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load_settings()
    dsn = settings.postgres_dsn if store == "POSTGRES" else settings.clickhouse_dsn
    assert dsn is not None
    wanted = "scheme://loader:of%20%40%3A%2F%3F%23%25%24@host:1/vitrina?a=b"
    assert dsn.get_secret_value() == wanted
    assert "%23" not in repr(settings)


@pytest.mark.parametrize("address", ["postgresql://loader:x@host/vitrina", "postgresql://host/db"])
def test_with_a_file_for_its_password_an_address_has_a_user_and_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    (tmp_path / "password").write_text("y", "utf-8")
    monkeypatch.setenv("VITRINA_POSTGRES_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("VITRINA_POSTGRES_DSN", address)
    with pytest.raises(
        SettingsError, match=r"VITRINA_POSTGRES_DSN: .* in VITRINA_POSTGRES_PASSWORD_FILE, so"
    ):
        load_settings()


def test_a_file_for_a_password_that_is_absent_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITRINA_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match="VITRINA_CLICKHOUSE_PASSWORD_FILE"):
        load_settings()


def test_every_setting_is_documented_with_what_it_is() -> None:
    documented = (DOCS / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"| `VITRINA_{name.upper()}` | {field.description} |" in documented
