"""The first page: figures, charts, and what needs attention."""
