"""Stripe's side of the door: its signatures, its events, its answers.

The only room that knows a field name of Stripe's. It turns bytes into the values of the rules and
back; it reads no settings, asks no clock, and knows neither Django nor the database.
"""
