"""Simulates Stripe: invented people who go shopping, and the events that Stripe would send.

`simulate` sends them to a server over HTTP, as Stripe does. `demo` and `inside` call the services
directly: for demo data, benchmarks and load tests.
"""
