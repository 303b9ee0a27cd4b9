"""Where things are and how much may go wrong, read once from the environment and passed on.

`docs/settings.md` lists every variable. Only this module reads and writes `os.environ`.
"""

import difflib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from pydantic import (
    Field,
    FilePath,
    HttpUrl,
    Secret,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitrina.errors import SettingsError
from vitrina.rules import MAX_REJECTED_SHARE

_PREFIX = "VITRINA_"
# Leaves out what Spark takes for a pattern, and what Spark and Arrow read differently.
_URL = re.compile(r"s3://[\w.-]+(:\d+)?(/[\w.=-]+)*/?", re.ASCII)
# What begins so is meant as a URL, or was: `s3:/bucket`. One letter may be a drive's.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ILLEGIBLE = re.compile(r'["\x00-\x1f\x7f\ud800-\udfff]')
# The user of an address that has no password.
_USER = re.compile(r"^[a-z]+://[^:/@]+(?=@)")
_MAILBOX = r"[^@\s,]+@[^@\s,]+"
_LIBPQ = threading.Lock()
# Four times as many as by default: Sail compiles each pattern anew for each batch of rows.
_BATCH_ROWS = 32_768


class AlertSettings(BaseSettings):
    """Where the DAG's alerts go."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, env_ignore_empty=True)

    alert_webhook: Secret[HttpUrl] | None = Field(
        default=None,
        description="URL that the DAG's alerts are posted to as JSON; none are posted unless set",
    )
    alert_email: str | None = Field(
        default=None,
        pattern=rf"^{_MAILBOX}(\s*,\s*{_MAILBOX})*$",
        description="Addresses that the DAG's alerts are mailed to, by Airflow's `smtp_default`",
    )


class Settings(AlertSettings):
    """One frozen object; each attribute is the variable `VITRINA_<ATTRIBUTE>`."""

    store: Path | None = Field(
        default=None,
        description="A store's file, or for the DAG a folder of them; the generated shop unless "
        "set",
    )
    home: Path = Field(
        default=Path("data"), description="Folder that holds the lake and the embedded stores"
    )
    lake: str | None = Field(
        default=None, description="Folder or URL of the lake; `<home>/lake` unless set"
    )
    spark_remote: str | None = Field(
        default=None,
        pattern=r"^sc://",
        description="Spark Connect address, `sc://host:15002`; the embedded engine unless set",
    )
    spark_memory: int = Field(
        default=1024,
        ge=256,
        # Sail counts bytes, in 64 bits.
        lt=2**43,
        description="Memory of the embedded engine in MiB; what needs more goes to disk",
    )
    # Above the addresses, whose validator puts the passwords in.
    postgres_password_file: FilePath | None = Field(
        default=None, description="File with the password that `VITRINA_POSTGRES_DSN` leaves out"
    )
    clickhouse_password_file: FilePath | None = Field(
        default=None, description="File with the password that `VITRINA_CLICKHOUSE_DSN` leaves out"
    )
    postgres_dsn: SecretStr | None = Field(
        default=None, description="`postgresql://…`; the embedded server unless set"
    )
    postgres_keep: int = Field(
        default=1,
        ge=1,
        description="Batches whose sales and marts PostgreSQL keeps, the newest ones",
    )
    postgres_monthly_above: int | None = Field(
        default=None,
        ge=0,
        description="Sales above which PostgreSQL keeps a batch by month; in one piece unless set",
    )
    clickhouse_dsn: SecretStr | None = Field(
        default=None, description="`clickhouse://…`; embedded chDB unless set"
    )
    clickhouse_cluster: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="ClickHouse cluster, of one shard, that holds the marts; one server unless set",
    )
    max_rejected_share: Decimal = Field(
        default=MAX_REJECTED_SHARE,
        ge=0,
        le=1,
        description="Share of rejected rows above which a batch is not loaded",
    )
    allow_few: bool = Field(
        default=False,
        description="Whether a batch with no sales, or less than half of those of the batch "
        "before, is loaded",
    )
    alert_late_after: int | None = Field(
        default=None,
        ge=1,
        description="Hours after which a queued run counts as late; no run is late unless set",
    )
    statsd: str | None = Field(
        default=None,
        pattern=r"^[^\s:]+:\d{1,5}$",
        description="`host:port` of a StatsD server for metrics; none are sent unless set",
    )
    openlineage_url: HttpUrl | None = Field(
        default=None, description="Collector of OpenLineage events; none are sent unless set"
    )
    openlineage_key: SecretStr | None = Field(
        default=None, description="API key for that collector, if it needs one"
    )

    @field_validator("postgres_dsn", "clickhouse_dsn")
    @classmethod
    def _with_password_of_file(
        cls, dsn: SecretStr | None, others: ValidationInfo
    ) -> SecretStr | None:
        name = str(others.field_name).replace("_dsn", "_password_file")
        file: Path | None = others.data.get(name)
        if dsn is None or file is None:
            return dsn
        try:
            password = file.read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"its password cannot be read: {error}") from error
        address, found = _USER.subn(
            rf"\g<0>:{quote(password, safe='')}", dsn.get_secret_value(), count=1
        )
        if not found:
            raise ValueError(
                f"the password is in {_PREFIX}{name.upper()}, so the address has "
                "a user and no password: scheme://user@host"
            )
        return SecretStr(address)

    @field_validator("clickhouse_cluster")
    @classmethod
    def _needs_a_server(cls, cluster: str | None, others: ValidationInfo) -> str | None:
        if cluster is not None and others.data.get("clickhouse_dsn") is None:
            raise ValueError("a cluster needs a server of it, in VITRINA_CLICKHOUSE_DSN")
        return cluster

    @property
    def folder(self) -> Path:
        """`home` as an absolute path.

        Raises:
            SettingsError: it begins with the home of nobody whom the system knows.
        """
        return _legible(expanded(self.home).absolute(), "VITRINA_HOME")

    @property
    def lake_root(self) -> str:
        """The lake as an absolute path or a URL.

        Raises:
            SettingsError: the path has characters that Spark takes for a pattern, or the URL is
                of an unknown kind, or has parts other than a bucket and a prefix.
        """
        if self.lake is not None and (scheme := _SCHEME.match(self.lake)):
            if not self.lake.startswith("s3://"):
                # What follows is not shown: it may hold a key.
                raise SettingsError(
                    f"VITRINA_LAKE: {scheme[0]} is not a kind of lake that is known; it is a "
                    "folder, such as /srv/lake, or s3://bucket/prefix"
                )
            if not _URL.fullmatch(self.lake):
                raise SettingsError(
                    "VITRINA_LAKE: a URL is s3://bucket/prefix, of letters, digits and . _ - =; "
                    "keys and the server's address go into other variables, see docs/lake.md"
                )
            return self.lake.rstrip("/")
        folder = expanded(Path(self.lake)).absolute() if self.lake else self.folder / "lake"
        path = str(_legible(folder, "VITRINA_LAKE"))
        if any(letter in path for letter in "*?[]{}\\"):
            raise SettingsError(
                f"lake: {path} has one of * ? [ ] {{ }} \\ in it, which Spark takes for a "
                "pattern; set VITRINA_HOME or VITRINA_LAKE to another folder"
            )
        return path


def expanded(path: Path) -> Path:
    """The path with a `~` at its beginning replaced by the home folder that it stands for.

    Raises:
        SettingsError: the system knows no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{path}: this system knows no home folder {path.parts[0]}; write the whole path"
        ) from error


