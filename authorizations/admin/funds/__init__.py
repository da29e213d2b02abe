"""Funds: what was added to pots and taken out of them, and the page that does it."""
