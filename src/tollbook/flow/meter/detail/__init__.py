"""What is behind one usage beyond its quantity: by dimension, and event by event."""
