"""Money, countries, merchants' filters and a policy version's spending controls as values.

Also card numbers in text, and how names are folded for comparison.
"""
