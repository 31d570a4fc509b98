"""Usage events as meters see them: which ones count, and for how much."""
