"""Three open programs that answer Stripe Issuing, each as a policy file beside a reference.

The policy file says what the program checks. The reference, in plain Python and without our rules,
answers as the program does. Both are asked about the same purchases, and never differ.
docs/programs.md has the checks one by one, and those that a policy can't say: they are not drawn.
"""

NAMES = ("hack_club", "open_collective", "odoo")
