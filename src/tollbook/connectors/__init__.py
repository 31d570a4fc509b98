"""Connectors: each translates between our records and one outside system, and has no opinions."""
