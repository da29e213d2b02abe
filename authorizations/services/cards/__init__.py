"""Cards and cardholders: which policies let them spend, and rows written by hand."""

__all__ = ["by_hand", "grants"]
