"""How far each source was stored, who paused it, and what its readers say."""
