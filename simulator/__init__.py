"""Plays Stripe: invented people who go shopping, and the events that Stripe would send.

`simulate` speaks to a server over HTTP, as Stripe does. `demo` and `inside` go past HTTP, into the
services: for the demo's purchases, benchmarks and trials.
"""
