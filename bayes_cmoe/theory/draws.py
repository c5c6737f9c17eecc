"""How many Monte-Carlo draws a bound takes; by itself because the command line shows it."""

__all__ = ["DRAWS"]

DRAWS = 2**18
"""Rows (x, y) of the expectation at each truth."""
