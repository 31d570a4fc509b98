"""NetSuite over SuiteTalk REST: invoices, credit memos and journal entries."""
