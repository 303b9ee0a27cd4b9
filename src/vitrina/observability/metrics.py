"""Metrics: what a step did, as StatsD gauges, where `VITRINA_STATSD` names a server.

    vitrina.<step>.rows       rows that the step left
    vitrina.<step>.rejects    rows that it rejected: validate, and clean for conflicting copies
    vitrina.<step>.seconds    how long it took

Gauges, not counters and timers: a server keeps the last value of a gauge, and one value a
week is all there is.
"""

from typing import Any

from vitrina.observability.delivery import deliver

# Under which name a step counts its rows and its rejects; a step of marts counts only theirs.
_ROWS = {"generate": "feed_rows", "validate": "valid", "clean": "clean", "load": "total_sales"}
_REJECTS = {"validate": "rejected", "clean": "conflicting"}


def send_metrics(address: str | None, step: str, counts: dict[str, Any], seconds: float) -> None:
    """Send what a step did to the StatsD server at `address`, as `host:port`."""
    if address is None:
        return
    host, port = address.rsplit(":", 1)

    def send() -> None:
        from statsd import StatsClient

        client = StatsClient(host, int(port), prefix=f"vitrina.{step}")
        try:
            with client.pipeline() as gauges:
                for name, value in _measures(step, counts, seconds).items():
                    gauges.gauge(name, value)
        finally:
            client.close()

    deliver("StatsD", send)


def _measures(step: str, counts: dict[str, Any], seconds: float) -> dict[str, int | float]:
    rows = counts[_ROWS[step]] if step in _ROWS else sum(counts.values())
    measures = {"rows": rows, "seconds": round(seconds, 3)}
    if step in _REJECTS:
        measures["rejects"] = counts[_REJECTS[step]]
    return measures
