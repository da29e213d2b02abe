"""Stripe's formats: signatures, events, answers, and API lists.

The only package that knows Stripe's field names. It turns bytes into the values of the rules and
back; it reads no settings and no clock, and uses neither Django nor the database.
"""
