"""Sentences for people about decisions, limits, decline reasons and findings."""
