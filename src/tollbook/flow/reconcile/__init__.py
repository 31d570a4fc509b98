"""Reconcile: compare what was used, charged, invoiced, posted and recognized."""
