"""Kill batches at any moment, run them again, and compare everything with undisturbed runs.

`make faults` runs it. Two batches of two stores take turns. A kill hits a process, its group,
PostgreSQL's postmaster, a backend of it, or Spark's server: at a random moment, or at a commit of
the lake or of a store. `docs/guarantees.md` says what has to hold, and what was seen.
"""
