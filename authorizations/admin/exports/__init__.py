"""Lists as files, and the list of who took them."""
