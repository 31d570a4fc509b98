"""Usage that arrives as files: places where objects are dropped, and how their rows are read."""
