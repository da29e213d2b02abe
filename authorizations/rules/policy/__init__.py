"""Policies as people write them: documents, errors and warnings, policy files, summaries."""
