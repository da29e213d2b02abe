"""A purchase from its first request to its last transaction, as values.

`events` and `reports` hold what Stripe sends, `books` what counts against limits.
"""
