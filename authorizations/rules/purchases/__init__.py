"""A purchase as values, from its first request to its last transaction.

`events` and `reports` have what Stripe sends, `books` has what counts against limits.
"""
