"""Storage keeps the books: the PostgreSQL server, its transactions and its migrations."""
