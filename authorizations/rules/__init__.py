"""The pure core: frozen values in, frozen values out.

It imports the standard library only: no Django, no database, no clock, none of Stripe's field
names.
"""
