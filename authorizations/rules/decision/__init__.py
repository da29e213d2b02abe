"""Decides: a request, the controls that apply and their usage in, a decision with its trace out.

`decide` runs the checks in order of precedence; `stand_in` decides without usage.
"""
