"""The generated shop: a believable feed with known defects, in place of a real store's exports."""
