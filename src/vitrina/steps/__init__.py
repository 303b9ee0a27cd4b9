"""The steps: one file each, in the order in which the data meets them."""
