"""Local servers that behave like the outside systems, including refusals and lost replies."""
