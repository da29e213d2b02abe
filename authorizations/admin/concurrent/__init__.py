"""Detects and merges edits of one object by two people at once."""
