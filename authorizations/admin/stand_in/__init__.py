"""Pages of stand-in: its state, the history of its switch, and the form to switch it."""
