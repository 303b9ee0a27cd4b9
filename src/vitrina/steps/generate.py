"""Generate: a seed in, a feed of text out, as a shop's export would be, with known defects.

`vitrina.generator` makes the rows; `docs/generator.md` describes them.
"""

from typing import Any

from pyspark.sql import SparkSession

from vitrina.contract import Batch
from vitrina.generator.feed import count_defects, make_feed, truth
from vitrina.generator.recipe import Recipe
from vitrina.stores.lake import Lake


def run(spark: SparkSession, lake: Lake, batch: Batch, recipe: Recipe) -> dict[str, Any]:
    """Generate the batch's feed; leaves `feed` and `truth.json`.

    Raises:
        SettingsError: the contract leaves no room for such sales, or for so many.
    """
    with lake.step("generate") as left:
        lake.write(left, "feed", make_feed(spark, batch, recipe).drop("defect"), "csv")
        planted = truth(batch, recipe, count_defects(spark, batch, recipe))
        lake.document("generate", "truth.json", planted)
        totals = ("seed", "rows", "feed_rows", "rejected", "repaired", "collapsed", "conflicting")
        left.counts = {"source": "generated", **{name: planted[name] for name in totals}}
    return left.counts
