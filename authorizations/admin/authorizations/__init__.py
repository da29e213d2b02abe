"""Authorizations: how each stands, its life, its transactions, and what operators book by hand."""
