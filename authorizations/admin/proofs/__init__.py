"""The list of who proved the record, and what came of it."""
