"""The pages of policies and of their versions."""
