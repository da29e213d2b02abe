"""Pages of mismatches with Stripe (findings), and of events that could not be applied."""
