"""Write Grafana's files: `python -m vitrina.dashboard.grafana deploy/grafana`."""

import sys
from pathlib import Path

from vitrina.dashboard.grafana.files import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
