"""A local directory as a source of usage."""
