"""The pages of what was asked, answered and counted: to look at only."""
