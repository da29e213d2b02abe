"""`make screenshots`: pictures of all pages of the admin, and what is wrong with each."""
