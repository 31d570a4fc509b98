"""The sweep that enters identities in the ledger, behind the door."""
