"""The home page: figures, charts and what needs attention."""
