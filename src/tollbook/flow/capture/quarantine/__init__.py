"""Refused events in numbers: found by filter, replayed by the page, discarded together."""
