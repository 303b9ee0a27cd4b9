"""A batch, and a comparison of what servers and the embedded stores hold of it."""

from datetime import date

from vitrina.contract import SALES
from vitrina.marts import marts
from vitrina.settings import Settings
from vitrina.store import GENERATED
from vitrina.stores.clickhouse.store import clickhouse
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.store import Postgres, postgres

BATCH = {"rows": 20_000, "seed": 7, "as_of": "2026-11-17"}
KEEP = {"VITRINA_POSTGRES_KEEP": "2"}
"""So that PostgreSQL keeps the batch beside the first one."""
SUCCEEDED = {
    "generate_data": ("success", 1),
    "validate_data": ("success", 1),
    "clean_data": ("success", 1),
    "load_to_postgresql": ("success", 1),
    "run_analytics": ("success", 1),
    "publish_to_clickhouse": ("success", 1),
}


def load_of(warehouse: Postgres) -> int:
    """The batch's load. Readers see the first batch, which is newer; `KEEP` keeps this one too."""
    load = warehouse.newest_load(date.fromisoformat(str(BATCH["as_of"])))
    assert load is not None
    return load.load_id


def assert_same_cells(warehouse: str, imports: str, embedded: Settings) -> None:
    """Compare every cell of `sale` and of the marts in both stores with the embedded run."""
    with postgres(warehouse) as served, open_postgres(embedded, GENERATED) as own:
        load_id = load_of(served)
        for mart in marts(SALES):
            assert own.read_mart(mart).num_rows
            assert served.read_mart(mart, load_id).equals(own.read_mart(mart)), mart.name
        query = f"SELECT {', '.join(SALES.names)} FROM {{}} ORDER BY sale_id"
        loaded = served.query(query.format(f"sale_by_load WHERE load_id = {load_id}"))
        assert loaded == own.query(query.format("sale"))
    with clickhouse(imports) as served_marts, open_clickhouse(embedded, GENERATED) as own_marts:
        for mart in marts(SALES):
            # The servers have the first batch as well.
            query = (
                f"SELECT {', '.join(mart.names)} FROM {mart.name} "
                f"WHERE import_date = '{BATCH['as_of']}' ORDER BY ALL"
            )
            assert served_marts.query(query) == own_marts.query(query), mart.name
