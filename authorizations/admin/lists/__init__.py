"""Lists of the record: keyset pages, filters and search."""
