"""Sentences for people: what a decision, a limit, a decline reason or a finding means."""
