"""Draws the pictures of docs/architecture.md from the code: `make drawing`.

`rooms` reads the rooms and their imports, `floors` draws them, `sequences` draws three ways through
the code, whose steps `ways` lists. Tests draw all of them again and compare, and look up what the
steps name.
"""
