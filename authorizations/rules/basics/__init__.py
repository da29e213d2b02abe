"""Money, countries, clocks, merchant filters and limits as values, and words for them.

Also card numbers in text, folding of names for comparison, and parsing of policy documents.
"""
