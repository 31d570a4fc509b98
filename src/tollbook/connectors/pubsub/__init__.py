"""The Google Pub/Sub source: a subscription that is pulled, and acknowledged after the commit."""
