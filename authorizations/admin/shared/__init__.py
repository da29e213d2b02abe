"""Code that several rooms of the admin use: links, types, money, times, tables, explanations."""
