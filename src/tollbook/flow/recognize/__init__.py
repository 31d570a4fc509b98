"""Issued invoice lines become revenue in the months in which it is earned."""
