"""The resources of version 1, one module a subject."""
