"""Approved drafts are taxed, numbered, issued and booked."""
