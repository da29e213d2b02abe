"""The change history: a list of all changes, and the history of each object."""
