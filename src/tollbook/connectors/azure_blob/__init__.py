"""A container of Azure Blob Storage as a source of usage."""
