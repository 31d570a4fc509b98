"""Technical signals: structured logs and metrics."""
