"""Draw time and memory against rows from the points that `compare.py` passes on stdin.

python benchmarks/plot.py picture.png
python benchmarks/plot.py --versions    print the versions of the peers' packages
"""

import json
import sys
from importlib.metadata import version

# Wong's colours that stand out on white, and one shape each, so that none is told by colour alone.
LOOKS = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#555555", "v"),
)
PACKAGES = ("polars", "pandas", "sqlalchemy", "pyspark", "dlt", "dbldatagen", "pyarrow")


def draw(points: list[dict[str, float | str]], picture: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, panes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    names = list(dict.fromkeys(point["name"] for point in points))
    for pane, measure, title in zip(
        panes, ("seconds", "mib"), ("Time, s", "Highest memory, MiB"), strict=True
    ):
        for name, (colour, shape) in zip(names, LOOKS, strict=False):
            own = [point for point in points if point["name"] == name]
            pane.plot(
                [point["rows"] for point in own],
                [point[measure] for point in own],
                color=colour,
                marker=shape,
                label=name,
            )
        pane.set(xscale="log", xlabel="Rows of the feed", title=title)
        if measure == "seconds":
            pane.set_yscale("log")
            pane.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            pane.yaxis.set_minor_formatter(NullFormatter())
        else:
            pane.set_ylim(bottom=0)
        pane.xaxis.set_major_formatter("{x:,.0f}")
        pane.yaxis.set_major_formatter("{x:,.0f}")
        pane.grid(color="#dddddd")
        pane.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names)
    )
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    if sys.argv[1] == "--versions":
        print(f"Peers: {', '.join(f'{name} {version(name)}' for name in PACKAGES)}.")
    else:
        draw(json.load(sys.stdin), sys.argv[1])
