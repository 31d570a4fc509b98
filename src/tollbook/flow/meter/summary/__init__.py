"""The summaries: raised by what arrives, counted again from the events where that is not enough."""
