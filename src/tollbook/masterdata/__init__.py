"""Effective-dated reference data: entities, customers, meters, prices, contracts, taxes, GL maps."""
