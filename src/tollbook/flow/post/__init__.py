"""Post: issued documents and journals reach the ERP, once each, or wait on the worklist."""
