"""What happens: one file per thing that does."""
