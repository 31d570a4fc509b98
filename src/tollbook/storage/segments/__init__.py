"""Segments: events in Parquet files that we write, prove and read; and where the files are kept."""
