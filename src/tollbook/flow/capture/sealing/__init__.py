"""Seals closed days into files, brings them back, proves them, and deletes them by policy."""
