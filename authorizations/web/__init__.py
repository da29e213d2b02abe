"""How requests reach the desk: the door of the webhook; middleware, sessions, log-ins of people."""
