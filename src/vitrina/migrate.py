"""Make servers ready for the steps: `python -m vitrina.migrate`, before them and at each upgrade.

For servers as `deploy/` has them: a PostgreSQL with a role that owns the tables, which the
settings name, and one that loads. Elsewhere the steps make what is absent, and this does no harm.
"""

import sys

from vitrina.contract import SALES
from vitrina.errors import VitrinaError
from vitrina.settings import Settings, load_settings
from vitrina.stores.opening import open_clickhouse, open_postgres


def migrate(settings: Settings) -> None:
    """Create every table that is absent, in both stores.

    Raises:
        StoreError: a table is there with other columns, or the user may not create it.
        StoreUnavailable: a store cannot be reached.
    """
    with open_postgres(settings) as postgres:
        postgres.create_tables(SALES)
    if settings.postgres_dsn is not None:
        from vitrina.stores.postgres.roles import give_sale_to_loader

        give_sale_to_loader(settings.postgres_dsn.get_secret_value())
    with open_clickhouse(settings) as clickhouse:
        clickhouse.create_tables(SALES)


if __name__ == "__main__":
    try:
        migrate(load_settings())
    except VitrinaError as error:
        sys.exit(str(error))
