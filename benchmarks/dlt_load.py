"""Load the sales of a store's own file into PostgreSQL by dlt.

    python benchmarks/dlt_load.py folder

It is given the valid sales as Arrow, and uses its fastest way to PostgreSQL: COPY of CSV files.
"""

import os
import sys
from pathlib import Path

import dlt
from limits import valid_sales
from peer import run
from relay import tcp

from vitrina.stores.postgres.embedded import embedded_postgres


def main(folder: Path) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    sales = valid_sales(folder)
    with embedded_postgres(folder / "postgres") as address, tcp(address) as place:
        pipeline = dlt.pipeline(
            "sales",
            pipelines_dir=str(folder / "dlt"),
            destination=dlt.destinations.postgres(f"postgresql://vitrina:none@{place}"),
            dataset_name="dlt",
        )

        def dlt_load() -> None:
            pipeline.run(
                sales.to_batches(2**16),
                table_name="sale",
                write_disposition="replace",
                primary_key="sale_id",
                loader_file_format="csv",
            )

        run(dlt_load)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
