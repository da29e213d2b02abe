"""The pages of what Stripe did differently, and of events that wait to be applied."""
