"""The pages of cards, cardholders and card groups: what is left, and who may pay."""
