"""The frame around all pages: navigation, logging in, people, and what an empty page says."""
