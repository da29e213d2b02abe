"""Freezes and blocks: what is in force now, and the pages that change it."""
