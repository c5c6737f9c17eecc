"""The front door: a table and a frozen model in, a fit and its predictions out."""
