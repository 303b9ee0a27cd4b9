"""Lineage: which datasets each step reads and leaves, as OpenLineage events.

Sent where `VITRINA_OPENLINEAGE_URL` names a collector. Each step is a job `sales.<step>` of
the namespace `vitrina`, each attempt a run of it with the batch as its nominal time. Datasets
have the names that OpenLineage's specification gives them; the batch is in none, since a
step's output is the same dataset every week.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from vitrina import __version__
from vitrina.contract import Batch, Contract
from vitrina.marts import marts
from vitrina.observability.delivery import PATIENCE, deliver, line_of
from vitrina.settings import Settings

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent

_NAMESPACE = "vitrina"
_PRODUCER = f"urn:vitrina:{__version__}"


class Dataset(NamedTuple):
    namespace: str
    name: str


class Flow(NamedTuple):
    """What a step reads and what it leaves."""

    reads: list[Dataset]
    leaves: list[Dataset]


def flows(settings: Settings, contract: Contract) -> dict[str, Flow]:
    """The flow of each step, by its name.

    Dates that a step only marks in PostgreSQL's ledger are no output: they would make circles.
    """
    tables = [mart.name for mart in marts(contract)]
    feed, typed, rejects, clean, conflicts = (
        _in_lake(settings, path)
        for path in (
            "generate/feed",
            "validate/typed",
            "validate/rejects",
            "clean/clean",
            "clean/conflicts",
        )
    )
    sales = _in_postgres(settings, ["sale"])
    ledger = _in_postgres(settings, ["batch", "rejects_by_reason", "control_totals"])
    computed = _in_postgres(settings, tables)
    published = _in_clickhouse(settings, [*tables, "batch", "control_totals", "rejects_by_reason"])
    return {
        "generate": Flow([], [feed]),
        "validate": Flow([feed], [typed, rejects]),
        "clean": Flow([typed], [clean, conflicts]),
        "load": Flow([clean], [*sales, *ledger]),
        "analyze": Flow([clean, *sales], computed),
        "publish": Flow([*computed, *ledger], published),
    }


class Lineage:
    """Tells of one batch. A collector that does not answer is not asked again."""

    def __init__(self, settings: Settings, batch: Batch) -> None:
        self._settings = settings
        self._batch = batch
        self._is_on = settings.openlineage_url is not None

    @contextmanager
    def run(self, step: str) -> Iterator[None]:
        """Tell that a step starts, and how it ended: COMPLETE, FAIL, or ABORT if stopped."""
        if not self._is_on:
            yield
            return
        from openlineage.client.uuid import generate_new_uuid

        run_id = str(generate_new_uuid())
        self._tell(step, run_id, "START")
        try:
            yield
        except BaseException as error:
            self._tell(step, run_id, "FAIL" if isinstance(error, Exception) else "ABORT", error)
            raise
        self._tell(step, run_id, "COMPLETE")

    def _tell(self, step: str, run_id: str, state: str, error: BaseException | None = None) -> None:
        at = datetime.now(UTC)

        def send() -> None:
            self._client().emit(self._event(step, run_id, state, at, error))

        if self._is_on:
            self._is_on = deliver("OpenLineage", send)

    def _client(self) -> "OpenLineageClient":
        from openlineage.client import OpenLineageClient
        from openlineage.client.transport.http import (
            ApiKeyTokenProvider,
            HttpConfig,
            HttpTransport,
            TokenProvider,
        )

        key = self._settings.openlineage_key
        config = HttpConfig(
            # Without a slash at its end, the last part of a path would be dropped.
            f"{str(self._settings.openlineage_url).rstrip('/')}/",
            timeout=PATIENCE,
            retry={"total": 0},
            auth=TokenProvider({})
            if key is None
            else ApiKeyTokenProvider({"api_key": key.get_secret_value()}),
        )
        return OpenLineageClient(transport=HttpTransport(config))

    def _event(
        self, step: str, run_id: str, state: str, at: datetime, error: BaseException | None
    ) -> "RunEvent":
        from openlineage.client.event_v2 import (
            InputDataset,
            Job,
            OutputDataset,
            Run,
            RunEvent,
            RunState,
        )
        from openlineage.client.facet_v2 import RunFacet, error_message_run, nominal_time_run

        # The day begins in Moscow.
        day = nominal_time_run.NominalTimeRunFacet(f"{self._batch.as_of}T00:00:00+03:00")
        facets: dict[str, RunFacet] = {"nominalTime": day}
        if error is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                line_of(error), "python"
            )
        flow = flows(self._settings, self._batch.contract)[step]
        return RunEvent(
            eventTime=at.isoformat(),
            producer=_PRODUCER,
            eventType=RunState[state],
            run=Run(run_id, facets),
            job=Job(_NAMESPACE, f"sales.{step}"),
            inputs=[InputDataset(*each) for each in flow.reads],
            outputs=[OutputDataset(*each) for each in flow.leaves],
        )


def _in_lake(settings: Settings, path: str) -> Dataset:
    parts = urlsplit(settings.lake_root)
    if "://" in settings.lake_root:
        return Dataset(f"{parts.scheme}://{parts.netloc}", f"{parts.path.strip('/')}/{path}")
    return Dataset("file", f"{settings.lake_root}/{path}")


def _in_postgres(settings: Settings, tables: list[str]) -> list[Dataset]:
    from psycopg.conninfo import conninfo_to_dict

    from vitrina.stores.postgres.tables import SCHEMA

    namespace, database = f"postgres://localhost{settings.folder}/postgres", "vitrina"
    if settings.postgres_dsn is not None:
        named = conninfo_to_dict(settings.postgres_dsn.get_secret_value())
        namespace = f"postgres://{named.get('host', 'localhost')}:{named.get('port', 5432)}"
        database = str(named.get("dbname") or named.get("user") or database)
    return [Dataset(namespace, f"{database}.{SCHEMA}.{table}") for table in tables]


def _in_clickhouse(settings: Settings, tables: list[str]) -> list[Dataset]:
    namespace, database = f"clickhouse://localhost{settings.folder}/clickhouse", "vitrina"
    if settings.clickhouse_dsn is not None:
        parts = urlsplit(settings.clickhouse_dsn.get_secret_value())
        namespace = f"clickhouse://{parts.hostname}:{parts.port or 8123}"
        database = unquote(parts.path.strip("/")) or database
    return [Dataset(namespace, f"{database}.{table}") for table in tables]
