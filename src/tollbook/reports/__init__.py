"""Read-only views across the stages: trace, verify, doctor."""
