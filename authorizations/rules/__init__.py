"""The pure core: frozen values in, frozen values out.

It knows nothing of Django, the database, the clock or Stripe's field names; it imports the
standard library only.
"""
