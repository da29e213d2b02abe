"""How people's browsers reach the desk: middleware, sessions, second factor, the demo's log-ins."""
