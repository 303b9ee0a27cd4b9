"""Write Grafana's files: `python -m vitrina.dashboard.grafana FOLDER [--store store.toml]`."""

import argparse
import sys
from pathlib import Path

from vitrina.dashboard.grafana.files import write
from vitrina.errors import VitrinaError
from vitrina.exports.store_file import load_store
from vitrina.store import GENERATED


def main() -> None:
    """Write the files of a store; without one, those of the generated shop."""
    parser = argparse.ArgumentParser(prog="python -m vitrina.dashboard.grafana")
    parser.add_argument("folder", type=Path, help="where to write, such as deploy/grafana")
    parser.add_argument("--store", type=Path, metavar="FILE", help="a store's file, store.toml")
    given = parser.parse_args()
    try:
        write(GENERATED if given.store is None else load_store(given.store), given.folder)
    except VitrinaError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
