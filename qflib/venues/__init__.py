"""qflib.venues."""
