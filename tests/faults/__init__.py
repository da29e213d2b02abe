"""Faults: everything the desk stands on is stopped, cut or broken, and the books must come out."""
