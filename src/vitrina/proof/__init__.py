"""Proof: that what is stored is what was published, afterwards, by a manifest of each batch."""
