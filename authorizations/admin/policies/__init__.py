"""The pages of policies, their versions and their assignments."""
