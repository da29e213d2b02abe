"""Django's PostgreSQL backend, all of whose connections keep deadlines and notice poolers."""
