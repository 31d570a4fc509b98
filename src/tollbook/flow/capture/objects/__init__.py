"""The register of objects that sources of files have seen."""
