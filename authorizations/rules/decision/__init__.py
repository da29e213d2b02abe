"""The decision: from a request, the controls that apply and their usage to an answer with a trace.

`decide` evaluates all checks; `stand_in` decides without usage.
"""
