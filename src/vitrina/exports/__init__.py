"""A store's own exports: what they are, how they are read, and how they become a feed."""
