"""Amounts as finance writes them down, run through the code that computes them in production."""
