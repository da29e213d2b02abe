"""A policy as people write it: document, errors and warnings, policy file, summaries."""
