"""Tryton 8.2: invoices and journal entries over JSON-RPC, with a unique external key."""
