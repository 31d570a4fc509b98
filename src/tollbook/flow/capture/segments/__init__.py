"""Sealed segments: which days left the database for files, and how their events are read."""
