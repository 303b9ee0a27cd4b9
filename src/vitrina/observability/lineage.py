"""Lineage: which datasets each step reads and leaves, as OpenLineage events.

Sent where `VITRINA_OPENLINEAGE_URL` names a collector. Each step is a job `sales.<step>` of
the namespace `vitrina`, or `sales_<store>.<step>` for a store with a file of its own; each attempt
is a run of it with the batch as its nominal time. Datasets have the names that OpenLineage's
specification gives them. The batch is in none of these names, since a step leaves the same dataset
every week.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from vitrina import __version__
from vitrina.observability.delivery import PATIENCE, deliver, line_of
from vitrina.store import Batch, Store

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent

    from vitrina.pipeline import Place, Step
    from vitrina.settings import Settings

_NAMESPACE = "vitrina"
_PRODUCER = f"urn:vitrina:{__version__}"


class DatasetName(NamedTuple):
    """What OpenLineage calls a dataset."""

    namespace: str
    name: str


def dataset_names(
    settings: "Settings", store: Store, places: "Iterable[Place]"
) -> list[DatasetName]:
    """The names of what a step reads or leaves, in the same order."""
    return [_dataset_name(settings, store, place) for place in places]


class Lineage:
    """Tells a collector about one batch. One that does not answer is not asked again."""

    def __init__(self, settings: "Settings", batch: Batch) -> None:
        self._settings = settings
        self._batch = batch
        self._is_on = settings.openlineage_url is not None

    @contextmanager
    def run(self, step: "Step") -> Iterator[None]:
        """Tell that a step starts and how it ends: COMPLETE, FAIL, or ABORT if interrupted."""
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

    def _tell(
        self, step: "Step", run_id: str, state: str, error: BaseException | None = None
    ) -> None:
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
        self, step: "Step", run_id: str, state: str, at: datetime, error: BaseException | None
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

        as_of = self._batch.as_of
        start = datetime(
            as_of.year, as_of.month, as_of.day, tzinfo=ZoneInfo(self._batch.store.time_zone)
        )
        facets: dict[str, RunFacet] = {
            "nominalTime": nominal_time_run.NominalTimeRunFacet(start.isoformat())
        }
        if error is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                line_of(error), "python"
            )
        return RunEvent(
            eventTime=at.isoformat(),
            producer=_PRODUCER,
            eventType=RunState[state],
            run=Run(run_id, facets),
            job=Job(_NAMESPACE, f"{_job(self._batch.store)}.{step.name}"),
            inputs=[InputDataset(*name) for name in self._names(step.reads)],
            outputs=[OutputDataset(*name) for name in self._names(step.leaves)],
        )

    def _names(self, places: "Iterable[Place]") -> list[DatasetName]:
        return dataset_names(self._settings, self._batch.store, places)


def _job(store: Store) -> str:
    return "sales" if store.is_generated else f"sales_{store.name}"


def _dataset_name(settings: "Settings", store: Store, place: "Place") -> DatasetName:
    # Late: they know the stores' drivers.
    from vitrina.stores.addresses import clickhouse_address, lake_root, postgres_address

    match place.store:
        case "lake":
            return _in_lake(lake_root(settings, store), place.name)
        case "postgresql":
            address = postgres_address(settings, store)
            return DatasetName(f"postgres://{address.server}", f"{address.prefix}{place.name}")
        case "clickhouse":
            address = clickhouse_address(settings, store)
            return DatasetName(f"clickhouse://{address.server}", f"{address.prefix}{place.name}")


def _in_lake(root: str, path: str) -> DatasetName:
    if "://" not in root:
        return DatasetName("file", f"{root}/{path}")
    parts = urlsplit(root)
    return DatasetName(f"{parts.scheme}://{parts.netloc}", f"{parts.path.strip('/')}/{path}")
