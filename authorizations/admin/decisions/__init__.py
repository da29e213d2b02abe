"""Decisions: their list, and the page that explains one."""
