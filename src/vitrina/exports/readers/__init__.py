"""A reader for each format: bytes in, pieces of rows out."""
