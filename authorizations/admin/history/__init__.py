"""The change history, as a list and on each object's page."""
