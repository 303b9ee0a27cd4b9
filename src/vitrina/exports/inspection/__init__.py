"""What a store's exports hold, and the `store.toml` that would read them: `vitrina inspect`."""
