"""Commands that play Stripe."""
