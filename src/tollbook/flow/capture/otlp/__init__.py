"""OpenTelemetry metrics as usage: points with an identity, and totals turned into what was added."""
