"""Who is told how a run goes: alerts, metrics and lineage. See docs/observability.md."""
