"""Cards and cardholders: which policies let them pay, and what people write of them."""

__all__ = ["by_hand", "grants"]
