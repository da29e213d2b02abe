"""The pages of stand-in: how it is, who switched it, and switching it."""
