"""Exports of lists as files, and the list of exports."""
