"""Capture: takes usage events at every door, exactly once, and keeps what it had to refuse."""
