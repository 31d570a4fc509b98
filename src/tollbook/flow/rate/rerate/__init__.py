"""Re-rating: a month's stored usage under other terms, compared with the present ones."""
