"""The commands of `vitrina`: each a function whose parameters are its options."""
