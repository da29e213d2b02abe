"""What the processes of the load begin with: imported once, and each is a fork of that."""

import django

django.setup()