def _legible(path: Path, variable: str) -> Path:
    """The path, which every engine can be told.

    Raises:
        SettingsError: it has a quote, a control character, or a byte that is no UTF-8.
    """
    text = str(path)
    if _ILLEGIBLE.search(text):
        raise SettingsError(
            f'{text}: the engines cannot be told a folder whose name has ", a line break or a '
            f"letter that is not UTF-8; set {variable} to another"
        )
    return path


def of_figures(settings: Settings) -> dict[str, str]:
    """The settings that decide what a batch's figures are, and by which engines. No secret."""
    return {
        "max_rejected_share": str(settings.max_rejected_share),
        "allow_few": str(settings.allow_few).lower(),
        "spark_memory": str(settings.spark_memory),
        "spark": "embedded" if settings.spark_remote is None else "server",
        "postgresql": "embedded" if settings.postgres_dsn is None else "server",
        "clickhouse": "embedded" if settings.clickhouse_dsn is None else "server",
    }


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a variable is misspelt or has a value that is not allowed.
    """
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"{name} is not a setting; {hint}")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + str(first["loc"][0]).upper()
        # The value itself may be a secret, so only the rule is shown.
        raise SettingsError(f"{name}: {first['msg']}; see docs/settings.md") from None


def load_alert_settings() -> AlertSettings:
    """Where alerts go, whatever else is wrong in the environment, which is what they tell.

    An address that is not allowed counts as unset.
    """
    try:
        return AlertSettings()
    except ValidationError as error:
        wrong = {str(each["loc"][0]): None for each in error.errors()}
        return AlertSettings(**wrong)


def named_store() -> Path | None:
    """What `VITRINA_STORE` names, whatever else is wrong in the environment.

    For the DAGs: each store keeps its own, and the mistake is told when one runs.
    """
    text = os.environ.get(f"{_PREFIX}STORE", "")
    return Path(text) if text else None


def address_in(variable: str) -> str:
    """The address that a variable holds which a store's file names.

    Raises:
        SettingsError: it is not set.
    """
    address = os.environ.get(variable)
    if not address:
        raise SettingsError(
            f"{variable} is not set; the store's file expects the address of its PostgreSQL there"
        )
    return address


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Let libraries that are used meanwhile keep their temporary files in this folder."""
    try:
        with _variable("TMPDIR", str(folder)):
            tempfile.tempdir = None
            yield
    finally:
        tempfile.tempdir = None


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Hide PGSERVICE, PGSSLMODE and their like from a connection that its address describes whole.

    PostgreSQL's library obeys them, and an address cannot overrule each. They are for servers
    elsewhere, so they are hidden no longer than it takes to connect.
    """
    with _LIBPQ:
        hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("PG")}
        try:
            yield
        finally:
            os.environ.update(hidden)


def configure_grpc() -> None:
    """Keep gRPC, Spark's transport, out of forked children, before it is loaded.

    Its handlers crash about one of a thousand children before they can start a program, as root
    starts the embedded PostgreSQL.
    """
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


def configure_embedded_engine(settings: Settings, spill: Path) -> None:
    """Give Sail its limits before it is imported. It takes them only from the environment.

    By default its memory pool has no bound, and then it never spills. It does so into `spill`.
    """
    os.environ.update(
        SAIL_RUNTIME__MEMORY_POOL__TYPE="fair",
        SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE=str(settings.spark_memory * 2**20),
        SAIL_RUNTIME__TEMPORARY_FILES__PATHS=f'["{spill}"]',
        SAIL_EXECUTION__BATCH_SIZE=str(_BATCH_ROWS),
    )
    # It is for a Spark elsewhere. With it, the client would expect TLS of the embedded engine.
    os.environ.pop("SPARK_CONNECT_AUTHENTICATE_TOKEN", None)
    os.environ.setdefault("RUST_LOG", "error")
    if (s3_address() or "").startswith("http://"):
        # Sail needs this as well; Arrow takes the address as it is.
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")


def s3_address() -> str | None:
    """The address of an S3 other than Amazon's, from the variables that all engines read."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def s3_region() -> str | None:
    """The region of the bucket, from the variables that all engines read."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


@contextmanager
def in_universal_time() -> Iterator[None]:
    """Load the embedded ClickHouse in here: it knows few of the zones that TZ may name.

    Like the other stores, it then shows moments in UTC, whatever the machine's zone is.
    """
    with _variable("TZ", "UTC"):
        yield


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """An environment variable with another value, until the block ends."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
