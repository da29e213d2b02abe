"""Parts of every page: navigation, log-in, users and roles, and texts of empty lists."""
