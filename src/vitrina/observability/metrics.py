"""Metrics: what a step did, as StatsD gauges, where `VITRINA_STATSD` names a server.

    vitrina.<step>.rows       rows that the step left
    vitrina.<step>.rejects    rows that it rejected: validate, and clean for conflicting copies
    vitrina.<step>.seconds    how long it took

For a store with a file of its own, its name stands before the step: `vitrina.<store>.<step>.rows`.
They are gauges rather than counters and timers because a server keeps the last value of a
gauge, and there is one value a week.
"""

from vitrina.counts import Counts
from vitrina.observability.delivery import deliver
from vitrina.store import Store


def send_metrics(
    address: str | None, store: Store, step: str, counts: Counts, seconds: float
) -> None:
    """Send what a step did to the StatsD server at `address`, as `host:port`."""
    if address is None:
        return
    host, port = address.rsplit(":", 1)
    name = step if store.is_generated else f"{store.name}.{step}"

    def send() -> None:
        from statsd import StatsClient

        client = StatsClient(host, int(port), prefix=f"vitrina.{name}")
        try:
            with client.pipeline() as gauges:
                gauges.gauge("rows", counts.rows_left)
                if counts.rows_rejected is not None:
                    gauges.gauge("rejects", counts.rows_rejected)
                gauges.gauge("seconds", round(seconds, 3))
        finally:
            client.close()

    deliver("StatsD", send)
