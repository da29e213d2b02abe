"""Pages that two people may have open at once."""
