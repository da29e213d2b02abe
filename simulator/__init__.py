"""Stands in for Stripe: invented people who go shopping, and the questions Stripe would ask.

It speaks to a server over HTTP as Stripe does; it knows neither the database nor how decisions
are made.
"""
