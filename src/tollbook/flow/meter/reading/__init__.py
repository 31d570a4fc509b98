"""What windows come to, read from the summaries, with or without what no summary holds yet."""
