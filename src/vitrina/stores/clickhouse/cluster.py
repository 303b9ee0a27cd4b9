"""ClickHouse on several servers, each of which holds every import whole.

The marts are small, so the cluster has one shard, and its servers are replicas of one another.
A table is created, altered or dropped on all of them (`ON CLUSTER`), and each statement ends when
all have done it. So `batch`, which is replaced last, lists no import that one of them does not
show yet.
"""

REPLICATED = "ReplicatedMergeTree"

# Wait for every replica, and fail where one has failed or did not answer in time.
SETTINGS = {"alter_sync": 2, "distributed_ddl_output_mode": "throw"}


def engine(cluster: str | None) -> str:
    """Of a table that stays. A server that joins the cluster finds the rows by its name.

    The shard is not in the path: a server may belong to other clusters, with shards of theirs.
    """
    if cluster is None:
        return "MergeTree"
    return f"{REPLICATED}('/clickhouse/tables/{cluster}/{{database}}/{{table}}', '{{replica}}')"


def staging_engine(cluster: str) -> str:
    """Of a table that comes and goes, so that none meets what is left in Keeper of the last."""
    return f"{REPLICATED}('/clickhouse/tables/{cluster}/{{uuid}}', '{{replica}}')"
