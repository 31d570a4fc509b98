"""How far the summaries are: through which receipt, by which meters, with what still to do."""
