"""Tollbook: from a usage event to a posted, recognized, reconciled entry in the ERP."""

__version__ = "0.1.0"
