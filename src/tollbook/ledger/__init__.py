"""The operational subledger: double entry, balanced by construction, corrected by reversal."""
