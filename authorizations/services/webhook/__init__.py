"""Answers Stripe: from a verified delivery to a response, and what a server does beside it.

`answering` decides with the database within the time limit and falls back to stand-in;
`background` runs the duties of a server process; the rest reports how the server is doing:
readiness, health, metrics, clock, rejected requests.
"""

__all__ = [
    "answering",
    "background",
    "clock",
    "database_roles",
    "health",
    "readiness",
    "rejections",
    "scrape",
    "together",
]
