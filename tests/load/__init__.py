"""`make load`: many processes at once on a few cards, and what the books say afterwards."""
