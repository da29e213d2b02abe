"""Webhook requests, accepted and refused: lists and pages."""
