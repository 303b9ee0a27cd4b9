"""PostgreSQL: the sales of one batch, the marts made from them, and the ledger of all batches."""
