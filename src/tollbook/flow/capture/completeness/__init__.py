"""Whether the sources of usage have sent everything: what they declare, and what is missing."""
