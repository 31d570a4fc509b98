"""Which usage events count for a meter, and for how much, as PostgreSQL sees it."""
