"""Requests at the webhook, signed or not: lists and pages."""
