"""Authorizations: state, timeline, transactions, and adjustments made by operators."""
