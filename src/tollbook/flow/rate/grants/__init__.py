"""Prepaid credits that people give, end and refund beside the contract."""
