"""Pages of cards, cardholders and card groups: what is available and whether a card may pay."""
