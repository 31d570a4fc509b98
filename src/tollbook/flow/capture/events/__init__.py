"""Captured events as rows: taken once a day each, in a ledger of identities for ever."""
