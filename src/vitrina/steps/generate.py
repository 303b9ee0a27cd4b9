"""Generate: a seed in, a feed of text out, like a shop's export, with known defects.

`vitrina.generator` makes the rows; `docs/generator.md` describes them.
"""

from pyspark.sql import SparkSession

from vitrina.counts import Generated
from vitrina.generator.feed import count_defects, make_feed, truth
from vitrina.generator.recipe import Recipe
from vitrina.store import Batch
from vitrina.stores.lake import Lake


def run(spark: SparkSession, lake: Lake, batch: Batch, recipe: Recipe) -> Generated:
    """Generate the batch's feed; leaves `feed` and `truth.json`.

    Raises:
        SettingsError: the contract leaves no room for such sales, or for so many.
    """
    with lake.step("generate") as left:
        lake.write(left, "feed", make_feed(spark, batch, recipe).drop("defect"), "csv")
        planted = truth(batch, recipe, count_defects(spark, batch, recipe))
        lake.document("generate", "truth.json", planted)
        counts = Generated.from_document({**planted, "source": "generated"})
        left.counts = counts.document()
    return counts
