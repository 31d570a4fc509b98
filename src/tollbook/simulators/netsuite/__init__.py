"""A local NetSuite SuiteTalk REST service; start it with `server.Simulator` or `python -m`."""
