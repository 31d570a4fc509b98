"""Rate: metered usage and contract terms become exact charges that show their working."""
