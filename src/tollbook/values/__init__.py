"""Atoms: money, quantity, period, ids, clock, codec. They import nothing of ours."""
