"""ClickHouse on several servers, each of which holds every import whole.

The marts are small, so the cluster has one shard, and its servers are replicas of one another.
A table is created, altered or dropped on all of them (`ON CLUSTER`), and each statement ends when
all have done it. So `batch`, which is replaced last, lists no import that one of them does not
show yet.
"""

from typing import TYPE_CHECKING

from vitrina.errors import StoreError

if TYPE_CHECKING:
    from vitrina.stores.clickhouse.session import Session

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


def require_one_shard(session: "Session", cluster: str) -> None:
    """Refuse a cluster on which each server would hold a part.

    Raises:
        StoreError: the server knows no cluster of this name, or it has several shards.
    """
    found = session.rows(
        "SELECT cluster, uniqExact(shard_num) FROM system.clusters GROUP BY cluster"
    )
    shards = {str(name): int(count) for name, count in found}
    if cluster not in shards:
        known = ", ".join(sorted(shards)) or "none"
        raise StoreError(
            f"ClickHouse knows no cluster {cluster}, as VITRINA_CLICKHOUSE_CLUSTER names it; "
            f"it knows {known}"
        )
    if shards[cluster] != 1:
        raise StoreError(
            f"ClickHouse cluster {cluster} has {shards[cluster]} shards, and each would hold a "
            "part of an import; define one over the same servers with a single shard, and name "
            "it in VITRINA_CLICKHOUSE_CLUSTER"
        )
