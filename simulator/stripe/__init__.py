"""Objects and events as Stripe writes them, made up."""
