"""Days counted again from their events: to make their summaries, and to check them."""
