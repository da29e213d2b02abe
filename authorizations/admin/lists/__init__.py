"""Lists of the record: pages by key, filters of their own, searching."""
