"""Charges become invoices, and what was billed wrongly becomes a credit memo by difference."""
