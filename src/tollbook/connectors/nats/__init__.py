"""The NATS JetStream source: a durable pull consumer, acknowledged after the commit."""
