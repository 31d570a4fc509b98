"""A bucket of S3, or of what speaks its protocol, as a source of usage."""
