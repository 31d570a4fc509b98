"""Counts usage from files of events, on DuckDB or Spark, to the same digit as PostgreSQL."""
