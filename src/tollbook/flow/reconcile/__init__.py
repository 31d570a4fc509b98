"""Reconcile: does what was used equal what was charged, invoiced, posted and recognized?"""
