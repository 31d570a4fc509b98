"""Meter: usage events become hourly summaries, and those the usage of each contract's product."""
