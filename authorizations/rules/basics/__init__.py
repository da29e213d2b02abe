"""Money, countries, clocks, merchants' filters and limits as values; plain words for them.

Also card numbers in text, how names are folded for comparison, and how what people write in a
document is read.
"""
